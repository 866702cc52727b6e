package process

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Trees keeps the files of releases, each tree in a folder that is named by the
// digest of what is in it. A tree is there whole or not at all, at any instant
// and after any crash; its files are read-only. Trees may be used concurrently
// within one process. It must not be copied.
type Trees struct {
	Dir string // made if missing

	MaxBytes   int64 // of one tree; 0 means 16 GiB
	MaxEntries int   // of one tree; 0 means 500000

	mu sync.Mutex // held while a temporary folder has no lock yet, and in Sweep
}

// temporary is how the folders are called that are not trees (any more).
const temporary = "tmp-"

// Path is the folder of a tree, whether it is there or not.
func (t *Trees) Path(digest string) string { return filepath.Join(t.Dir, digest) }

// Has reports whether the tree is there.
func (t *Trees) Has(digest string) bool {
	st, err := os.Stat(t.Path(digest))
	return err == nil && st.IsDir() && isDigest(digest)
}

// Sweep removes the trees that keep does not want, and what a killed agent has
// left unfinished. What is being unpacked now is let alone; a tree counts as
// soon as Unpack has returned, so keep must know of it by then.
func (t *Trees) Sweep(keep func(digest string) bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	names, err := os.ReadDir(t.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep releases: %w", err)
	}
	var errs []error
	for _, n := range names {
		name := n.Name()
		switch {
		case strings.HasPrefix(name, temporary):
			err = removeUnlocked(filepath.Join(t.Dir, name))
		case isDigest(name) && !keep(name):
			err = t.drop(name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep releases: %w", err))
		}
	}
	return errors.Join(errs...)
}

// drop takes the tree's name away first, so that a crash never leaves half of
// it under its digest.
func (t *Trees) drop(digest string) error {
	tmp := filepath.Join(t.Dir, temporary+digest)
	if err := os.Rename(t.Path(digest), tmp); err != nil {
		return err
	}
	return removeTree(tmp)
}

// removeUnlocked removes a temporary folder unless somebody is filling it.
func removeUnlocked(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil
	}
	return removeTree(dir)
}

// removeTree removes read-only folders too.
func removeTree(dir string) error {
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// lock takes a flock, which ends with the process if not before.
func lock(f *os.File, how int) error {
	return control(f, func(fd int) error { return unix.Flock(fd, how) })
}

// complete checks that all of the entries are in dir, unchanged. What a program
// has put beside them (caches, for instance) is no matter.
func complete(dir string, entries []entry) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, want := range entries {
		got, err := inspect(root, want.path)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s has been changed", want.path)
		}
	}
	return nil
}

func inspect(root *os.Root, p string) (entry, error) {
	e := entry{path: p}
	info, err := root.Lstat(p)
	if err != nil {
		return e, err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		e.kind = folder
		return e, nil
	case fs.ModeSymlink:
		e.kind = symlink
		e.link, err = root.Readlink(p)
		return e, err
	case 0:
	default:
		return e, fmt.Errorf("%s is a %s", p, typeName(info.Mode()))
	}
	f, err := root.Open(p)
	if err != nil {
		return e, err
	}
	defer f.Close()
	h := sha256.New()
	if e.size, err = io.Copy(h, f); err != nil {
		return e, err
	}
	e.kind, e.exec = regular, info.Mode()&0o111 != 0
	h.Sum(e.sum[:0])
	return e, nil
}
