package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A Tool is a program that is pushed beside the images that it serves, once:
// segue itself, for drills and migrations inside a cluster.
type Tool struct {
	Name       string // that of its file in the image, and of its tag
	Version    string
	Binary     string // file path; it must be linked statically
	Repository string
	Nodes      []string // as in Spec
}

const binaryLabel = "dev.segue.binary"

// roots are where systems have the certificates that they trust. The image
// gets them, so that it can speak TLS with whom this machine can.
var roots = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

// Push makes the tool's image, whose entry point it is, and pushes it, unless
// it is there. It returns its reference by digest. show may be nil.
func (t Tool) Push(ctx context.Context, show func(Progress)) (ref string, err error) {
	if show == nil {
		show = func(Progress) {}
	}
	repo, err := repository(t.Repository)
	if err != nil {
		return "", err
	}
	digest, err := sumFile(t.Binary)
	if err != nil {
		return "", err
	}
	tag := t.tag()
	if there, ok := t.there(ctx, repo.Tag(tag), digest); ok {
		return repo.Digest(there).String(), nil
	}
	p, err := t.platform(show)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "segue-image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	l, err := writeLayer(filepath.Join(dir, "tool.tar.gz"), func(w *tar.Writer) error { return t.fill(ctx, w) })
	if err != nil {
		return "", fmt.Errorf("make an image of %s: %w", t.Binary, err)
	}
	img, err := t.assemble(p, l, digest)
	if err != nil {
		return "", err
	}
	return push(ctx, repo, tag, img, show)
}

// unfit is what a tag may not have (OCI distribution specification, "pull").
var unfit = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

func (t Tool) tag() string {
	tag := unfit.ReplaceAllString(t.Name+"-"+t.Version, "-")
	return tag[:min(len(tag), 128)]
}

// there reports whether the registry has the image of this very binary. A
// registry that cannot be asked will say so when it is pushed to.
func (t Tool) there(ctx context.Context, ref name.Tag, digest string) (string, bool) {
	img, err := remote.Image(ref, options(ctx)...)
	if err != nil {
		return "", false
	}
	file, err := img.ConfigFile()
	if err != nil || file.Config.Labels[binaryLabel] != digest {
		return "", false
	}
	d, err := img.Digest()
	return d.String(), err == nil
}

func (t Tool) platform(show func(Progress)) (*v1.Platform, error) {
	s := &Spec{Dir: filepath.Dir(t.Binary), Command: []string{"./" + filepath.Base(t.Binary)}, Nodes: t.Nodes}
	f, err := read(s.Dir, s.program())
	if err != nil {
		return nil, err
	}
	if f.interpreter != "" {
		return nil, fmt.Errorf("%s is linked dynamically and needs %s, which its image has not: use one that `make build` or CGO_ENABLED=0 has made, or name an image that has %s as its entry point (kubernetes.segue)",
			t.Binary, f.interpreter, t.Name)
	}
	return s.platform(show)
}

func (t Tool) assemble(p *v1.Platform, l *layer, digest string) (v1.Image, error) {
	img, err := mutate.AppendLayers(nothing(), l)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = p.OS, p.Architecture, epoch
	file.Config = v1.Config{Entrypoint: []string{"/" + t.Name}, User: fmt.Sprintf("%d:%d", User, User), WorkingDir: "/",
		Labels: map[string]string{"org.opencontainers.image.title": t.Name, "org.opencontainers.image.version": t.Version, binaryLabel: digest}}
	return mutate.ConfigFile(img, file)
}

func (t Tool) fill(ctx context.Context, w *tar.Writer) error {
	if err := addFile(ctx, w, t.Binary, t.Name, 0o755); err != nil {
		return err
	}
	for _, file := range roots {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := addFolders(w, "etc/ssl/certs"); err != nil {
			return err
		}
		return addFile(ctx, w, file, "etc/ssl/certs/ca-certificates.crt", 0o644)
	}
	return nil
}

func addFile(ctx context.Context, w *tar.Writer, file, as string, mode int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(header(tar.TypeReg, as, "", mode, st.Size())); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, ctx.Err())
}

func sumFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
