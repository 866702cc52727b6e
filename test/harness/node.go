package harness

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Node returns a new folder with a copy of the files of dir (of the repository) in
// which node finds the packages of test/node: playwright-core, and OpenFeature's
// SDKs and providers. They are installed once, in bin/test, by the
// package-lock.json there.
func Node(t testing.TB, dir string) string {
	t.Helper()
	modules := nodeModules(t)
	folder := filepath.Join(t.TempDir(), "node")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(Root(), dir))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return folder
}

// Chromium is the browser's path.
func Chromium(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is needed; scripts/need chromium installs it")
	}
	return path
}

func nodeModules(t testing.TB) string {
	t.Helper()
	from := filepath.Join(Root(), "test", "node")
	locked, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := lockShared("node")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	place := filepath.Join(shared(), fmt.Sprintf("node-%x", sha256.Sum256(locked))[:17])
	modules := filepath.Join(place, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
	}
	// It gets its name when it is whole.
	half := place + ".new"
	for _, err := range []error{os.RemoveAll(half), os.CopyFS(half, os.DirFS(from))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = half
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("install the packages of test/node: %v\n%s", err, out)
	}
	if err := os.Rename(half, place); err != nil {
		t.Fatal(err)
	}
	return modules
}
