// Package harness runs whole Segues for tests: the real binary, real agents,
// proxies and services, in a folder of each test's own, with a drill as the
// witness. What a test has started is ended with it, and a test that leaves a
// process behind fails.
package harness

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
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

// SideBySide has n tests of a package run at a time, unless -parallel says
// otherwise: where what they do most is wait. TestMain calls it before Main.
func SideBySide(n int) {
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err) // testing has the flag
	}
}

// Soak reports whether tests are to do all that they can, as `make soak` has it
// (SEGUE_SOAK), and not the part of it that the gate has time for.
func Soak() bool { return os.Getenv("SEGUE_SOAK") != "" }

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

// Build returns a program of a test's own.
func Build(t testing.TB, name, pkg string) string { return build(t, name, pkg) }

// Static returns a program that needs no libraries, for where there are none.
func Static(t testing.TB, name, pkg string) string {
	return build(t, name, pkg, "-tags=netgo,osusergo")
}

// Foreign returns a program of the module test/foreign: a folder of it, such as
// "./websocket", or a tool of its go.mod, by its package path.
func Foreign(t testing.TB, pkg string) string {
	return buildIn(t, filepath.Join(Root(), "test", "foreign"), "foreign-"+filepath.Base(pkg), pkg)
}

// StaticForeign is Static for a program of the module test/foreign.
func StaticForeign(t testing.TB, pkg string) string {
	return buildIn(t, filepath.Join(Root(), "test", "foreign"), "foreign-"+filepath.Base(pkg)+"-static", pkg, "-tags=netgo,osusergo")
}

// Linters returns the program of the module test/linters.
func Linters(t testing.TB) string {
	return buildIn(t, filepath.Join(Root(), "test", "linters"), "linters", ".")
}

func build(t testing.TB, name, pkg string, flags ...string) string {
	t.Helper()
	return buildIn(t, Root(), name, pkg, flags...)
}

// buildIn builds a program in bin/test, which all packages share: Go leaves a
// program alone that is what it would make, so that it is linked once. This
// package has a copy of its own, whatever is built there later.
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
	unlock, err := lockShared(name)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	cmd := exec.Command("go", append(append([]string{"build", "-ldflags=-s -w", "-o", filepath.Join(shared(), name)}, flags...), pkg)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	if err := take(filepath.Join(shared(), name), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func shared() string { return filepath.Join(Root(), "bin", "test") }

// lockShared keeps others from a program in bin/test until unlock. They may build
// another meanwhile.
func lockShared(name string) (unlock func(), err error) {
	if err := os.MkdirAll(shared(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(shared(), name+".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// take copies a program. Another name for the same file would not do: Go sets the
// time of a program that it leaves as it is, and a release that is being packed
// must not change.
func take(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
