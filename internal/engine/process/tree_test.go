package process

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// source makes files: "dir/", "link -> target", "run*" (executable), else plain.
func source(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		var err error
		name, target, link := strings.Cut(n, " -> ")
		run := strings.HasSuffix(name, "*")
		p := filepath.Join(dir, strings.TrimSuffix(name, "*"))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		switch {
		case link:
			err = os.Symlink(target, p)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		case run:
			err = os.WriteFile(p, []byte("#!/bin/sh\necho "+name+"\n"), 0o755)
		default:
			err = os.WriteFile(p, []byte("content of "+name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// listing is what a tree holds, in the words of source.
func listing(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		switch {
		case d.IsDir():
			name += "/"
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			name += " -> " + to
		case info.Mode()&0o111 != 0:
			name += "*"
		}
		if d.Type() != fs.ModeSymlink && info.Mode().Perm()&0o222 != 0 {
			name += " writable"
		}
		out = append(out, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func packed(t testing.TB, dir string, files ...string) ([]byte, Manifest) {
	t.Helper()
	var b bytes.Buffer
	m, err := Pack(context.Background(), &b, dir, files)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), m
}

// trees returns an empty store that is removed after the test, read-only as it
// is, and whose remains must be as told.
func trees(t testing.TB) *Trees {
	dir := t.TempDir()
	t.Cleanup(func() { _ = removeTree(dir) })
	return &Trees{Dir: filepath.Join(dir, "releases")}
}

func in(t testing.TB, tr *Trees) []string {
	t.Helper()
	entries, err := os.ReadDir(tr.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestPackAndUnpack(t *testing.T) {
	dir := source(t, "bin/shop*", "templates/a.html", "templates/deep/b.html", "empty/",
		"current -> templates/deep", "templates/up -> ../bin/shop", ".git/config", "sub/.git/x", ".segueignore")
	if err := os.WriteFile(filepath.Join(dir, ignoreFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stream, m := packed(t, dir, ".")
	if m.Files != 5 || m.Bytes == 0 {
		t.Errorf("%+v", m)
	}
	tr := trees(t)
	digest, err := tr.Unpack(t.Context(), bytes.NewReader(stream))
	if err != nil || digest != m.Digest || !isDigest(digest) || !tr.Has(digest) {
		t.Fatal(digest, m.Digest, err)
	}
	want := []string{"bin/", "bin/shop*", "current -> templates/deep", "empty/", "sub/", "templates/",
		"templates/a.html", "templates/deep/", "templates/deep/b.html", "templates/up -> ../bin/shop"}
	if got := listing(t, tr.Path(digest)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	again, err := tr.Unpack(t.Context(), bytes.NewReader(stream))
	if err != nil || again != digest {
		t.Error(again, err)
	}
	if got := in(t, tr); !slices.Equal(got, []string{digest}) {
		t.Error(got)
	}
}

func TestDigestIsOfContentOnly(t *testing.T) {
	names := []string{"b", "a/x", "run*", "l -> b"}
	one, two := source(t, names...), source(t, "run*", "a/x", "l -> b", "b")
	old := time.Unix(1e9, 0)
	if err := os.Chtimes(filepath.Join(two, "b"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two, "b"), 0o600); err != nil {
		t.Fatal(err)
	}
	stream1, m1 := packed(t, one, "b", "a", "run", "l")
	stream2, m2 := packed(t, two, ".")
	if m1 != m2 || !bytes.Equal(stream1, stream2) {
		t.Error("the same files, and not the same digest")
	}
	if d, err := Digest(t.Context(), one, []string{"."}); err != nil || d != m1 {
		t.Error(d, err)
	}
	for change, f := range map[string]func() error{
		"content": func() error { return os.WriteFile(filepath.Join(two, "b"), []byte("content of c"), 0) },
		"mode":    func() error { return os.Chmod(filepath.Join(two, "a/x"), 0o755) },
		"folder":  func() error { return os.Mkdir(filepath.Join(two, "new"), 0o755) },
		"name":    func() error { return os.Rename(filepath.Join(two, "run"), filepath.Join(two, "walk")) },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		d, err := Digest(t.Context(), two, []string{"."})
		if err != nil || d.Digest == m2.Digest {
			t.Errorf("%s makes no difference, %v", change, err)
		}
		m2 = d
	}
}

func TestWhatIsPacked(t *testing.T) {
	names := []string{"bin/shop*", "bin/shop.debug", "a.py", "b.py", "lib/c.py", "lib/node_modules/x/y", "node_modules/z", "notes/keep.md", "notes/todo.md", ".segue/journal"}
	tests := []struct {
		ignore string
		files  []string
		want   string
	}{
		{"", []string{"bin/shop"}, "bin/ bin/shop*"},
		{"", []string{"*.py", "./lib"}, "a.py b.py lib/ lib/c.py lib/node_modules/ lib/node_modules/x/ lib/node_modules/x/y"},
		{"node_modules/\n# words\n*.debug\nnotes/*\n!notes/keep.md\n", []string{"."}, "a.py b.py bin/ bin/shop* lib/ lib/c.py notes/ notes/keep.md"},
		{"/node_modules\nlib/**\nbin\n", []string{"bin", "lib", "node_modules", "*s"}, "bin/ bin/shop* bin/shop.debug lib/ node_modules/ node_modules/z notes/ notes/keep.md notes/todo.md"},
		{"**/y\n", []string{"lib/node_modules"}, "lib/ lib/node_modules/ lib/node_modules/x/"},
	}
	for _, tt := range tests {
		dir := source(t, names...)
		if tt.ignore != "" {
			if err := os.WriteFile(filepath.Join(dir, ignoreFile), []byte(tt.ignore), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		stream, _ := packed(t, dir, tt.files...)
		tr := trees(t)
		digest, err := tr.Unpack(t.Context(), bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(listing(t, tr.Path(digest)), " "); got != tt.want {
			t.Errorf("%q of %q\ngot  %s\nwant %s", tt.files, tt.ignore, got, tt.want)
		}
	}
}

func TestWhatIsNotPacked(t *testing.T) {
	tests := []struct {
		make  []string
		files []string
		want  string
	}{
		{nil, nil, "release.files is empty"},
		{nil, []string{"bin"}, "release.build"},
		{nil, []string{"*.py"}, "matches nothing"},
		{nil, []string{"../x"}, "not inside"},
		{nil, []string{"/etc"}, "not inside"},
		{nil, []string{"[x"}, "syntax error"},
		{[]string{"l -> /etc/passwd"}, []string{"."}, `"l" leads to "/etc/passwd"`},
		{[]string{"l -> .."}, []string{"."}, "stay inside"},
		{[]string{"a/l -> ../../x"}, []string{"a"}, "stay inside"},
		{[]string{"a/b/l -> ../..", "a/m -> b/l/../x"}, []string{"."}, "stay inside"},
		{[]string{"d/x", "l -> d"}, []string{"l/x"}, "name its real path"},
	}
	for _, tt := range tests {
		dir := source(t, tt.make...)
		_, err := Pack(t.Context(), io.Discard, dir, tt.files)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q of %q: %v", tt.files, tt.make, err)
		}
	}
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Pack(t.Context(), io.Discard, dir, []string{"."}); err == nil || !strings.Contains(err.Error(), "pipe is a named pipe") {
		t.Error(err)
	}
}

// onWrite does something at the first write of enough bytes.
type onWrite struct {
	at int
	do func()
}

func (w *onWrite) Write(b []byte) (int, error) {
	if w.at -= len(b); w.at < 0 && w.do != nil {
		w.do()
		w.do = nil
	}
	return len(b), nil
}

func TestFilesThatChangeWhilePacked(t *testing.T) {
	for name, do := range map[string]func(string) error{
		"grows":    func(p string) error { return os.WriteFile(p, make([]byte, 3<<20), 0) },
		"shrinks":  func(p string) error { return os.Truncate(p, 1) },
		"vanishes": func(p string) error { return os.Remove(filepath.Join(filepath.Dir(p), "z")) },
	} {
		dir := source(t, "z")
		big := filepath.Join(dir, "big")
		if err := os.WriteFile(big, make([]byte, 2<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Pack(t.Context(), &onWrite{1 << 20, func() {
			if err := do(big); err != nil {
				t.Error(err)
			}
		}}, dir, []string{"."})
		if err == nil || !strings.Contains(err.Error(), "while it was being packed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPackCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Pack(ctx, io.Discard, source(t, "a"), []string{"."}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stream, _ := packed(t, source(t, "a"), ".")
	tr := trees(t)
	if _, err := tr.Unpack(ctx, bytes.NewReader(stream)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := in(t, tr); len(got) != 0 {
		t.Error(got)
	}
}

func TestDamagedTreeIsReplaced(t *testing.T) {
	stream, m := packed(t, source(t, "a", "d/b", "c"), ".")
	for name, damage := range map[string]func(dir string) error{
		"missing": func(dir string) error { return os.Remove(filepath.Join(dir, "c")) },
		"changed": func(dir string) error { return os.Truncate(filepath.Join(dir, "d/b"), 3) },
		"mode":    func(dir string) error { return os.Chmod(filepath.Join(dir, "a"), 0o755) },
	} {
		tr := trees(t)
		if _, err := tr.Unpack(t.Context(), bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
		dir := tr.Path(m.Digest)
		_ = filepath.WalkDir(dir, func(p string, _ fs.DirEntry, _ error) error { return os.Chmod(p, 0o755) })
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
			if !d.IsDir() {
				return os.Chmod(p, 0o644)
			}
			return nil
		})
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Unpack(t.Context(), bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(listing(t, dir), " "); got != "a c d/ d/b" {
			t.Errorf("%s: %s", name, got)
		}
		if got := in(t, tr); len(got) != 1 {
			t.Error(got)
		}
	}
	// What a program has added is no damage: instances run in the folder.
	tr := trees(t)
	if _, err := tr.Unpack(t.Context(), bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(tr.Path(m.Digest))
	if err := os.Chmod(tr.Path(m.Digest), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(tr.Path(m.Digest)+"/__pycache__", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Unpack(t.Context(), bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(tr.Path(m.Digest)); !os.SameFile(before, after) {
		t.Error("it was replaced")
	}
}

func TestSweep(t *testing.T) {
	tr := trees(t)
	if err := tr.Sweep(func(string) bool { return true }); err != nil {
		t.Error(err)
	}
	var digests []string
	for _, name := range []string{"a", "b", "c"} {
		stream, m := packed(t, source(t, name, "d/e"), ".")
		if _, err := tr.Unpack(t.Context(), bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
		digests = append(digests, m.Digest)
	}
	for _, left := range []string{"tmp-left/ro", "other"} {
		if err := os.MkdirAll(filepath.Join(tr.Dir, left), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	// One is being unpacked: Sweep comes in the middle of its stream.
	stream, m := packed(t, source(t, "now"), ".")
	r, w := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := tr.Unpack(context.Background(), r)
		done <- err
	}()
	if _, err := w.Write(stream[:600]); err != nil {
		t.Fatal(err)
	}
	if err := tr.Sweep(func(d string) bool { return d == digests[1] }); err != nil {
		t.Error(err)
	}
	if _, err := w.Write(stream[600:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	want := []string{digests[1], m.Digest, "other"}
	slices.Sort(want)
	if got := in(t, tr); !slices.Equal(got, want) {
		t.Error(got)
	}
}

func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stream, _ := packed(t, source(t, "a"), ".")
	tr := &Trees{Dir: filepath.Join(file, "releases")}
	if _, err := tr.Unpack(t.Context(), bytes.NewReader(stream)); err == nil || !strings.Contains(err.Error(), tr.Dir) {
		t.Error(err)
	}
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("only root can make a small disk: ", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	big := source(t, "a")
	if err := os.WriteFile(filepath.Join(big, "big"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	stream, _ := packed(t, big, ".")
	tr := &Trees{Dir: dir}
	_, err := tr.Unpack(t.Context(), bytes.NewReader(stream))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "keep:") {
		t.Error(err)
	}
	if got := in(t, tr); len(got) != 0 {
		t.Error("left behind:", got)
	}
}

func tarOf(headers ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		body := []byte("hello")
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if h.Size > 0 {
			_, _ = w.Write(body)
		}
	}
	_ = w.Close()
	return b.Bytes()
}

var hostile = map[string][]byte{
	"empty":              {},
	"no files":           tarOf(),
	"absolute":           tarOf(tar.Header{Name: "/etc/x"}),
	"dot dot":            tarOf(tar.Header{Name: "a/../../x"}),
	"dot":                tarOf(tar.Header{Name: "./x"}),
	"itself":             tarOf(tar.Header{Name: ".", Typeflag: tar.TypeDir}),
	"twice":              tarOf(tar.Header{Name: "x"}, tar.Header{Name: "x"}),
	"file as folder":     tarOf(tar.Header{Name: "x"}, tar.Header{Name: "x/y"}),
	"folder as file":     tarOf(tar.Header{Name: "x/y"}, tar.Header{Name: "x"}),
	"link out":           tarOf(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../x"}),
	"absolute link":      tarOf(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}),
	"through a link":     tarOf(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d"}, tar.Header{Name: "l/x"}),
	"links step by step": tarOf(tar.Header{Name: "a/b/l", Typeflag: tar.TypeSymlink, Linkname: "../.."}, tar.Header{Name: "a/m", Typeflag: tar.TypeSymlink, Linkname: "b/l/../../x"}),
	"hard link":          tarOf(tar.Header{Name: "x"}, tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "x"}),
	"device":             tarOf(tar.Header{Name: "d", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}),
	"pipe":               tarOf(tar.Header{Name: "p", Typeflag: tar.TypeFifo}),
	"long":               tarOf(tar.Header{Name: strings.Repeat("x", 5000)}),
	"cut off":            tarOf(tar.Header{Name: "x"})[:514],
	"no tar":             bytes.Repeat([]byte("no tar "), 200),
}

func TestHostileStreams(t *testing.T) {
	for name, stream := range hostile {
		tr := trees(t)
		if digest, err := tr.Unpack(t.Context(), bytes.NewReader(stream)); err == nil {
			t.Errorf("%s: taken as %s", name, digest)
		}
		if got := in(t, tr); len(got) != 0 {
			t.Errorf("%s: left behind: %v", name, got)
		}
	}
	tr := trees(t)
	tr.MaxBytes = 9
	ok := tarOf(tar.Header{Name: "x"})
	if _, err := tr.Unpack(t.Context(), bytes.NewReader(ok)); err != nil {
		t.Error(err)
	}
	two := tarOf(tar.Header{Name: "x"}, tar.Header{Name: "y"})
	if _, err := tr.Unpack(t.Context(), bytes.NewReader(two)); err == nil {
		t.Error("more bytes than allowed")
	}
	tr.MaxBytes, tr.MaxEntries = 0, 1
	if _, err := tr.Unpack(t.Context(), bytes.NewReader(two)); err == nil {
		t.Error("more files than allowed")
	}
}

// FuzzUnpack: whatever comes, it stays inside, leaves nothing half, and what is
// stored is what its digest says.
func FuzzUnpack(f *testing.F) {
	for _, stream := range hostile {
		f.Add(stream)
	}
	good, _ := packed(f, source(f, "a", "d/b*", "l -> d/b"), ".")
	f.Add(good)
	memory := "/dev/shm" // fsync makes a disk the slowest part by far
	if _, err := os.Stat(memory); err != nil {
		memory = ""
	}
	outer, err := os.MkdirTemp(memory, "segue-fuzz")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = removeTree(outer) })
	tr := &Trees{Dir: filepath.Join(outer, "releases"), MaxBytes: 1 << 20, MaxEntries: 50}
	f.Fuzz(func(t *testing.T, stream []byte) {
		digest, err := tr.Unpack(context.Background(), bytes.NewReader(stream))
		if err != nil {
			digest = ""
		} else if m, err := Digest(context.Background(), tr.Path(digest), []string{"."}); err == nil && m.Digest != digest {
			if !slices.ContainsFunc(listing(t, tr.Path(digest)), func(s string) bool { // Pack leaves these out
				return slices.ContainsFunc(always, func(a string) bool { return strings.Contains(s, a) })
			}) {
				t.Errorf("stored as %s, is %s", digest, m.Digest)
			}
		}
		if err := tr.Sweep(func(string) bool { return false }); err != nil {
			t.Error(err)
		}
		if got := in(t, tr); len(got) != 0 {
			t.Error("left behind:", got)
		}
		if all, _ := os.ReadDir(outer); len(all) != 1 {
			t.Error("escaped:", all)
		}
	})
}

func TestBuild(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := Build(t.Context(), dir, "pwd; echo err >&2", &out); err != nil || out.String() != dir+"\nerr\n" {
		t.Errorf("%q %v", &out, err)
	}
	err := Build(t.Context(), dir, "for i in $(seq 100); do echo line $i; done\nexit 3", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "exit status 3\n  line 91\n") || !strings.HasSuffix(err.Error(), "\n  line 100") {
		t.Error(err)
	}
	if err := Build(t.Context(), dir+"/no", "true", io.Discard); err == nil {
		t.Error("built nowhere")
	}
}

func TestBuildCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Build(ctx, t.TempDir(), `sh -c '`+strings.ReplaceAll(stubborn, "$$$$", "$$")+`' & wait`, w)
		w.Close()
	}()
	b := make([]byte, 20)
	n, err := r.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "called off") {
		t.Error(err)
	}
	var pid int
	for _, c := range strings.TrimSpace(string(b[:n])) {
		pid = pid*10 + int(c-'0')
	}
	gone(t, pid)
}
