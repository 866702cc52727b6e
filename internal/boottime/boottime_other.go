//go:build !linux

package boottime

import "time"

// Now is Go's monotonic clock.
func Now() Instant { return Instant(time.Since(started)) }

// started never changes.
var started = time.Now()
