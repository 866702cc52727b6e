package cli

import (
	"io"
	"os"
	"path/filepath"
)

type carryCmd struct {
	Folder string `arg:"" help:"Where to."`
}

// Run copies the binary, so that it can be run in an image that does not have it:
// there may be no cp where it comes from.
func (c *carryCmd) Run(*env) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.CreateTemp(c.Folder, "segue-*")
	if err != nil {
		return err
	}
	defer os.Remove(to.Name()) // in vain when it has its name
	if err := fill(to, from); err != nil {
		return err
	}
	return os.Rename(to.Name(), filepath.Join(c.Folder, "segue"))
}

// fill writes a program to a file, and closes it: one that is open for writing
// cannot be run.
func fill(to *os.File, from io.Reader) error {
	defer to.Close() // a second time when all is well
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	if err := to.Chmod(0o755); err != nil {
		return err
	}
	return to.Close()
}
