package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/seguehq/segue/internal/engine/process"
)

// A layer is a compressed tar file on disk, whose digests are known.
type layer struct {
	path   string
	digest v1.Hash // of the file
	diffID v1.Hash // of what is in it
	size   int64
	media  types.MediaType
	tree   string // the digest of the release's files; "" of other layers
}

func (l *layer) Digest() (v1.Hash, error)            { return l.digest, nil }
func (l *layer) DiffID() (v1.Hash, error)            { return l.diffID, nil }
func (l *layer) Size() (int64, error)                { return l.size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return l.media, nil }
func (l *layer) Compressed() (io.ReadCloser, error)  { return os.Open(l.path) }
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// layer writes the release's files, as process.Pack has them, into a layer in
// dir.
func (s *Spec) layer(ctx context.Context, dir string) (*layer, error) {
	r, w := io.Pipe()
	type packed struct {
		process.Manifest
		err error
	}
	done := make(chan packed, 1)
	go func() {
		m, err := process.Pack(ctx, w, s.Dir, s.Files)
		_ = w.CloseWithError(err) // never fails
		done <- packed{m, err}
	}()
	found := false
	l, err := writeLayer(filepath.Join(dir, "files.tar.gz"), func(t *tar.Writer) (err error) {
		found, err = s.copyFiles(t, tar.NewReader(r))
		return err
	})
	_ = r.CloseWithError(context.Canceled) // never fails; ends Pack if the layer could not be written
	p := <-done
	switch {
	case p.err != nil && !errors.Is(p.err, context.Canceled) || ctx.Err() != nil:
		return nil, p.err
	case err != nil:
		return nil, err
	case s.program() != "" && !found:
		return nil, fmt.Errorf("%s, which release.command runs, is not among the files of the release: name it in release.files", s.program())
	}
	l.tree = p.Digest
	return l, nil
}

// copyFiles copies a release's files to their folder in the image, and reports
// whether the program is one of them.
func (s *Spec) copyFiles(t *tar.Writer, r *tar.Reader) (found bool, err error) {
	folder := strings.TrimPrefix(Folder(s.Service), "/")
	if err := addFolders(t, folder); err != nil {
		return false, err
	}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r)
			return found, err
		}
		if err != nil {
			return false, err
		}
		found = found || h.Name == s.program()
		if err := t.WriteHeader(header(h.Typeflag, path.Join(folder, h.Name), h.Linkname, h.Mode, h.Size)); err != nil {
			return false, err
		}
		if _, err := io.Copy(t, r); err != nil {
			return false, err
		}
	}
}

// addFolders adds a folder and those above it.
func addFolders(t *tar.Writer, folder string) error {
	if folder == "." {
		return nil
	}
	if err := addFolders(t, path.Dir(folder)); err != nil {
		return err
	}
	return t.WriteHeader(header(tar.TypeDir, folder, "", 0o755, 0))
}

// header is that of a file of root's, made when everything was.
func header(kind byte, name, link string, mode, size int64) *tar.Header {
	if kind == tar.TypeDir {
		name += "/"
	}
	return &tar.Header{Typeflag: kind, Name: name, Linkname: link, Mode: mode, Size: size, ModTime: time.Unix(0, 0)}
}

// writeLayer makes a layer of what fill writes.
func writeLayer(file string, fill func(*tar.Writer) error) (*layer, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	outer, inner := sha256.New(), sha256.New()
	size := &counter{}
	z := gzip.NewWriter(io.MultiWriter(f, outer, size))
	t := tar.NewWriter(io.MultiWriter(z, inner))
	if err := fill(t); err != nil {
		return nil, err
	}
	if err := errors.Join(t.Close(), z.Close(), f.Close()); err != nil {
		return nil, fmt.Errorf("write the image's layer to %s: %w", filepath.Dir(file), err)
	}
	return &layer{path: file, digest: sum(outer), diffID: sum(inner), size: size.n, media: types.OCILayer}, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
