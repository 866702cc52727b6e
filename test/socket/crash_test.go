package socket_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

const behind = "probes: { startup: { http: /health, every: 20ms, failures: 200 }, readiness: { http: /health } }\n"

// TestAgentKilledAtEveryStep kills the agent before and after each thing that a
// rollout writes in its journal, under a drill: on the socket, and on the way
// from the proxy and to it. The next agent ends the rollout with nothing lost. On
// the ways, before and after take turns, but in a soak. The race detector watches
// those that are killed after a write, and in a soak all.
func TestAgentKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for turn, c := range []struct{ name, old, next string }{
		{"on the socket", direct, direct},
		{"from the proxy", behind, direct},
		{"to the proxy", direct, behind},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				var died atomic.Bool
				t.Run(fmt.Sprint("write ", at), func(t *testing.T) {
					for n, when := range []string{"before", "after"} {
						if turn > 0 && at > 1 && (at+turn)%2 != n && !harness.Soak() {
							continue
						}
						t.Run(when, func(t *testing.T) {
							t.Parallel()
							if killedAt(t, bin(t, when), fmt.Sprintf("2:%d:%s", at, when), c.old, c.next) {
								died.Store(true)
							}
						})
					}
				})
				if t.Failed() {
					return
				}
				if !died.Load() {
					if at < 8 { // begin, start, process, ready, shift, drain, stop, gone, end
						t.Fatalf("a rollout of only %d writes is none", at-1)
					}
					return
				}
			}
		})
	}
}

func bin(t *testing.T, when string) string {
	if when == "before" && !harness.Soak() {
		return harness.SegueFast(t)
	}
	return harness.Segue(t)
}

// killedAt runs a rollout whose agent dies at a write, and reports whether it
// did: a rollout has only so many.
func killedAt(t *testing.T, bin, instant, old, next string) (died bool) {
	w := harness.NewWith(t, bin)
	w.Web(1, linger, old)
	agent := w.Agent("SEGUE_TEST_KILL=" + instant)
	w.Must(0, "deploy")
	d := w.Drill(100, few)
	d.More(20)

	w.Web(1, linger+", NEW: 1", next)
	deploying := w.Background("deploy")
	select {
	case <-agent.Over():
		died = true
	case <-deploying.Over(): // it may be the first to know that the agent has died
		if got := deploying.Ran(); got.Code != 0 {
			w.Until("the agent has died", agent.IsOver)
			died = true
		}
	}
	if died {
		d.More(20) // without any agent
		w.Agent()
	}
	deploying.Ran()
	w.Until("the rollout has ended", func() bool { return w.Service("web").Rollout == nil })
	d.More(40)
	d.None()

	history, err := w.Client().History(t.Context(), "web", 1)
	if err != nil {
		t.Fatal(err)
	}
	if history[0].ID == 1 {
		w.AllServing("web", 1, 1) // the rollout was never written, and nothing was done
		return died
	}
	if history[0].Phase != deploy.Done {
		t.Errorf("ended as %q: %s", history[0].Phase, history[0].Reason)
	}
	w.AllServing("web", 2, 1)
	return died
}
