package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/seguehq/segue/store"
)

// code is SQLite's primary result code, 0 if the error is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// patiently does again what came while the file was busy. Writers queue and
// readers do not wait, so that this is for the moments in which a process joins,
// leaves, or recovers from a crash, and for other programs.
func patiently(ctx context.Context, do func() error) error {
	for {
		err := do()
		if !busy(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func busy(err error) bool {
	c := code(err)
	return c == codes.SQLITE_BUSY || c == codes.SQLITE_LOCKED
}

// explain adds to an error what was tried, on what, and the mend.
func (f *file) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	mend := f.mend(err)
	if mend != "" {
		mend = "; " + mend
	}
	return fmt.Errorf("sqlite store %s: %s: %w%s", f.path, what, err, mend)
}

func (f *file) mend(err error) string {
	dir := filepath.Dir(f.path)
	switch c := code(err); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("make the folder: mkdir -p -m 700 %s", dir)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), c == codes.SQLITE_READONLY, c == codes.SQLITE_CANTOPEN, c == codes.SQLITE_PERM:
		return fmt.Sprintf("the file, its neighbours (-wal, -shm, -queue) and the folder %s must be writable by the user that this runs as", dir)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), c == codes.SQLITE_FULL:
		return "make room on the disk; nothing is damaged, and writing works again by itself"
	case c == codes.SQLITE_CORRUPT, c == codes.SQLITE_NOTADB:
		return fmt.Sprintf("the file is damaged, or no database: stop what uses it, move it away with its -wal and -shm, and start anew, or save what can be saved by: sqlite3 %s .recover", f.path)
	case c == codes.SQLITE_IOERR:
		return "the disk or its file system fails, or is full; the machine's log (dmesg) says more"
	case strings.Contains(err.Error(), "no such table"), strings.Contains(err.Error(), "no such column"):
		return "the file has been changed by something else; move it away with its -wal and -shm, and start anew"
	}
	return ""
}
