package checktest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seguehq/segue/check"
	"github.com/seguehq/segue/check/checktest"
)

func TestServerThatStopsWellPasses(t *testing.T) {
	r := checktest.Run(t, check.Target{
		Command: []string{checktest.Build(t, "./testdata/shop")},
		Paths:   check.Paths{Slow: "/slow", Ready: "/ready"},
	}, check.Only("exit-idle", "exit-busy", "in-flight-slow", "used-after-signal"))
	if n := r.Count(check.Pass); n != 4 {
		t.Errorf("%d cases passed, want 4", n)
	}
}

// The test binary runs itself: a test that must fail cannot be seen from within.
func TestServerThatStopsBadlyFails(t *testing.T) {
	const variable = "CHECKTEST_MUST_FAIL"
	if os.Getenv(variable) != "" {
		checktest.Run(t, check.Target{Command: []string{"python3", "-m", "http.server", "--bind", "127.0.0.1", "{port}"}}, check.Only("exit-idle"))
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"=yes")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "FAIL: "+t.Name()+"/exit-idle") || !strings.Contains(string(out), "no handler for SIGTERM") {
		t.Errorf("%v\n%s", err, out)
	}
}
