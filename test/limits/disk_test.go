package limits_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/test/harness"
)

// TestFullDisk: what cannot be written down is not done, and what runs runs on.
func TestFullDisk(t *testing.T) {
	w := harness.New(t)
	if err := os.MkdirAll(w.State, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", w.State, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("a small disk for the state folder: mount: %v; this test needs root", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(w.State, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.Close) // before the disk goes
	w.Web(2, "", "")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100)

	fill(t, filepath.Join(w.State, "filler"))
	w.Write("bin/more", strings.Repeat("another release's files\n", 100_000))
	if r := w.Must(1, "deploy"); !strings.Contains(r.Err, "no space left") && !strings.Contains(r.Err, "disk is full") {
		t.Errorf("the user is not told that the disk is full: %s", r)
	}
	if r := w.Run("restart"); r.Code == 0 {
		t.Errorf("restarted without having written it down: %s", r)
	}
	d.More(50)
	w.AllServing("web", 1, 2)

	if err := os.Remove(filepath.Join(w.State, "filler")); err != nil {
		t.Fatal(err)
	}
	w.Must(0, "deploy")
	d.More(50)
	d.None()
	w.AllServing("web", 2, 2)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 4
		}
	}
}
