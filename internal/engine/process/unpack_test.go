package process

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

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
