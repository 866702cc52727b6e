// Package image makes an OCI image of a release's files and pushes it to a
// registry. It promises that the same files on the same base are the same
// image, digest and all (by one version of Segue: another may compress them
// otherwise); that what the registry has already is not sent again; and that a
// program which cannot run in its image is refused before anything is pushed.
//
// Credentials are those that `docker login` or `podman login` has left
// (~/.docker/config.json and its helpers). Registries on loopback and private
// IPv4 addresses, and those called localhost or something.local, are spoken to
// without TLS; all others with it.
package image

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// User is whom an image's program runs as, unless the cluster is told
// otherwise: nobody in particular, and not root.
const User = 65532

// Spec is an image to be made.
type Spec struct {
	Service string // its name, of which its folder is made
	Dir     string // the source folder
	Files   []string
	Command []string // argv, as in segue.yaml
	Base    string   // reference of what lies below; "" nothing, the files alone

	Repository string // where it is pushed to, such as registry.example/shop
	Tag        string // "" made of the files' digest
	Platform   string // such as linux/arm64; "" the program's own, or else this machine's
	// Nodes are the architectures (such as "amd64") of those that are to run it;
	// none: they are not known. An image that none of them can run is refused;
	// one that some cannot is told of.
	Nodes []string
}

// Progress is something to be shown.
type Progress struct {
	Warning string // "" unless it is one
	Sent    int64  // bytes, compressed
	Size    int64  // of the whole image, compressed; what the registry has already is not sent
	Ended   bool   // all is pushed
}

// Folder is where an image has the files of a service's release, and the
// working directory of its program.
func Folder(service string) string { return path.Join("/srv", service) }

// Argv is a release's command as it is to be run in its image: a program that
// is named relative to the files is named by its place in the image.
func Argv(service string, command []string) []string {
	argv := slices.Clone(command)
	if len(argv) > 0 && strings.Contains(argv[0], "/") && !path.IsAbs(argv[0]) && !strings.Contains(argv[0], "$") {
		argv[0] = path.Join(Folder(service), argv[0])
	}
	return argv
}

// Build makes the image and pushes it. It returns its reference by digest,
// REPOSITORY@sha256:…, for that is the only one that always means the same.
// show may be nil; it is called by one goroutine at a time.
func Build(ctx context.Context, s Spec, show func(Progress)) (ref string, err error) {
	if show == nil {
		show = func(Progress) {}
	}
	repo, err := repository(s.Repository)
	if err != nil {
		return "", err
	}
	platform, err := s.platform(show)
	if err != nil {
		return "", err
	}
	base, from, err := s.base(ctx, platform)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "segue-image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	l, err := s.layer(ctx, dir)
	if err != nil {
		return "", err
	}
	img, err := s.assemble(base, from, platform, l)
	if err != nil {
		return "", err
	}
	tag := s.Tag
	if tag == "" {
		tag = l.tree[:12]
	}
	return push(ctx, repo, tag, img, show)
}

func repository(s string) (name.Repository, error) {
	repo, err := name.NewRepository(s)
	if err != nil {
		return repo, fmt.Errorf("repository %q: %w; write REGISTRY/NAME without a tag, such as registry.example/shop", s, err)
	}
	return repo, nil
}

// epoch is when everything in an image was made: its digest is not to tell the
// time.
var epoch = v1.Time{Time: time.Unix(0, 0).UTC()}

// assemble puts the layer on top of the base.
func (s *Spec) assemble(base v1.Image, from origin, p *v1.Platform, l *layer) (v1.Image, error) {
	media, err := base.MediaType()
	if err != nil {
		return nil, err
	}
	l.media = types.OCILayer
	if media == types.DockerManifestSchema2 {
		l.media = types.DockerLayer // one manifest speaks one language
	}
	img, err := mutate.Append(base, mutate.Addendum{Layer: l, MediaType: l.media,
		History: v1.History{Created: epoch, CreatedBy: "segue", Comment: "the files of a release"}})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = p.OS, p.Architecture, p.Variant
	file.Created, file.Author = epoch, ""
	c := &file.Config
	c.Entrypoint, c.Cmd = nil, Argv(s.Service, s.Command)
	c.WorkingDir, c.User = Folder(s.Service), fmt.Sprintf("%d:%d", User, User)
	c.Healthcheck = nil // the base's, of another program
	c.Labels = s.labels(c.Labels, from, l)
	return mutate.ConfigFile(img, file)
}

func (s *Spec) labels(labels map[string]string, from origin, l *layer) map[string]string {
	if labels == nil {
		labels = map[string]string{}
	}
	labels["org.opencontainers.image.title"] = s.Service
	labels["dev.segue.tree"] = l.tree
	if from.name != "" {
		labels["org.opencontainers.image.base.name"] = from.name
		labels["org.opencontainers.image.base.digest"] = from.digest
	}
	return labels
}

// nothing is the base of an image that has none.
func nothing() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}
