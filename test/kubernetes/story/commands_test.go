//go:build kubernetes

package story_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

func (w *world) request() kubernetes.Request {
	return kubernetes.Request{Service: "shop", Who: "bob@test"}
}

func TestRollbackRestartScaleAndDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", ""), deploy.Done)
	w.deploys(w.order("two", ""), deploy.Done)

	q := w.request()
	q.Replicas = 1
	r, err := w.cluster.Scale(w.context(), q, w.show)
	w.ends(r, err)
	w.serves(2, 1)

	before := w.get("pods", "-l", "app.kubernetes.io/name=shop", "-o", "name")
	r, err = w.cluster.Restart(w.context(), w.request(), w.show)
	w.ends(r, err)
	w.serves(2, 1)
	if after := w.get("pods", "-l", "app.kubernetes.io/name=shop", "-o", "name"); after == before {
		t.Errorf("after the restart the pods are those of before: %s", after)
	}

	r, err = w.cluster.Rollback(w.context(), w.request(), w.show)
	w.ends(r, err)
	w.serves(1, 1)

	r, err = w.cluster.Down(w.context(), w.request(), w.show)
	w.ends(r, err)
	if left := w.get("deployments,services,poddisruptionbudgets,pods", "-o", "name"); strings.Contains(left, "shop") {
		t.Errorf("what is left: %s", left)
	}
	past, err := w.cluster.History(w.context(), "shop", 0)
	w.must(err)
	var kinds []string
	for _, r := range past {
		kinds = append(kinds, string(r.Kind))
	}
	if got := strings.Join(kinds, " "); got != "down rollback restart scale deploy deploy" {
		t.Errorf("history: %s", got)
	}
	q = w.request()
	q.Purge = true
	if _, err := w.cluster.Down(w.context(), q, w.show); err != nil {
		t.Fatal(err)
	}
	if left := w.get("configmaps,secrets,leases", "-o", "name"); strings.Contains(left, "shop") {
		t.Errorf("after the purge there is left: %s", left)
	}
}

func (w *world) ends(r deploy.Rollout, err error) {
	w.Helper()
	if err != nil || r.Phase != deploy.Done {
		w.Fatalf("%s rollout %d: %s %s %v", r.Kind, r.ID, r.Phase, r.Reason, err)
	}
}

func TestWhatSomebodyElseHasMadeIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Kubectl("create", "deployment", "shop", "--image", w.image)
	_, err := w.cluster.Deploy(w.context(), w.order("one", ""), w.show)
	if err == nil || !strings.Contains(err.Error(), "was not made by segue") {
		t.Fatalf("deployed over another's Deployment: %v", err)
	}
	if left := w.get("configmaps,secrets", "-l", "segue.dev/kind in (release,rollout,env)", "-o", "name"); left != "" {
		t.Errorf("a deploy that was refused has left %s", left)
	}
}

func TestOfTwoDeploysAtOnceOneIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.going(w.order("one", ""))
	w.until(w.context(), 0, "begin")
	_, err := w.cluster.Deploy(w.context(), w.order("two", ""), w.show)
	var busy *kubernetes.BusyError
	if !errors.As(err, &busy) || !strings.HasPrefix(busy.Holder, "ann@test") {
		if r := <-first; r.Phase == deploy.Done && err == nil {
			t.Skip("the first had ended before the second could be refused")
		}
		t.Fatalf("the second was not refused: %v", err)
	}
	if r := <-first; r.err != nil || r.Phase != deploy.Done {
		t.Fatalf("%s %v", r.Reason, r.err)
	}
	w.serves(1, 3)
}

func TestImageThatCannotBePulledGoesBackBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", ""), deploy.Done)
	o := w.order("two", "")
	o.Image = "kubelab.local/story-none:1"
	r := w.deploys(o, deploy.RolledBack)
	if !strings.Contains(r.Reason, "story-none") {
		t.Errorf("reason: %s", r.Reason)
	}
	w.serves(1, 3)
}

func TestHooksAreJobsAndOneThatFailsUndoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", "hooks: { before: [ { name: migrate, run: /app expand } ], between: [ { name: look, run: /app look } ] }"), deploy.Done)
	from := len(w.told())
	w.deploys(w.order("two", "hooks: { before: [ { name: migrate, run: /app expand } ], between: [ { name: look, run: /app look } ] }"), deploy.Done)
	w.until(w.context(), from, "[expand] migrate 2")
	w.until(w.context(), from, "[look] look 2")
	w.serves(2, 3)
	r := w.deploys(w.order("three", "hooks: { between: [ { name: look, run: /app look fail } ] }"), deploy.RolledBack)
	if !strings.Contains(r.Reason, "hook look") {
		t.Errorf("reason: %s", r.Reason)
	}
	w.serves(2, 3)
}
