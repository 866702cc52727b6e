package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestSegueCarriesItselfIntoAFolder(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // a pod's container may be started again
		var said bytes.Buffer
		if code := Main([]string{"carry", dir}, nil, &said, &said); code != exitDone {
			t.Fatalf("exit code %d: %s", code, &said)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join(dir, "segue"))
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%d bytes were carried, of %d: %v", len(have), len(want), err)
	}
	st, err := os.Stat(filepath.Join(dir, "segue"))
	if err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("its mode is %v: %v", st.Mode(), err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("beside it there is left %v: %v", all, err)
	}
}

func TestCarryingToNowhereIsAnError(t *testing.T) {
	var said bytes.Buffer
	if code := Main([]string{"carry", filepath.Join(t.TempDir(), "none")}, nil, &said, &said); code != exitFailed {
		t.Errorf("exit code %d: %s", code, &said)
	}
}
