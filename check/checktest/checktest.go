// Package checktest asserts, in a server's own tests, that it stops well.
//
//	func TestStopsWell(t *testing.T) {
//		checktest.Run(t, check.Target{
//			Command: []string{checktest.Build(t, "./cmd/shop")},
//			Paths:   check.Paths{Slow: "/report?seconds=1", Ready: "/ready"},
//		})
//	}
package checktest

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seguehq/segue/check"
)

// Run checks the target, with a subtest for each case: one that fails, fails;
// what could not be tried is skipped, with the reason; warnings are logged. It
// returns the report, for further assertions, such as on its class.
func Run(t *testing.T, target check.Target, opts ...check.Option) *check.Report {
	t.Helper()
	r, err := check.Run(t.Context(), target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Results {
		t.Run(c.Case, func(t *testing.T) { tell(t, c) })
	}
	return r
}

func tell(t *testing.T, c check.Result) {
	t.Helper()
	said := c.Observed
	if c.Mend != "" {
		said += "\nmend: " + c.Mend
	}
	switch c.Verdict {
	case check.Fail:
		t.Error(said)
	case check.Skip:
		t.Skip(said)
	case check.Warn:
		t.Log("warning: " + said)
	case check.Pass:
		t.Log(said)
	}
}

// Build compiles the package, as `go build` names it, and returns the program's
// path. It is removed with the test.
func Build(t *testing.T, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return program
}
