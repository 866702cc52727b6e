package process

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Pack writes what a release keeps of dir as a tar stream, for Trees.Unpack.
// files are names and patterns relative to dir, "." for everything; folders are
// taken with what is in them, but for version control and what .segueignore
// lists. The order is always the same. It fails, naming the file, on what a
// release cannot keep (sockets, devices, links that lead outside) and on a file
// that changes meanwhile.
func Pack(ctx context.Context, w io.Writer, dir string, files []string) (Manifest, error) {
	m, err := pack(ctx, w, dir, files)
	if err != nil {
		return Manifest{}, fmt.Errorf("pack %s: %w", dir, err)
	}
	return m, nil
}

// Digest is what Pack would return, without writing anything.
func Digest(ctx context.Context, dir string, files []string) (Manifest, error) {
	return Pack(ctx, io.Discard, dir, files)
}

func pack(ctx context.Context, w io.Writer, dir string, files []string) (Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, err
	}
	defer root.Close()
	paths, infos, err := choose(root, files)
	if err != nil {
		return Manifest{}, err
	}
	tw := tar.NewWriter(w)
	entries := make([]entry, 0, len(paths))
	for _, p := range paths {
		if err := ctx.Err(); err != nil {
			return Manifest{}, err
		}
		e, err := packOne(tw, root, p, infos[p])
		if err != nil {
			return Manifest{}, vanished(p, err)
		}
		entries = append(entries, e)
	}
	if err := tw.Close(); err != nil {
		return Manifest{}, err
	}
	return summarize(entries), nil
}

func packOne(tw *tar.Writer, root *os.Root, p string, info fs.FileInfo) (entry, error) {
	switch {
	case info.IsDir():
		return entry{path: p, kind: folder}, tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: p + "/", Mode: 0o755})
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := root.Readlink(p)
		if err != nil {
			return entry{}, err
		}
		if err := checkLink(p, target); err != nil {
			return entry{}, err
		}
		return entry{path: p, kind: symlink, link: target},
			tw.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: p, Linkname: target, Mode: 0o777})
	}
	return packFile(tw, root, p)
}

func packFile(tw *tar.Writer, root *os.Root, p string) (entry, error) {
	f, err := root.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe put in its place would block
	if err != nil {
		return entry{}, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return entry{}, err
	}
	if !before.Mode().IsRegular() {
		return entry{}, changed(p)
	}
	e := entry{path: p, kind: regular, exec: before.Mode()&0o111 != 0, size: before.Size()}
	mode := int64(0o644)
	if e.exec {
		mode = 0o755
	}
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: p, Mode: mode, Size: e.size}); err != nil {
		return entry{}, err
	}
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(tw, h), f, e.size)
	if errors.Is(err, io.EOF) {
		return entry{}, changed(p)
	}
	if err != nil {
		return entry{}, err
	}
	after, err := f.Stat()
	if err != nil {
		return entry{}, err
	}
	if after.Size() != e.size || !after.ModTime().Equal(before.ModTime()) {
		return entry{}, changed(p)
	}
	h.Sum(e.sum[:0])
	return e, nil
}

func changed(p string) error {
	return fmt.Errorf("%s changed while it was being packed; is a build still running?", p)
}
