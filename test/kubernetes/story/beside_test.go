//go:build kubernetes

package story_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

// selected is the Deployment that the Service selects; "" all.
func (w *world) selected() string {
	w.Helper()
	return w.get("service", "shop", "-o", `jsonpath={.spec.selector.segue\.dev/deployment}`)
}

func TestBlueGreenWaitsForAWordThenSwitches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", ""), deploy.Done)
	const how = "strategy: { type: blue-green, promote: manual, bake: 2s, preview: { listen: '0.0.0.0:9090' } }"
	went := w.going(w.order("two", how))
	w.until(w.context(), 0, "waiting for `segue promote`")
	if on := w.selected(); on != "shop" {
		t.Errorf("before the switch requests go to %q", on)
	}
	if to := w.get("service", "shop-preview", "-o", `jsonpath={.spec.selector.segue\.dev/deployment}`); to != "shop-r2" {
		t.Errorf("the preview leads to %q", to)
	}
	if _, err := w.cluster.Promote(w.context(), kubernetes.Request{Service: "shop", Who: "bob@test"}); err != nil {
		t.Fatal(err)
	}
	if r := <-went; r.err != nil || r.Phase != deploy.Done {
		t.Fatalf("%s: %s, %v", r.Phase, r.Reason, r.err)
	}
	w.serves(2, 3)
	if names := w.get("deployments,services", "-o", "name"); names != "deployment.apps/shop-r2\nservice/shop" {
		t.Errorf("what is left: %s", names)
	}
	w.deploys(w.order("three", ""), deploy.Done) // a rolling one, of the Deployment that serves
	w.serves(3, 3)
}

func TestReleaseThatCrashesInBakeGoesBackByOneSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", ""), deploy.Done)
	bad := with(w.order("two", "strategy: { type: blue-green, bake: 2m }"), "CRASH", "12s")
	r := w.deploys(bad, deploy.RolledBack)
	if !strings.Contains(r.Reason, "crashed") {
		t.Errorf("reason: %s", r.Reason)
	}
	w.serves(1, 3)
	if names := w.get("deployments", "-o", "name"); names != "deployment.apps/shop" {
		t.Errorf("Deployments: %s", names)
	}
}

func TestCanaryByPodsSaysItsShareAndLeavesTheOldWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const how = "strategy: { type: canary, steps: [ { weight: 25%, for: 1s }, { weight: 50%, for: 1s } ] }"
	w.deploys(w.order("one", ""), deploy.Done)
	plan, err := w.cluster.Plan(w.context(), w.order("two", how))
	w.must(err)
	if all := strings.Join(plan.Stages, "\n"); !strings.Contains(all, "by 1 of 4 pods: 25 %") || !strings.Contains(all, "by 3 of 6 pods: 50 %") {
		t.Errorf("the plan:\n%s", all)
	}
	w.deploys(w.order("two", how), deploy.Done)
	w.serves(2, 3)
}

func TestRecreateNeverRunsTwoReleases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const how = "strategy: { type: recreate }"
	w.deploys(w.order("one", how), deploy.Done)
	from := len(w.told())
	w.deploys(w.order("two", how), deploy.Done)
	w.serves(2, 3)
	gone := 0
	for _, e := range w.told()[from:] {
		if e.Pod == nil {
			continue
		}
		if e.Pod.Release == 1 && e.Pod.State == kubernetes.Gone {
			gone++
		}
		if e.Pod.Release == 2 && gone < 3 {
			t.Fatalf("a pod of release 2 after %d of release 1 have gone: %s", gone, line(e))
		}
	}
}

// a rolled is how a deploy has ended.
type rolled struct {
	deploy.Rollout
	err error
}

// going begins a deploy, and returns where its end is told.
func (w *world) going(o kubernetes.Order) <-chan rolled {
	return w.goingUntil(w.context(), o)
}

func (w *world) goingUntil(ctx context.Context, o kubernetes.Order) <-chan rolled {
	end := make(chan rolled, 1)
	began := make(chan struct{})
	go func() {
		close(began)
		r, err := w.cluster.Deploy(ctx, o, w.show)
		end <- rolled{r, err}
	}()
	<-began
	return end
}

func TestSomebodyElseCallsOffADeployThatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", ""), deploy.Done)
	from := len(w.told())
	went := w.going(w.order("two", "strategy: { type: blue-green, bake: 10m }"))
	w.until(w.context(), from, "switch, until")
	q := w.request()
	q.Why = "the wrong one"
	r, err := w.cluster.Rollback(w.context(), q, nil)
	w.must(err)
	ann := <-went
	if ann.err != nil || r.Phase != deploy.RolledBack || ann.Phase != deploy.RolledBack || ann.ID != r.ID {
		t.Fatalf("bob has %+v, ann %+v", r, ann)
	}
	if want := "called off by bob@test: the wrong one"; r.Reason != want {
		t.Errorf("the reason is %q, want %q", r.Reason, want)
	}
	w.serves(1, 3)
}
