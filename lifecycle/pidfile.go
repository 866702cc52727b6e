package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// writePIDFile writes the file under another name first, so that nobody reads
// half of it.
func (r *running) writePIDFile() error {
	path := r.app.PIDFile
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("lifecycle: PID file: %w", err)
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use, and said so below
		return fmt.Errorf("lifecycle: PID file: %w", err)
	}
	return nil
}

// removePIDFile leaves the file alone when a new process has written it.
func (r *running) removePIDFile() {
	path := r.app.PIDFile
	if path == "" {
		return
	}
	data, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(data)) == strconv.Itoa(os.Getpid()) {
		err = os.Remove(path)
	}
	if err != nil && !os.IsNotExist(err) {
		r.log.Warn("the PID file stays", "error", err)
	}
}
