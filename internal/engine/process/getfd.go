package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Listeners returns copies of the listening sockets that the leader has open:
// the way back to one that it was given, when everybody else who had it is
// gone. They are the caller's to close. It needs what ptrace(2) needs (Yama may
// refuse it to all but root) and Linux 5.6.
func (p *Process) Listeners() ([]*os.File, error) {
	names, err := filepath.Glob("/proc/" + strconv.Itoa(p.pid) + "/fd/*")
	if err != nil {
		return nil, err
	}
	var found []*os.File
	for _, name := range names {
		if to, err := os.Readlink(name); err != nil || !strings.HasPrefix(to, "socket:") {
			continue
		}
		theirs, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		fd, err := p.getFD(theirs)
		if err != nil {
			return found, fmt.Errorf("copy a socket of process %d: %w", p.pid, err)
		}
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
			_ = unix.Close(fd)
			continue
		}
		found = append(found, os.NewFile(uintptr(fd), "socket of "+p.id))
	}
	return found, nil
}

func (p *Process) getFD(theirs int) (fd int, err error) {
	err = withFDs([]*os.File{p.pidfd}, func(fds []uintptr) error {
		fd, err = unix.PidfdGetfd(int(fds[0]), theirs, 0)
		return err
	})
	return fd, err
}
