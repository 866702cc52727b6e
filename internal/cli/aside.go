package cli

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// aside is how much nicer than others a command is that steps aside.
const aside = 10

// stepAside lowers the priority of this process, and of what it starts: a
// release is built and packed on the machine whose services have work to do.
// Nothing depends on it, so a refusal is no error.
func stepAside() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads { // on Linux, each has a priority of its own, which its children inherit
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, aside)
		}
	}
}
