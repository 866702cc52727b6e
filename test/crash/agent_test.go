// Package crash_test holds promise 3: whoever is killed, whenever, nothing is
// lost that need not be, and every rollout ends in exactly one of done and
// rolled back.
package crash_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// TestAgentKilledAtEveryStep kills the agent with SIGKILL before and after
// each thing that a rollout writes in its journal, under a drill, for a
// release that is good and for one that never gets ready. The next agent must
// end the rollout, in one way, with nothing lost and nothing left over.
func TestAgentKilledAtEveryStep(t *testing.T) {
	for _, c := range []struct {
		name string
		env  string
		end  deploy.Phase
		left int // release
	}{
		{"good release", "", deploy.Done, 2},
		{"release that never gets ready", "BROKEN: 1", deploy.RolledBack, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			for at := 1; ; at++ {
				var died atomic.Bool
				t.Run(fmt.Sprint("write ", at), func(t *testing.T) {
					for _, when := range []string{"before", "after"} {
						t.Run(when, func(t *testing.T) {
							t.Parallel()
							if killedAt(t, at, when, c.env, c.end, c.left) {
								died.Store(true)
							}
						})
					}
				})
				if t.Failed() {
					return
				}
				if !died.Load() {
					if at <= 7 { // begin, start, process, stop, failed, back, end: a bad one's shortest
						t.Fatalf("a rollout of only %d writes is none", at-1)
					}
					return
				}
			}
		})
	}
}

// killedAt runs a rollout whose agent dies at a write, and reports whether it
// did: a rollout has only so many.
func killedAt(t *testing.T, at int, when, env string, end deploy.Phase, left int) (died bool) {
	w := harness.New(t)
	probes := "probes: { startup: { http: /health, every: 20ms, failures: 60 }, readiness: { http: /health } }"
	w.Web(2, "", probes)
	agent := w.Agent(fmt.Sprintf("SEGUE_TEST_KILL=2:%d:%s", at, when))
	w.Must(0, "deploy")
	d := w.Drill(200)
	d.More(20)

	w.Web(2, env, probes)
	if env == "" {
		w.Web(2, "NEW: 1", probes)
	}
	deploying := w.Background("deploy")
	select {
	case <-agent.Over():
		died = true
	case <-deploying.Over(): // it may be the first to know that the agent has died
		if deploying.Ran().Code == 1 {
			w.Until("the agent has died", agent.IsOver)
			died = true
		}
	}
	d.More(20) // without any agent, if it died
	if died {
		w.Agent()
	}
	got := deploying.Ran()
	w.Until("the rollout has ended", func() bool { return w.Service("web").Rollout == nil })
	d.More(40)
	d.None()

	history, err := w.Client().History(t.Context(), "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	if at == 1 && when == "before" && died || len(history) == 1 {
		// The rollout was never written: the user was told, and nothing was done.
		if got.Code == 0 || len(history) != 1 {
			t.Errorf("nothing was begun, and the command ended with %s", got)
		}
		return died
	}
	if history[0].Phase != end {
		t.Errorf("ended as %q, want %q: %s", history[0].Phase, end, history[0].Reason)
	}
	w.AllServing("web", left, 2)
	return died
}
