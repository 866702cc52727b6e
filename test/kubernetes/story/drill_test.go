//go:build kubernetes

package story_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/deploy"
)

// A witness is a drill that a deploy is held under, as segue deploy --drill has it.
type witness struct {
	*drill.Drill
	allowed int
	done    chan struct{}
}

func (w *world) witness(allowed int) *witness {
	w.Helper()
	d, err := drill.New(drill.Plan{URL: "http://" + w.Address("shop"), Rate: 50, Dial: w.DialFrom("kn1")})
	w.must(err)
	return &witness{d, allowed, make(chan struct{})}
}

func (d *witness) Start(ctx context.Context) error {
	go func() {
		defer close(d.done)
		_, _ = d.Run(context.WithoutCancel(ctx)) // what it has lost is asked of the drill itself
	}()
	return nil
}

func (d *witness) Stop(context.Context) error {
	d.Drill.Stop()
	<-d.done
	return nil
}

func (d *witness) Lost() int             { return int(d.Snapshot().Lost) }
func (d *witness) Allowed() int          { return d.allowed }
func (d *witness) Done() <-chan struct{} { return d.done }
func (d *witness) Report() string {
	return fmt.Sprintf("%d of %d requests lost", d.Snapshot().Lost, d.Snapshot().Sent)
}

func TestBadCanaryIsUndoneByItsDrillAndAGoodOneIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const how = "strategy: { type: canary, steps: [ { weight: 25%, for: 3s } ] }"
	w.deploys(w.order("one", ""), deploy.Done)

	good := w.order("two", how)
	good.Drill = w.witness(0)
	w.deploys(good, deploy.Done)
	if r := w.lastRecord(); r.Lost != 0 || !strings.Contains(r.Drill, "requests lost") {
		t.Errorf("the history tells of %d lost requests: %s", r.Lost, r.Drill)
	}

	bad := with(w.order("three", "strategy: { type: canary, steps: [ { weight: 25%, for: 2m } ] }"), "FAIL", "2")
	bad.Drill = w.witness(10)
	r := w.deploys(bad, deploy.RolledBack)
	if !strings.Contains(r.Reason, "the drill has lost") {
		t.Errorf("reason: %s", r.Reason)
	}
	w.serves(2, 3)
	after := w.Drill("shop", 50, w.From("kn1"))
	after.More(50)
	after.None()
}

func TestFirstReleaseThatIsBadLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(with(w.order("one", ""), "CRASH", "100ms"), deploy.RolledBack)
	if left := w.get("deployments,services,pods", "-o", "name"); left != "" && left != "No resources found" && strings.Contains(left, "shop") {
		t.Errorf("what is left: %s", left)
	}
	w.deploys(w.order("two", ""), deploy.Done)
	w.serves(2, 3)
}
