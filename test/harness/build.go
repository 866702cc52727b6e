// Package harness runs whole Segues for tests: the real binary, real agents,
// proxies and services, in a folder of each test's own, with a drill as the
// witness. What a test has started is ended with it, and a test that leaves a
// process behind fails.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Main runs a package's tests with the binaries built. Call it from TestMain.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "segue-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

var built struct {
	dir string
	mu  sync.Mutex
}

// Root is the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Segue returns the binary, built with the race detector: agent and proxy are
// watched by it while they are under load.
func Segue(t testing.TB) string { return build(t, "segue-race", "./cmd/segue", "-race") }

// SegueFast returns the binary as users get it.
func SegueFast(t testing.TB) string { return build(t, "segue", "./cmd/segue") }

// Service returns the program that tests deploy.
func Service(t testing.TB) string { return build(t, "service", "./test/service") }

// Foreign returns a program of the module test/foreign: a folder of it, such as
// "./websocket", or a tool of its go.mod, by its package path.
func Foreign(t testing.TB, pkg string) string {
	return buildIn(t, filepath.Join(Root(), "test", "foreign"), "foreign-"+filepath.Base(pkg), pkg)
}

func build(t testing.TB, name, pkg string, flags ...string) string {
	t.Helper()
	return buildIn(t, Root(), name, pkg, flags...)
}

func buildIn(t testing.TB, dir, name, pkg string, flags ...string) string {
	t.Helper()
	if built.dir == "" {
		t.Fatal("harness: TestMain must call harness.Main")
	}
	built.mu.Lock()
	defer built.mu.Unlock()
	path := filepath.Join(built.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), pkg)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}
