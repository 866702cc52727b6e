package image

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// options are how registries are spoken to. What fails for a while (5xx, 429,
// cut connections) is tried three times.
func options(ctx context.Context, more ...remote.Option) []remote.Option {
	return append([]remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithUserAgent("segue")}, more...)
}

// origin is where a base came from.
type origin struct{ name, digest string }

// base fetches the base's description; its layers only if they must be sent.
func (s *Spec) base(ctx context.Context, p *v1.Platform) (v1.Image, origin, error) {
	if s.Base == "" || s.Base == "scratch" {
		return nothing(), origin{}, nil
	}
	ref, err := name.ParseReference(s.Base)
	if err != nil {
		return nil, origin{}, fmt.Errorf("base %q: %w; write NAME:TAG or NAME@sha256:…", s.Base, err)
	}
	got, err := remote.Get(ref, options(ctx, remote.WithPlatform(*p))...)
	if err != nil {
		return nil, origin{}, explain("read the base image "+s.Base, ref.Context().RegistryStr(), err)
	}
	img, err := got.Image()
	if err != nil {
		return nil, origin{}, fmt.Errorf("the base image %s for %s: %w; has it one for that platform?", s.Base, p, err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, origin{}, explain("read the base image "+s.Base, ref.Context().RegistryStr(), err)
	}
	if file.Architecture != p.Architecture {
		return nil, origin{}, fmt.Errorf("the base image %s is for %s, and the image to be made for %s: choose a base for that, or build the program for %[2]s",
			s.Base, file.Architecture, p.Architecture)
	}
	return img, origin{s.Base, got.Digest.String()}, nil
}

// push sends what the registry lacks, and returns the reference by digest.
func push(ctx context.Context, repo name.Repository, tag string, img v1.Image, show func(Progress)) (string, error) {
	ref, err := name.NewTag(repo.String() + ":" + tag)
	if err != nil {
		return "", fmt.Errorf("tag %q: %w", tag, err)
	}
	size, err := compressed(img)
	if err != nil {
		return "", err
	}
	m := &meter{size: size, show: show}
	if err := remote.Write(ref, img, options(ctx, remote.WithTransport(m))...); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", explain("push the image to "+ref.String(), repo.RegistryStr(), err)
	}
	digest, err := img.Digest()
	if err != nil {
		return "", err
	}
	m.end()
	return repo.Digest(digest.String()).String(), nil
}

// compressed is an image's size.
func compressed(img v1.Image) (int64, error) {
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	size := m.Config.Size
	for _, l := range m.Layers {
		size += l.Size
	}
	return size, nil
}

// A meter counts what goes out. (The library's own progress counts what the
// registry has already as sent.)
type meter struct {
	show func(Progress)
	size int64

	mu   sync.Mutex
	sent int64
}

func (m *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		out := *req
		out.Body = metered{req.Body, m}
		req = &out
	}
	return remote.DefaultTransport.RoundTrip(req)
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += int64(n)
	m.show(Progress{Sent: m.sent, Size: m.size})
}

func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.show(Progress{Sent: m.sent, Size: m.size, Ended: true})
}

type metered struct {
	io.ReadCloser
	m *meter
}

func (r metered) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.m.add(n)
	}
	return n, err
}
