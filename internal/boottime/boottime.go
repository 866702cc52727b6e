// Package boottime is a clock for leases that a store elsewhere ends: it goes on
// while the machine sleeps, and nobody sets it.
package boottime

import "time"

// An Instant is a time of this clock, in nanoseconds since some moment before the
// process was started.
type Instant int64

// Add returns the instant that is d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns how long after j it is.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }
