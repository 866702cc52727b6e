//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package migrate

import "errors"

// A fileLock is not known on this system.
type fileLock struct{ path string }

func (l *fileLock) try() (bool, error) {
	return false, errors.New("SQLite databases are changed on Unix systems alone")
}

func (l *fileLock) unlock() {}
