package process

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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

// onWrite does something at the first write of enough bytes.
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
		if err := os.MkdirAll(filepath.Join(tr.Dir, left), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(tr.Dir, left), 0o555); err != nil {
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

// FuzzUnpack: whatever comes, it stays inside, leaves nothing half, and what is
// stored is what its digest says.
