// Package script tests what users of the segue command see: one txtar script
// for each command or behaviour, in testdata. `go doc
// github.com/rogpeppe/go-internal/testscript` describes their language; what
// is added to it here stands in commands_test.go.
//
// A script runs in a folder of its own, with bin/service to deploy, a
// segue.yaml (project.yaml, unless it brings another), a state folder
// ($SEGUE_STATE) and a free port ($PORT, $URL). It must end what it starts; a
// process that is left is an error, also when the script failed before.
package script

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(3)
	harness.Main(m)
}

func TestScripts(t *testing.T) {
	path := tools(t) + string(os.PathListSeparator) + os.Getenv("PATH")
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Cmds:               commands,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", path)
			e.Setenv("SEGUE_STATE", filepath.Join(e.WorkDir, "state"))
			port := harness.FreePort(t)
			e.Setenv("PORT", fmt.Sprint(port))
			e.Setenv("URL", fmt.Sprintf("http://127.0.0.1:%d", port))
			// Without it each command lingers for a second to tell of late races.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			w := &world{t: e.T().(test), dir: e.WorkDir}
			e.Values[worldKey] = w
			e.Defer(w.close)
			return project(t, e.WorkDir)
		},
	})
}

// tools is a folder with the race-detecting binary under its proper name, and
// sarif, which knows that format's schema.
func tools(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Link(harness.Segue(t), filepath.Join(dir, "segue")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(harness.Foreign(t, "./sarif"), filepath.Join(dir, "sarif")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(harness.Build(t, "timers", "./test/script/timers"), filepath.Join(dir, "timers")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// project puts bin/service and a segue.yaml where there is none yet.
func project(t *testing.T, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	if err := os.Link(harness.Service(t), filepath.Join(dir, "bin", "service")); err != nil {
		return err
	}
	yaml := filepath.Join(dir, "segue.yaml")
	if _, err := os.Stat(yaml); err == nil {
		return nil
	}
	text, err := os.ReadFile("project.yaml")
	if err != nil {
		return err
	}
	return os.WriteFile(yaml, text, 0o644)
}
