package crash_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// TestAgentKilledInEveryStrategy does what TestAgentKilledAtEveryStep does, for the
// strategies that have stages, with hooks, with a person who promotes, and with a
// release that is undone at the last moment. One instance is enough: what several
// do at the same time is the other test's.
//
// Until its last hook fails the bad release's rollout writes what a good one's
// does; the good one's agents are killed at what is left, and by turns before a
// write and after the next. With SEGUE_SOAK=1, before and after everything.
func TestAgentKilledInEveryStrategy(t *testing.T) {
	for n, s := range []struct{ name, strategy string }{
		{"blue-green", "type: blue-green, promote: manual, preview: { header: X-Preview }, bake: 50ms"},
		{"canary", "type: canary, steps: [{ mirror: 50%, for: 50ms }, { header: X-Beta, for: 50ms }, { weight: 50%, promote: manual }], bake: 50ms"},
		{"recreate", "type: recreate, bake: 50ms"},
	} {
		more := func(last string) string {
			return fmt.Sprintf("strategy: { %s }\nhooks: { between: [/bin/true], after: [%s] }\nproxy: { hold: { timeout: 50s } }", s.strategy, last)
		}
		common := killing{env: "NEW: 1", was: more("/bin/true"), replicas: 1, rate: 50, bin: harness.SegueFast}
		good, bad := common, common
		good.more, good.end, good.left = more("/bin/true"), deploy.Done, 2
		bad.more, bad.end, bad.left = more("/bin/false"), deploy.RolledBack, 1
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g, b := good.writes(t, "good release, left alone"), bad.writes(t, "bad release, left alone")
			first := 1
			for !harness.Soak() && g[first-1] == b[first-1] {
				first++
			}
			bad.killedFrom(t, "release whose last hook fails", 1, len(b), n)
			good.killedFrom(t, "good release", first, len(g), n)
		})
	}
}

// killedFrom kills the agent at all writes of the rollout from first to last:
// before the even ones and after the odd ones, or the other way round with an odd
// turn; both in a soak.
func (c killing) killedFrom(t *testing.T, name string, first, last, turn int) {
	var want, deaths atomic.Int64
	t.Run(name, func(t *testing.T) {
		for at := first; at <= last; at++ {
			for n, when := range []string{"before", "after"} {
				if at == 1 && when == "before" {
					continue // of a rollout that never was
				}
				if !harness.Soak() && (at+turn)%2 != n {
					continue
				}
				want.Add(1)
				t.Run(fmt.Sprintf("%s write %d", when, at), func(t *testing.T) {
					t.Parallel()
					if c.killedAt(t, at, when) {
						deaths.Add(1)
					}
				})
			}
		}
	})
	if deaths.Load() != want.Load() && !t.Failed() {
		t.Errorf("%s: of %d agents that were to die only %d did", name, want.Load(), deaths.Load())
	}
}

// writes lists what the rollout writes in the journal when nobody is killed.
func (c killing) writes(t *testing.T, name string) (list []string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		w, _ := c.deployed(t, "")
		c.deploys(w).Ran()
		err := w.Client().Watch(t.Context(), 2, 0, func(e control.Event) error {
			if e.Step != nil {
				list = append(list, string(e.Step.Verb))
				if e.Step.Verb == deploy.StepStart {
					list = append(list, "process")
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c.ended(w)
	})
	if len(list) < 10 {
		t.Fatalf("a rollout of only %d writes is none: %s", len(list), list)
	}
	t.Logf("%s: %s", name, list)
	return list
}

// promote gives a person's word whenever it is asked for, until ctx ends. An
// agent may die of it; then the next one asks again.
func promote(ctx context.Context, agent *control.Client) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st, err := agent.Status(ctx)
		if err == nil && len(st.Services) == 1 && st.Services[0].Stage != nil && strings.Contains(st.Services[0].Stage.Waiting, "segue promote") {
			_, _ = agent.Promote(ctx, control.PromoteRequest{Service: "web", Who: "the test"})
		}
	}
}
