package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// many is from where on it is cheaper to sync the whole file system.
const many = 256

// settle makes the folders read-only and brings everything to the disk.
func (u *unpacker) settle(entries []entry, top *os.File) error {
	each := len(entries) <= many
	for _, e := range entries {
		if e.kind == folder {
			if err := u.root.Chmod(e.path, 0o555); err != nil {
				return err
			}
		}
		if each && e.kind != symlink {
			if err := u.sync(e.path); err != nil {
				return err
			}
		}
	}
	if err := top.Chmod(0o555); err != nil {
		return err
	}
	if each {
		return top.Sync()
	}
	return syncFS(top)
}

func (u *unpacker) sync(p string) error {
	f, err := u.root.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func syncFS(f *os.File) error { return control(f, unix.Syncfs) }

// syncPath makes a folder's names durable, or a file's content.
func syncPath(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
