package process

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Unpack stores a tar stream, as Pack writes it, as a tree and returns its
// digest, computed from what was stored. It takes nothing on trust: names and
// links must stay inside, sizes within bounds, and only files, folders and
// links may be in it. If the tree is there already it is checked, and replaced
// if something is missing. On an error (disk full, not writable, a hostile or
// broken stream) nothing is left behind.
func (t *Trees) Unpack(ctx context.Context, r io.Reader) (digest string, err error) {
	digest, err = t.unpack(ctx, r)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("%w; free some space there, or keep fewer releases (keep: in segue.yaml)", err)
	}
	if err != nil {
		return "", fmt.Errorf("store release in %s: %w", t.Dir, err)
	}
	return digest, nil
}

func (t *Trees) unpack(ctx context.Context, r io.Reader) (string, error) {
	tmp, held, err := t.temp()
	if err != nil {
		return "", err
	}
	defer held.Close() // and unlock
	defer removeTree(tmp)
	u := unpacker{entries: make(map[string]entry), bytes: t.MaxBytes, count: t.MaxEntries}
	if u.bytes == 0 {
		u.bytes = 16 << 30
	}
	if u.count == 0 {
		u.count = 500_000
	}
	if u.root, err = os.OpenRoot(tmp); err != nil {
		return "", err
	}
	defer u.root.Close()
	if err := u.all(ctx, tar.NewReader(abortable{ctx, r})); err != nil {
		return "", err
	}
	entries := slices.Collect(maps.Values(u.entries))
	digest := summarize(entries).Digest
	if err := u.settle(entries, held); err != nil {
		return "", err
	}
	return digest, t.publish(tmp, digest, entries)
}

// temp makes a temporary folder and locks it against Sweep.
func (t *Trees) temp() (string, *os.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return "", nil, err
	}
	tmp, err := os.MkdirTemp(t.Dir, temporary)
	if err != nil {
		return "", nil, err
	}
	held, err := os.Open(tmp)
	if err == nil {
		if err = lock(held, unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return tmp, held, nil
		}
		held.Close()
	}
	_ = os.Remove(tmp)
	return "", nil, err
}

// publish gives a finished tree its name. One that is there under it is kept if
// it is complete: instances may be running in it.
func (t *Trees) publish(tmp, digest string, entries []entry) error {
	dst := t.Path(digest)
	err := os.Rename(tmp, dst)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTEMPTY) {
		if complete(dst, entries) == nil {
			return nil
		}
		err = unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dst, unix.RENAME_EXCHANGE)
	}
	if err != nil {
		return err
	}
	return syncPath(t.Dir)
}

// abortable is a reader that fails once ctx has ended.
type abortable struct {
	ctx context.Context
	r   io.Reader
}

func (a abortable) Read(b []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	return a.r.Read(b)
}

// An unpacker fills one folder. bytes and count are what it may still take.
type unpacker struct {
	root    *os.Root
	entries map[string]entry
	bytes   int64
	count   int
}

func (u *unpacker) all(ctx context.Context, tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if err == io.EOF {
			if len(u.entries) == 0 {
				return errors.New("the release has no files")
			}
			return nil
		}
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("broken stream: %w", err)
		}
		if err := u.one(h, tr); err != nil {
			return err
		}
	}
}

func (u *unpacker) one(h *tar.Header, r io.Reader) error {
	p := h.Name
	if h.Typeflag == tar.TypeDir {
		p = strings.TrimSuffix(p, "/")
	}
	if err := checkPath(p); err != nil {
		return err
	}
	if err := u.folders(path.Dir(p)); err != nil {
		return err
	}
	if _, twice := u.entries[p]; twice {
		if h.Typeflag == tar.TypeDir && u.entries[p].kind == folder {
			return nil
		}
		return fmt.Errorf("%q is in the stream twice", p)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(p)
	case tar.TypeSymlink:
		return u.symlink(p, h.Linkname)
	case tar.TypeReg:
		for k := range h.PAXRecords {
			if strings.HasPrefix(k, "GNU.sparse.") { // small streams that become huge files
				return fmt.Errorf("%q is a sparse file", p)
			}
		}
		return u.file(p, h, r)
	}
	return fmt.Errorf("%q is of type %q; only files, folders and symbolic links are taken", p, h.Typeflag)
}

func (u *unpacker) add(e entry) error {
	if u.count--; u.count < 0 {
		return errors.New("too many files in one release")
	}
	u.entries[e.path] = e
	return nil
}

// folders makes sure that all above a path are folders, not links.
func (u *unpacker) folders(dir string) error {
	if dir == "." {
		return nil
	}
	if e, ok := u.entries[dir]; ok {
		if e.kind != folder {
			return fmt.Errorf("%q is used as a folder, and is none", dir)
		}
		return nil
	}
	if err := u.folders(path.Dir(dir)); err != nil {
		return err
	}
	return u.folder(dir)
}

func (u *unpacker) folder(p string) error {
	if err := u.add(entry{path: p, kind: folder}); err != nil {
		return err
	}
	return u.root.Mkdir(p, 0o700)
}

func (u *unpacker) symlink(p, target string) error {
	if err := checkLink(p, target); err != nil {
		return err
	}
	if err := u.add(entry{path: p, kind: symlink, link: target}); err != nil {
		return err
	}
	return u.root.Symlink(target, p)
}

func (u *unpacker) file(p string, h *tar.Header, r io.Reader) error {
	if h.Size < 0 || h.Size > u.bytes {
		return fmt.Errorf("%q is too big: the release would take more than it may", p)
	}
	u.bytes -= h.Size
	f, err := u.root.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	e := entry{path: p, kind: regular, exec: h.Mode&0o111 != 0, size: h.Size}
	sum := sha256.New()
	if n, err := io.Copy(io.MultiWriter(f, sum), r); err != nil {
		return err
	} else if n != h.Size {
		return fmt.Errorf("%q is cut off", p)
	}
	sum.Sum(e.sum[:0])
	mode := os.FileMode(0o444)
	if e.exec {
		mode = 0o555
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := u.add(e); err != nil {
		return err
	}
	return f.Close()
}
