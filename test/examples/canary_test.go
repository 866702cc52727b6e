package examples

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// TestCanary deploys a good release and one with a bug that no probe sees. The
// bug reaches no more requests than the canary's share, and is found.
func TestCanary(t *testing.T) {
	w := copied(t, "canary")
	listen(w)
	edit(w, "segue.yaml", "10s", "1s")
	from := filepath.Join(harness.Root(), "examples", "hello", "main.go")
	hello := filepath.Join(w.Dir, "..", "hello")
	if out, err := exec.Command("sh", "-c", `mkdir "$1" && cp "$0" "$1"`, from, hello).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.Write("../hello/go.mod", "module hello\n\ngo 1.26\n")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200)
	edit(w, "segue.yaml", "GREETING:-hello", "GREETING:-hello again")
	w.Must(0, "deploy")
	greets(w, "/", "hello again")

	edit(w, "segue.yaml", "FAIL_EVERY:-0", "FAIL_EVERY:-5")
	bad := w.Must(3, "deploy")
	for _, want := range []string{"release 3 answers worse than release 2", "release 2 is back", "errors: "} {
		if !strings.Contains(bad.Out+bad.Err, want) {
			t.Errorf("the deploy does not say %q:\n%s", want, bad)
		}
	}
	d.More(100)
	r := d.Result()
	tried, lost := r.ByRelease["3"], int64(len(r.Failures))
	t.Logf("%d of %d requests went to the bad release, %d saw its errors", tried, r.Sent, lost)
	if lost == 0 || lost > tried {
		t.Errorf("%d errors of %d requests that the bad release has answered", lost, tried)
	}
	for _, f := range r.Failures {
		if f.Release != "3" {
			t.Errorf("not of the bad release: %+v", f)
		}
	}
}
