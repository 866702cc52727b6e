//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package migrate

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A fileLock is a lock beside SQLite's file. The kernel gives it back when the
// process ends, however it does. The file stays: whoever removes it takes it from under
// one who waits.
type fileLock struct {
	path string
	file *os.File
}

func (l *fileLock) try() (bool, error) {
	if l.file == nil {
		file, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return false, err
		}
		l.file = file
	}
	err := unix.Flock(int(l.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func (l *fileLock) unlock() {
	if l.file != nil {
		_ = l.file.Close() // and the lock with it
	}
}
