package process

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// An ability is what a file system can do to the head of a file.
type ability int

const (
	unknown ability = iota
	neither
	punches
	collapses
)

// ability tries the log's file system out, once per device, and tells its block
// size.
func (r *Rotator) ability(path string, live *os.File) (ability, int64, error) {
	var st unix.Stat_t
	var fs unix.Statfs_t
	err := control(live, func(fd int) error {
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		return unix.Fstatfs(fd, &fs)
	})
	if err != nil {
		return unknown, 0, err
	}
	block := max(int64(fs.Bsize), 4096)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.force != unknown {
		return r.force, block, nil
	}
	able := r.able[st.Dev]
	if able == unknown {
		if able, err = tryOut(filepath.Dir(path), block); err != nil {
			return unknown, 0, err
		}
		if r.able == nil {
			r.able = make(map[uint64]ability)
		}
		r.able[st.Dev] = able
	}
	return able, block, nil
}

// tryOut does with a small file what is later done with logs. A hole counts
// only if the file system tells of it afterwards.
func tryOut(dir string, block int64) (ability, error) {
	f, err := os.CreateTemp(dir, ".segue-try-*")
	if err != nil {
		return unknown, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return unknown, err
	}
	b := make([]byte, 2*block+1)
	for i := range b {
		b[i] = 'x'
	}
	if _, err := f.Write(b); err != nil {
		return unknown, err
	}
	fallocate := func(mode uint32) error {
		return control(f, func(fd int) error { return unix.Fallocate(fd, mode, 0, block) })
	}
	if fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE) != nil {
		return neither, nil
	}
	if head, err := firstData(f, int64(len(b))); err != nil || head != block {
		return neither, err
	}
	if fallocate(unix.FALLOC_FL_COLLAPSE_RANGE) != nil {
		return punches, nil
	}
	return collapses, nil
}
