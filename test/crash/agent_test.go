// Package crash_test holds promise 3: whoever is killed, whenever, nothing is
// lost that need not be, and every rollout ends in exactly one of done and
// rolled back.
package crash_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// A killing is a rollout whose agent is killed: of release 2, in place of release 1.
type killing struct {
	name     string
	env      string // of the new release
	was      string // more of segue.yaml, for release 1
	more     string // the same, for release 2
	replicas int
	rate     float64 // of the drill
	bin      func(testing.TB) string

	end  deploy.Phase
	left int // release
}

// TestAgentKilledAtEveryStep kills the agent with SIGKILL before and after
// each thing that a rollout writes in its journal, under a drill, for a
// release that is good and for one that never gets ready. The next agent must
// end the rollout, in one way, with nothing lost and nothing left over. The race
// detector watches those that are killed after a write, and in a soak all.
func TestAgentKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, c := range []killing{
		{name: "good release", env: "NEW: 1", end: deploy.Done, left: 2},
		{name: "release that never gets ready", env: "BROKEN: 1", end: deploy.RolledBack, left: 1},
	} {
		c.replicas, c.rate, c.bin = 2, 100, harness.Segue
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				var died atomic.Bool
				t.Run(fmt.Sprint("write ", at), func(t *testing.T) {
					for _, when := range []string{"before", "after"} {
						c := c
						if when == "before" && !harness.Soak() {
							c.bin = harness.SegueFast
						}
						t.Run(when, func(t *testing.T) {
							t.Parallel()
							if c.killedAt(t, at, when) {
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

// deployed has release 1 serve, by an agent that is killed where kill says.
func (c *killing) deployed(t *testing.T, kill string) (*harness.World, *harness.Agent) {
	w := harness.NewWith(t, c.bin(t))
	c.file(w, "", c.was)
	agent := w.Agent("SEGUE_TEST_KILL=" + kill)
	w.Must(0, "deploy")
	return w, agent
}

func (c *killing) file(w *harness.World, env, more string) {
	w.Web(c.replicas, env, more+"\n"+harness.Probes(20*time.Millisecond, env, 60))
}

// deploys begins the rollout.
func (c *killing) deploys(w *harness.World) *harness.Command {
	c.file(w, c.env, c.more)
	deploying := w.Background("deploy")
	if strings.Contains(c.more, "promote: manual") {
		person := make(chan struct{})
		go func() { defer close(person); promote(w.T.Context(), w.Client()) }()
		w.T.Cleanup(func() { <-person })
	}
	return deploying
}

// killedAt runs the rollout with an agent that dies at a write, and reports
// whether it did: a rollout has only so many.
func (c *killing) killedAt(t *testing.T, at int, when string) (died bool) {
	w, agent := c.deployed(t, fmt.Sprintf("2:%d:%s", at, when))
	d := w.Drill(c.rate, func(p *drill.Plan) { p.Timeout = 50 * time.Second }) // so many at a time may be slow
	d.More(20)
	deploying := c.deploys(w)
	select {
	case <-agent.Over():
		died = true
	case <-deploying.Over(): // it may be the first to know that the agent has died
		if deploying.Ran().Code == 1 {
			w.Until("the agent has died", agent.IsOver)
			died = true
		}
	}
	come(w, d, 20) // without any agent, if it died; nobody may be there to answer them
	if died {
		w.Agent()
	}
	got := deploying.Ran()
	w.Until("the rollout has ended", func() bool { return w.Service("web").Rollout == nil })
	d.More(20)
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
	c.ended(w)
	return died
}

// come waits until so many more requests have been sent, answered or not.
func come(w *harness.World, d *harness.Drill, n int64) {
	w.T.Helper()
	sent := func() int64 { s := d.Snapshot(); return s.Sent + s.InFlight }
	from := sent()
	w.Until(fmt.Sprintf("%d more requests have come", n), func() bool { return sent() >= from+n })
}

// ended holds the rollout to its end, and to what is left.
func (c *killing) ended(w *harness.World) {
	w.T.Helper()
	history, err := w.Client().History(w.T.Context(), "web", 1)
	if err != nil {
		w.T.Fatal(err)
	}
	if history[0].Phase != c.end {
		w.T.Errorf("ended as %q, want %q: %s", history[0].Phase, c.end, history[0].Reason)
	}
	w.AllServing("web", c.left, c.replicas)
}
