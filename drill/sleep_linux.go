package drill

import (
	"syscall"
	"time"
)

// preciseSleep sleeps by the kernel's own timer: Go's is rounded up to the next
// millisecond when the process is otherwise idle.
func preciseSleep(d time.Duration) {
	end := time.Now().Add(d)
	for {
		ts := syscall.NsecToTimespec(int64(d))
		if err := syscall.Nanosleep(&ts, nil); err != syscall.EINTR {
			return
		}
		if d = time.Until(end); d <= 0 {
			return
		}
	}
}
