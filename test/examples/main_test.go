// Package examples deploys every folder of examples/ as a user would, with
// traffic on it: services that know nothing of Segue, in several languages,
// are replaced again and again, and not a request may be lost.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(2)
	harness.Main(m)
}

// deploys is how many releases are rolled out back to back under one drill: more of
// them in a soak.
func deploys() int {
	if harness.Soak() {
		return 5
	}
	return 2
}

// copied makes a world whose project is a copy of an example. It is Segue as users
// get it: the tests are of the examples, and those of other packages have the race
// detector.
func copied(t *testing.T, name string) *harness.World {
	t.Helper()
	w := harness.NewWith(t, harness.SegueFast(t))
	if err := os.RemoveAll(w.Dir); err != nil { // the harness' own service is of no use here
		t.Fatal(err)
	}
	from := filepath.Join(harness.Root(), "examples", name)
	if err := os.Mkdir(w.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if made(n.Name()) {
			continue
		}
		if out, err := exec.Command("cp", "-R", filepath.Join(from, n.Name()), w.Dir).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v\n%s", n.Name(), err, out)
		}
	}
	return w
}

// made reports whether a file is what somebody's building and running of an
// example has left, and not part of it.
func made(name string) bool { return name == ".segue" || name == "bin" || name == "classes" }

// listen moves the example to the world's port.
func listen(w *harness.World) {
	w.T.Helper()
	edit(w, "segue.yaml", "127.0.0.1:8080", strings.TrimPrefix(w.URL(), "http://"))
}

// edit replaces a text in a file of the project, wherever it occurs.
func edit(w *harness.World, file, old, now string) {
	w.T.Helper()
	data, err := os.ReadFile(filepath.Join(w.Dir, file))
	if err != nil {
		w.T.Fatal(err)
	}
	if old != now && !strings.Contains(string(data), old) {
		w.T.Fatalf("%s does not say %q", file, old)
	}
	w.Write(file, strings.ReplaceAll(string(data), old, now))
}

// A tool is what an example is written in: how to see that it is there, and the
// Debian package that brings it.
type tool struct{ try, pkg string }

// need installs the tools that are missing.
func need(t *testing.T, tools ...tool) {
	t.Helper()
	for _, x := range tools {
		if exec.Command("sh", "-c", x.try).Run() == nil {
			continue
		}
		if out, err := exec.Command(filepath.Join(harness.Root(), "scripts", "need"), x.pkg).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", x.pkg, err, out)
		}
	}
}

var python = tool{"python3 --version", "python3"}
