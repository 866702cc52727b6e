//go:build kubernetes

package story_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

// mortalOrder is the environment's variable by which this program is a deployer
// that does not live to see the end of its deploy.
const mortalOrder = "STORY_MORTAL"

// A will is what a mortal deployer does.
type will struct {
	Kubeconfig, Image, More, Dir string
	Env                          deploy.Environment
	Steps                        int // it kills itself when so many steps are written, before it takes the last of them
}

// mortal deploys, and does not return.
func mortal(order string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	var is will
	fail(json.Unmarshal([]byte(order), &is))
	o, err := orderOf(is.Image, "two", is.More, is.Dir)
	fail(err)
	for k, v := range is.Env {
		o.Env[k] = v
	}
	c, err := kubernetes.Open(kubernetes.Place{Kubeconfig: is.Kubeconfig})
	fail(err)
	steps := 0
	_, err = c.Deploy(context.Background(), o, func(e kubernetes.Event) {
		if e.Kind != kubernetes.EventStep {
			return
		}
		if steps++; steps == is.Steps {
			fail(syscall.Kill(os.Getpid(), syscall.SIGKILL))
		}
	})
	fail(err)
	os.Exit(0)
}

// killed has a deployer begin to deploy release two, and die of its n-th step.
// It reports whether there were so many.
func (w *world) killed(n int, more string, env deploy.Environment) bool {
	w.Helper()
	order, err := json.Marshal(will{w.Kubeconfig, w.image, more, w.TempDir(), env, n})
	w.must(err)
	cmd := exec.CommandContext(w.context(), os.Args[0])
	cmd.Env = append(os.Environ(), mortalOrder+"="+string(order))
	out, err := cmd.CombinedOutput()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() && status.Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		w.Fatalf("the deployer did not die as it should: %v\n%s", err, out)
	}
	return false
}

// A death is a deploy, and in how many places it is written down: what a deployer
// can die of. Each takes its time, for a holder is taken for dead when it has said
// nothing for fifteen seconds: all of them are tried with SEGUE_SOAK set, else the
// most telling one.
type death struct {
	name, more string
	env        deploy.Environment
	steps      int
	end        deploy.Phase // what comes of it if it is gone on with
	telling    int
}

var deaths = []death{
	{"rolling", "hooks: { between: [ { name: look, run: /app look } ] }", nil, 4, deploy.Done, 2},
	{"blue-green", "strategy: { type: blue-green, bake: 1s }", nil, 5, deploy.Done, 3},
	{"canary", "strategy: { type: canary, steps: [ { weight: 25%, for: 1s } ] }", nil, 7, deploy.Done, 5},
	{"bad", "", deploy.Environment{"SICK": "yes"}, 4, deploy.RolledBack, 3},
}

// until lists the steps to be tried.
func (d death) until(last int) []int {
	if os.Getenv("SEGUE_SOAK") == "" {
		return []int{d.telling}
	}
	var steps []int
	for n := 1; n <= last; n++ {
		steps = append(steps, n)
	}
	return steps
}

func TestADeployWhoseDeployerIsKilledIsGoneOnWith(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		for _, n := range d.until(d.steps) {
			t.Run(fmt.Sprintf("%s-%d", d.name, n), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.deploys(w.order("one", ""), deploy.Done)
				if !w.killed(n, d.more, d.env) {
					t.Fatalf("there is no step %d", n)
				}
				w.left(n < d.steps)
				o := w.order("two", d.more)
				for k, v := range d.env {
					o.Env[k] = v
				}
				r, err := w.cluster.Deploy(w.context(), o, w.show)
				if n == d.steps && d.end == deploy.Done { // it was over
					if r, err = w.lastRecord().Rollout, nil; r.ID != 2 {
						t.Errorf("rollout %d came after the one that had ended", r.ID)
					}
				}
				w.must(err)
				release := 2
				if r.Phase != d.end {
					t.Fatalf("%s: %s", r.Phase, r.Reason)
				}
				if d.end == deploy.RolledBack {
					release = 1
				}
				w.serves(release, 3)
			})
		}
	}
}

func TestADeployWhoseDeployerIsKilledIsUndone(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		for _, n := range d.until(d.steps - 1) {
			t.Run(fmt.Sprintf("%s-%d", d.name, n), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.deploys(w.order("one", ""), deploy.Done)
				drill := w.Drill("shop", 20, w.From("kn1"))
				if !w.killed(n, d.more, d.env) {
					t.Fatalf("there is no step %d", n)
				}
				r, err := w.cluster.Rollback(w.context(), w.request(), w.show)
				w.must(err)
				if r.Phase != deploy.RolledBack {
					t.Fatalf("%s: %s", r.Phase, r.Reason)
				}
				w.serves(1, 3)
				drill.More(20)
				drill.None()
			})
		}
	}
}

// left fails the test unless the status tells of a rollout that nobody ended, and
// by whom it was begun.
func (w *world) left(open bool) {
	w.Helper()
	all, err := w.cluster.Status(w.context(), "shop")
	w.must(err)
	switch r := all[0].Rollout; {
	case open != (r != nil):
		w.Fatalf("the rollout under way: %+v; want one: %t", r, open)
	case r != nil && !strings.HasPrefix(r.Who, "ann@test"):
		w.Errorf("it was left by %q", r.Who)
	}
}

func (w *world) lastRecord() kubernetes.Record {
	w.Helper()
	all, err := w.cluster.History(w.context(), "shop", 1)
	w.must(err)
	return all[0]
}
