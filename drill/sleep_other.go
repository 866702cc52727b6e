//go:build !linux

package drill

import "time"

func preciseSleep(d time.Duration) { time.Sleep(d) }
