package kubelab

import (
	"archive/tar"
	"bytes"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/seguehq/segue/test/harness"
)

// Static builds a program of this module that needs no libraries, as an image
// without a base has none, and returns its file.
func Static(t testing.TB, pkg string) (file string) {
	t.Helper()
	Outside(t, func() { file = harness.Static(t, path.Base(pkg)+"-static", pkg) })
	return file
}

// ServiceImage is the image of test/service, which does what its environment says.
func (w *World) ServiceImage() string {
	w.T.Helper()
	return w.Image("service", map[string]string{"app": Static(w.T, "./test/service")})
}

// Image makes an image of files (the name in it → the file here), whose entry point
// is /app, pushes it to the lab's registry, and returns its reference by digest.
// Nodes pull it when they need it.
func (w *World) Image(repository string, files map[string]string) string {
	w.T.Helper()
	repo, err := name.NewRepository(w.Lab.Registry+"/"+repository, name.Insecure)
	if err != nil {
		w.T.Fatal(err)
	}
	image, err := assemble(files)
	if err != nil {
		w.T.Fatalf("make image %s: %v", repository, err)
	}
	digest, err := image.Digest()
	if err != nil {
		w.T.Fatal(err)
	}
	ref := repo.Digest(digest.String())
	if err := remote.Write(ref, image, remote.WithContext(w.T.Context())); err != nil {
		w.T.Fatalf("push %s: %v", ref, err)
	}
	return ref.String()
}

func assemble(files map[string]string) (v1.Image, error) {
	layer, err := pack(files)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config.Entrypoint = "linux", runtime.GOARCH, []string{"/app"}
	return mutate.ConfigFile(image, config)
}

func pack(files map[string]string) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return nil, err
	}
	for _, to := range slices.Sorted(maps.Keys(files)) {
		data, err := os.ReadFile(files[to])
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(to, "/"), Mode: 0o755, Size: int64(len(data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}
