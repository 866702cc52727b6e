package image

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// serve starts a registry on loopback, behind what wrap makes of it, and
// returns its address. The user has no credentials.
func serve(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// program is the start of an ELF file, as much of it as is looked at.
func program(t *testing.T, m elf.Machine, interpreter string) string {
	t.Helper()
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(m), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	p := elf.Prog64{Type: uint32(elf.PT_LOAD), Off: 120}
	if interpreter != "" {
		interpreter += "\x00"
		p = elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 120, Filesz: uint64(len(interpreter))}
	}
	for _, part := range []any{h, p, []byte(interpreter)} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// folder makes files; those whose names end in * are executable, and those
// whose content begins with -> are links.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		mode := os.FileMode(0o640)
		if strings.HasSuffix(name, "*") {
			name, mode = strings.TrimSuffix(name, "*"), 0o750
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if to, link := strings.CutPrefix(content, "-> "); link {
			if err := os.Symlink(to, file); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func shop(t *testing.T, registry string) Spec {
	t.Helper()
	dir := folder(t, map[string]string{"bin/shop*": program(t, elf.EM_X86_64, ""), "pages/a.html": "a", "now": "-> pages", "notes": "not of the release"})
	return Spec{Service: "shop", Dir: dir, Files: []string{"bin", "pages", "now"}, Command: []string{"./bin/shop", "--port", "$PORT"}, Repository: registry + "/team/shop"}
}

func build(t *testing.T, s Spec) (v1.Image, string) {
	t.Helper()
	ref, err := Build(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pull(t, ref), ref
}

func pull(t *testing.T, ref string) v1.Image {
	t.Helper()
	d, err := name.NewDigest(ref)
	if err != nil {
		t.Fatalf("%s is no reference by digest: %v", ref, err)
	}
	img, err := remote.Image(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Fatal(err)
	}
	return img
}

// listing is what is in an image's file system.
func listing(t *testing.T, img v1.Image) (list []string) {
	t.Helper()
	r := mutate.Extract(img)
	defer r.Close()
	files := tar.NewReader(r)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s is of %d:%d and of %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %o %s", strings.TrimSuffix(h.Name, "/"), h.Mode, h.Linkname)))
	}
}

func config(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnImageHasTheReleasesFilesAndRunsItsCommand(t *testing.T) {
	img, ref := build(t, shop(t, serve(t, nil)))
	want := []string{"srv 755", "srv/shop 755", "srv/shop/bin 755", "srv/shop/bin/shop 755", "srv/shop/now 777 pages", "srv/shop/pages 755", "srv/shop/pages/a.html 644"}
	if got := listing(t, img); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	c := config(t, img)
	if c.OS != "linux" || c.Architecture != "amd64" || c.Config.WorkingDir != "/srv/shop" || c.Config.User != "65532:65532" || c.Config.Entrypoint != nil {
		t.Errorf("%+v", c)
	}
	if want := []string{"/srv/shop/bin/shop", "--port", "$PORT"}; !slices.Equal(c.Config.Cmd, want) {
		t.Error(c.Config.Cmd)
	}
	if c.Config.Labels["org.opencontainers.image.title"] != "shop" || len(c.Config.Labels["dev.segue.tree"]) != 64 {
		t.Error(c.Config.Labels)
	}
	tag, err := name.NewTag(strings.Split(ref, "@")[0] + ":" + c.Config.Labels["dev.segue.tree"][:12])
	if err != nil {
		t.Fatal(err)
	}
	if tagged, err := remote.Head(tag); err != nil || !strings.HasSuffix(ref, tagged.Digest.String()) {
		t.Error(tagged, err)
	}
}

func TestSameFilesAreTheSameImage(t *testing.T) {
	reg := serve(t, nil)
	one, two := shop(t, reg), shop(t, reg)
	file := filepath.Join(two.Dir, "pages/a.html")
	old := time.Unix(1e9, 0)
	if err := errors.Join(os.Chtimes(file, old, old), os.Chmod(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, first := build(t, one)
	if _, second := build(t, two); first != second {
		t.Errorf("the same files are %s and %s", first, second)
	}
	if err := os.WriteFile(file, []byte("b"), 0); err != nil {
		t.Fatal(err)
	}
	if _, third := build(t, two); third == first {
		t.Error("another file's content makes no difference")
	}
	two.Command = append(two.Command, "--verbose")
	if err := os.WriteFile(file, []byte("a"), 0); err != nil {
		t.Fatal(err)
	}
	if _, fourth := build(t, two); fourth == first {
		t.Error("another command makes no difference")
	}
}

// base pushes an image of two platforms and returns its name.
func base(t *testing.T, registry string) string {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := random.Image(1<<20, 2, random.WithSource(randomOf(arch)))
		if err != nil {
			t.Fatal(err)
		}
		img, err = mutate.ConfigFile(mutate.MediaType(img, types.DockerManifestSchema2), &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: config(t, img).RootFS,
			Config: v1.Config{Entrypoint: []string{"/base"}, Env: []string{"PATH=/base"}, User: "root", Healthcheck: &v1.HealthConfig{}}})
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	ref, err := name.NewTag(registry + "/base:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

func TestABaseLiesBelow(t *testing.T) {
	s := shop(t, serve(t, nil))
	s.Base = base(t, strings.Split(s.Repository, "/")[0])
	s.Command[0] = "./bin/dynamic"
	if err := os.WriteFile(filepath.Join(s.Dir, "bin/dynamic"), []byte(program(t, elf.EM_AARCH64, "/lib/ld.so")), 0o700); err != nil {
		t.Fatal(err)
	}
	img, _ := build(t, s)
	c := config(t, img)
	if layers, err := img.Layers(); err != nil || len(layers) != 3 || c.Architecture != "arm64" {
		t.Error(len(layers), c.Architecture, err)
	}
	if c.Config.User != "65532:65532" || c.Config.Entrypoint != nil || c.Config.Healthcheck != nil || !slices.Equal(c.Config.Env, []string{"PATH=/base"}) {
		t.Errorf("%+v", c.Config)
	}
	if c.Config.Labels["org.opencontainers.image.base.name"] != s.Base || !strings.HasPrefix(c.Config.Labels["org.opencontainers.image.base.digest"], "sha256:") {
		t.Error(c.Config.Labels)
	}
	media, err := img.MediaType()
	if err != nil || media != types.DockerManifestSchema2 {
		t.Error(media, err)
	}
}

func TestWhatTheRegistryHasIsNotSentAgain(t *testing.T) {
	s := shop(t, serve(t, nil))
	s.Base = base(t, strings.Split(s.Repository, "/")[0])
	if err := os.WriteFile(filepath.Join(s.Dir, "pages/big"), random1(1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var last Progress
	show := func(p Progress) { last = p }
	if _, err := Build(t.Context(), s, show); err != nil {
		t.Fatal(err)
	}
	if !last.Ended || last.Sent < 1<<20 || last.Sent > 2<<20 || last.Size < 3<<20 {
		t.Errorf("a base in the same registry was sent along: %+v", last)
	}
	if _, err := Build(t.Context(), s, show); err != nil {
		t.Fatal(err)
	}
	if !last.Ended || last.Sent > 10<<10 {
		t.Errorf("the same image was sent again: %+v", last)
	}
}

func TestARegistryMayFailForAWhile(t *testing.T) {
	var failures atomic.Int32
	s := shop(t, serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch && failures.Add(1) == 1 {
				http.Error(w, "busy", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	}))
	build(t, s)
	if failures.Load() < 2 {
		t.Error("the registry never failed")
	}
}

func TestCredentialsAreThoseOfTheUsersLogin(t *testing.T) {
	s := shop(t, serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, ok := r.BasicAuth(); !ok || user != "ann" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}`, http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	}))
	registry := strings.Split(s.Repository, "/")[0]
	_, err := Build(t.Context(), s, nil)
	wantError(t, err, "push the image to "+s.Repository, "docker login "+registry)

	home := filepath.Join(os.Getenv("HOME"), ".docker")
	login := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry, base64.StdEncoding.EncodeToString([]byte("ann:secret")))
	if err := errors.Join(os.Mkdir(home, 0o700), os.WriteFile(filepath.Join(home, "config.json"), []byte(login), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), s, nil); err != nil {
		t.Error(err)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, and not %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	reg := serve(t, nil)
	tests := map[string]struct {
		files map[string]string
		spec  func(*Spec)
		want  string
	}{
		"dynamic":         {map[string]string{"a*": program(t, elf.EM_X86_64, "/lib64/ld-linux-x86-64.so.2")}, nil, "needs /lib64/ld-linux-x86-64.so.2"},
		"script":          {map[string]string{"a*": "#! /usr/bin/env python3\n"}, nil, "a is a script for /usr/bin/env"},
		"nothing":         {map[string]string{"b*": "x"}, nil, "does release.build make it?"},
		"not executable":  {map[string]string{"a": "x"}, nil, "chmod +x"},
		"of the base":     {map[string]string{"a*": "x"}, func(s *Spec) { s.Command[0] = "python3" }, "runs python3, and the image has nothing but"},
		"of the system":   {map[string]string{"a*": "x"}, func(s *Spec) { s.Command[0] = "/bin/sh" }, "runs /bin/sh"},
		"without a slash": {map[string]string{"a*": "x"}, func(s *Spec) { s.Command[0] = "a" }, "did you mean ./a?"},
		"left out":        {map[string]string{"a*": program(t, elf.EM_X86_64, ""), "b": ""}, func(s *Spec) { s.Files = []string{"b"} }, "release.files"},
		"platform":        {map[string]string{"a*": program(t, elf.EM_X86_64, "")}, func(s *Spec) { s.Platform = "linux/arm64" }, "GOARCH=arm64"},
		"nodes":           {map[string]string{"a*": program(t, elf.EM_X86_64, "")}, func(s *Spec) { s.Nodes = []string{"arm64", "arm64"} }, "every node of the cluster is arm64"},
		"no command":      {map[string]string{"a*": "x"}, func(s *Spec) { s.Command = nil }, "release.command is empty"},
		"repository":      {map[string]string{"a*": program(t, elf.EM_X86_64, "")}, func(s *Spec) { s.Repository = "Reg/Shop:1" }, "REGISTRY/NAME"},
		"tag":             {map[string]string{"a*": program(t, elf.EM_X86_64, "")}, func(s *Spec) { s.Tag = "a b" }, `tag "a b"`},
		"base":            {map[string]string{"a*": program(t, elf.EM_X86_64, "")}, func(s *Spec) { s.Base = reg + "/none:1" }, "read the base image"},
		"base's name":     {map[string]string{"a*": program(t, elf.EM_X86_64, "")}, func(s *Spec) { s.Base = "A:" }, "NAME:TAG"},
		"base's platform": {map[string]string{"a*": program(t, elf.EM_S390, "")}, func(s *Spec) { s.Base = base(t, reg) }, "linux/s390x"},
		"no such host":    {map[string]string{"a*": program(t, elf.EM_X86_64, "")}, func(s *Spec) { s.Repository = "127.0.0.1:1/shop" }, "can this machine reach it?"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := Spec{Service: "shop", Dir: folder(t, tt.files), Files: []string{"."}, Command: []string{"./a"}, Repository: reg + "/shop"}
			if tt.spec != nil {
				tt.spec(&s)
			}
			_, err := Build(t.Context(), s, nil)
			wantError(t, err, tt.want)
		})
	}
}

func TestNodesThatCannotRunItAreTold(t *testing.T) {
	s := shop(t, serve(t, nil))
	s.Nodes = []string{"amd64", "arm64", "amd64"}
	var warnings []string
	_, err := Build(t.Context(), s, func(p Progress) {
		if p.Warning != "" {
			warnings = append(warnings, p.Warning)
		}
	})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "some nodes are arm64") {
		t.Error(warnings, err)
	}
}

func TestARegistrysRefusalHasAMend(t *testing.T) {
	for status, tt := range map[int]struct{ body, want string }{
		http.StatusForbidden:                     {`{"errors":[{"code":"DENIED","message":"no"}]}`, "may not do that"},
		http.StatusNotFound:                      {`{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}`, "create-repository"},
		http.StatusBadRequest:                    {`{"errors":[{"code":"NAME_INVALID","message":"no capitals"}]}`, "no capitals"},
		http.StatusNetworkAuthenticationRequired: {"", "own failure"},
	} {
		s := shop(t, serve(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					w.WriteHeader(status)
					_, _ = io.WriteString(w, tt.body)
					return
				}
				h.ServeHTTP(w, r)
			})
		}))
		_, err := Build(t.Context(), s, nil)
		wantError(t, err, tt.want)
	}
}

func TestABuildCanBeCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := shop(t, serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				cancel()
				_, _ = io.Copy(io.Discard, r.Body) // until the client goes
				return
			}
			h.ServeHTTP(w, r)
		})
	}))
	if _, err := Build(ctx, s, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAToolIsPushedOnce(t *testing.T) {
	dir := folder(t, map[string]string{"segue*": program(t, elf.EM_X86_64, ""), "dynamic*": program(t, elf.EM_X86_64, "/lib/ld.so")})
	tool := Tool{Name: "segue", Version: "v1.2+dirty", Binary: filepath.Join(dir, "segue"), Repository: serve(t, nil) + "/shop", Nodes: []string{"amd64"}}
	shown := 0
	ref, err := tool.Push(t.Context(), func(Progress) { shown++ })
	if err != nil || shown == 0 {
		t.Fatal(ref, err)
	}
	c := config(t, pull(t, ref))
	if !slices.Equal(c.Config.Entrypoint, []string{"/segue"}) || c.Config.User != "65532:65532" || c.Config.Labels["org.opencontainers.image.version"] != "v1.2+dirty" {
		t.Errorf("%+v", c.Config)
	}
	shown = 0
	again, err := tool.Push(t.Context(), func(Progress) { shown++ })
	if err != nil || again != ref || shown != 0 {
		t.Errorf("%s, %v: pushed again", again, err)
	}
	if err := os.WriteFile(tool.Binary, []byte(program(t, elf.EM_X86_64, "")+"changed"), 0); err != nil {
		t.Fatal(err)
	}
	if other, err := tool.Push(t.Context(), nil); err != nil || other == ref {
		t.Errorf("%s, %v: another binary of the same version is taken for it", other, err)
	}
	tool.Binary = filepath.Join(dir, "dynamic")
	_, err = tool.Push(t.Context(), nil)
	wantError(t, err, "CGO_ENABLED=0", "kubernetes.segue")
}
