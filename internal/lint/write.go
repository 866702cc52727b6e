package lint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Write puts a fixed file in the place of the old one: whole, or not at all. A
// file that somebody has changed since it was read is left alone. What a
// symbolic link points to is replaced, not the link.
func (c Change) Write() error {
	path, err := filepath.EvalSymlinks(c.Before.Name)
	if err != nil {
		return fmt.Errorf("fix %s: %w", c.Before.Name, err)
	}
	tmp, err := c.beside(path)
	if err == nil {
		err = c.swap(tmp, path)
		_ = os.Remove(tmp) // gone, if all went well
	}
	if err != nil {
		return fmt.Errorf("fix %s: %w; the file is as it was", c.Before.Name, err)
	}
	return nil
}

// beside writes a temporary file in the folder of the old one, with its mode
// and, if that is allowed, its owner.
func (c Change) beside(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(c.After.Data)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(owner.Uid), int(owner.Gid)) // only root may give files away
	}
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func (c Change) swap(tmp, path string) error {
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, c.Before.Data) {
		return errors.New("it was changed by somebody else meanwhile")
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
