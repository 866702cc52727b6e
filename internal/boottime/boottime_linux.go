package boottime

import "golang.org/x/sys/unix"

// Now reads CLOCK_BOOTTIME (clock_gettime(2)). Go's own monotonic clock stands still
// while the machine is suspended, and leases in a store elsewhere do not.
func Now() Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("boottime: CLOCK_BOOTTIME, which every Linux since 2.6.39 has: " + err.Error())
	}
	return Instant(t.Nano())
}
