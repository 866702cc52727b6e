package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func packed(t testing.TB, dir string, files ...string) ([]byte, Manifest) {
	t.Helper()
	var b bytes.Buffer
	m, err := Pack(context.Background(), &b, dir, files)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), m
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
