// Package rollback_test holds promise 2: a release that is no good never
// serves more than its share, and the old one is back without a lost request.
package rollback_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// up starts an agent with release 1 and traffic.
func up(t *testing.T, replicas int, more string) (*harness.World, *harness.Drill) {
	w := harness.New(t)
	w.Web(replicas, "", more)
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(200)
	d.More(20)
	return w, d
}

func TestBadReleases(t *testing.T) {
	t.Parallel()
	more := func(env, minReady string) string {
		return harness.Probes(20*time.Millisecond, env, 100) + "\nstrategy: { surge: 1, min_ready: " + minReady + " }"
	}
	for _, c := range []struct{ name, env, says string }{
		{"never gets ready", "BROKEN: 1", "503"},
		{"exits at once", "EXIT: 1", "told to exit at once"},
		{"crashes after it was ready", "CRASH_AFTER: 200ms", "told to crash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, d := up(t, 3, more("", "100ms"))
			w.Web(3, c.env, more(c.env, "10s")) // by which the last of them has crashed, on a busy machine too
			r := w.Must(3, "deploy")
			if !strings.Contains(r.Out, c.says) {
				t.Errorf("the user is not told %q:\n%s", c.says, r.Out)
			}
			d.More(20)
			if by := d.None().ByRelease; by["2"] != 0 {
				t.Errorf("the bad release answered %d requests", by["2"])
			}
			w.AllServing("web", 1, 3)
		})
	}
}

// TestCrashesWhileServing: the second release gets through its probes and its
// minimum ready time, and crashes later, in the middle of the rollout.
func TestCrashesWhileServing(t *testing.T) {
	t.Parallel()
	const slow = "strategy: { surge: 1, min_ready: 500ms }"
	w, d := up(t, 3, slow)
	w.Web(3, "CRASH_AFTER: 800ms", slow)
	r := w.Must(3, "deploy")
	if !strings.Contains(r.Out, "told to crash") {
		t.Errorf("the user is not told why:\n%s", r.Out)
	}
	d.More(20)
	d.None()
	w.AllServing("web", 1, 3)
}

// TestCalledOff: `segue rollback` undoes the rollout that is under way.
func TestCalledOff(t *testing.T) {
	t.Parallel()
	w, d := up(t, 3, "")
	w.Web(3, "BOOT: 1s", "")
	deploying := w.Background("deploy")
	w.Until("two releases serve", func() bool { return d.Snapshot().ByRelease["2"] > 0 })
	r := w.Must(0, "rollback", "--why", "second thoughts")
	if got := deploying.Ran(); got.Code != 3 || !strings.Contains(got.Out, "second thoughts") {
		t.Errorf("the deploy that was called off: %s", got)
	}
	if !strings.Contains(r.Out, "rolled back") {
		t.Errorf("rollback says %s", r)
	}
	d.More(20)
	d.None()
	w.AllServing("web", 1, 3)
}

// TestToAnyKeptRelease: rolling back takes no build and finds every kept one.
func TestToAnyKeptRelease(t *testing.T) {
	t.Parallel()
	w, d := up(t, 2, "keep: 3")
	for _, env := range []string{"N: 2", "N: 3", "N: 4"} {
		w.Web(2, env, "keep: 3")
		w.Must(0, "deploy")
	}
	w.Write("bin/service", "this is no program any more")
	for _, to := range []string{"2", "4", "3"} {
		w.Must(0, "rollback", to)
		if got := w.Get("/"); got != "release "+to {
			t.Errorf("after rollback %s the service says %q", to, got)
		}
	}
	w.Must(0, "rollback") // to the one before: 4
	if got := w.Get("/"); got != "release 4" {
		t.Errorf("after rollback the service says %q", got)
	}
	if r := w.Must(1, "rollback", "1"); !strings.Contains(r.Err, "not kept") {
		t.Errorf("a release that is not kept: %s", r)
	}
	d.More(20)
	d.None()
}

// TestFailedReleasesPushOutNothing: however many bad releases are tried, those
// that served are still there to go back to.
func TestFailedReleasesPushOutNothing(t *testing.T) {
	t.Parallel()
	const more = "keep: 2"
	w, d := up(t, 1, more)
	w.Web(1, "N: 2", more)
	w.Must(0, "deploy")
	for _, n := range []string{"3", "4", "5", "6"} {
		w.Web(1, "EXIT: 1, N: "+n, more)
		w.Must(3, "deploy")
	}
	w.Must(0, "rollback")
	if got := w.Get("/"); got != "release 1" {
		t.Errorf("after rollback the service says %q", got)
	}
	d.None()
}

// TestHangingStart ends by the progress deadline, not never.
func TestHangingStart(t *testing.T) {
	t.Parallel()
	w, d := up(t, 2, "strategy: { surge: 1 }")
	w.Web(2, "BROKEN: 1", "probes: { startup: { http: /health, every: 1s, failures: 3 } }\nstrategy: { surge: 1, progress_deadline: 5s }")
	began := time.Now()
	w.Must(3, "deploy")
	if took := time.Since(began); took > 3*time.Minute {
		t.Errorf("took %s", took)
	}
	d.None()
	w.AllServing("web", 1, 2)
	h, err := w.Client().History(t.Context(), "web", 1)
	if err != nil || h[0].Phase != deploy.RolledBack || h[0].Reason == "" {
		t.Errorf("history: %+v, %v", h, err)
	}
}
