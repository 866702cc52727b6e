package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Adopt takes on a process that an earlier agent has started, by the pid and
// birth that it recorded. It returns ErrGone (wrapped) if that process is not
// there, has ended, was never released, or lived before the last boot; then it
// has also ended what was left of it (by the cgroup and the variable
// SEGUE_LEADER), so that another copy may be started.
//
// The exit status of an adopted process is known too: we reap it if it is a
// child of ours (the agent has exec'ed itself anew), and are told by /proc or,
// from Linux 6.15 on, by the pidfd otherwise.
func (e *Engine) Adopt(pid int, born uint64) (*Process, error) {
	if born>>tickBits != bootMark() {
		return nil, fmt.Errorf("pid %d: %w: the machine has been booted since", pid, ErrGone)
	}
	fd, s, err := openPidfd(pid, born)
	if err == nil && (s.ended() || !settled(fd, pid)) {
		how := reap(fd) // if it was our child, it is not to stay a zombie
		unix.Close(fd)
		err = fmt.Errorf("pid %d: %w", pid, ErrGone)
		if how.Known {
			how.At = time.Now()
			err = fmt.Errorf("%w: %s", err, how)
		}
	}
	cg := findCgroup(pid, born)
	if errors.Is(err, ErrGone) {
		l := leader{pid: pid, born: born, cgroup: cg, scans: &e.scans}
		rest := l.endRest(time.Now().Add(killPatience))
		if rest = errors.Join(rest, cg.remove()); rest != nil {
			return nil, fmt.Errorf("pid %d has ended, but: %w", pid, rest)
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	p := e.newProcess("pid "+strconv.Itoa(pid), pid, fd)
	p.born, p.cgroup = born, cg
	e.watch(p)
	return p, nil
}

// settled waits until the process is no longer a shim before its gate: its
// agent is dead, so that it is about to end or, if it got its order with the
// agent's last breath, to become the command. False means that it has ended.
func settled(fd, pid int) bool {
	gate := []byte(shimName + "\x00" + shimArg + "\x00")
	for deadline := time.Now().Add(killPatience); ; {
		argv, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		ending := err == nil && len(argv) == 0 // its memory is gone already; the rest is about to be
		if err != nil || !ending && !bytes.HasPrefix(argv, gate) {
			return !pollFD(fd, unix.POLLIN, 0)
		}
		if time.Now().After(deadline) {
			if ending { // it is the command all the same, and hides its arguments
				return true
			}
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // stopped by somebody?
		}
		if pollFD(fd, unix.POLLIN, 2*time.Millisecond) {
			return false
		}
	}
}
