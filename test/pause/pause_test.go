// Package pause_test holds the promise of `segue pause`: no request reaches a
// paused service's instances, and none of those that came meanwhile is lost,
// whatever is killed or replaced in the middle.
package pause_test

import (
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// answered counts what the service's instances were sent.
func answered(w *harness.World) int64 {
	n := int64(0)
	for _, i := range w.Service("web").Instances {
		n += i.Requests
	}
	return n
}

// paused sets a world up with a drill on a service that is then paused, and
// some requests parked.
func paused(t *testing.T) (*harness.World, *harness.Agent, *harness.Drill) {
	w := harness.New(t)
	w.Web(2, "", "")
	agent := w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100, func(p *drill.Plan) { p.Timeout = 50 * time.Second })
	d.More(30)
	w.Must(0, "pause", "--for", "60s", "--max", "10000", "--wait", "--why", "the database moves")
	w.Until("requests are parked", func() bool { return w.Service("web").Held > 50 })
	return w, agent, d
}

// lateButAll resumes the service and holds every request to an answer.
func lateButAll(t *testing.T, w *harness.World, d *harness.Drill, held time.Duration) {
	t.Helper()
	w.Must(0, "resume")
	d.More(50)
	if r := d.None(); r.Latency.Max < held {
		t.Errorf("nothing was parked: the longest answer took %s", r.Latency.Max)
	}
}

// TestUnderLoad: a whole deploy happens while the requests are parked.
func TestUnderLoad(t *testing.T) {
	t.Parallel()
	w, _, d := paused(t)
	before := answered(w)
	w.Until("two seconds of requests are parked", func() bool { return w.Service("web").Held > 200 })
	if n := answered(w) - before; n > 0 {
		t.Errorf("%d requests reached the instances of a paused service", n)
	}
	w.Web(2, "N: 2", "")
	w.Must(0, "deploy")
	if n := answered(w); n > 0 {
		t.Errorf("%d requests reached the new instances of a paused service", n)
	}
	lateButAll(t, w, d, 2*time.Second)
	w.AllServing("web", 2, 2)
}

// TestAgentKilled: the pause is the next agent's, too.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	w, agent, d := paused(t)
	agent.Kill()
	w.Agent()
	if p := w.Service("web").Paused; p == nil || p.Why != "the database moves" {
		t.Errorf("the next agent says of the pause: %+v", p)
	}
	before := answered(w)
	w.Must(0, "restart") // new tables, by the new agent
	if n := answered(w); n > before {
		t.Errorf("%d requests reached the instances of a paused service", n-before)
	}
	lateButAll(t, w, d, 500*time.Millisecond)
}

// TestUpgraded: agent and proxy are replaced; what was parked in the old proxy
// goes on from there.
func TestUpgraded(t *testing.T) {
	t.Parallel()
	w, _, d := paused(t)
	parked := w.Service("web").Held
	w.Must(0, "upgrade")
	w.Until("requests are parked in the new proxy", func() bool { return w.Service("web").Held > 30 })
	if n := answered(w); n > 0 {
		t.Errorf("%d requests reached the instances of a paused service through the new proxy", n)
	}
	t.Logf("%d requests were parked in the old proxy", parked)
	lateButAll(t, w, d, 500*time.Millisecond)
}

// TestRanOut: a pause that nobody ends is over at its time, without the agent,
// and the history tells of it.
func TestRanOut(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	w.Web(1, "", "")
	agent := w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(50, func(p *drill.Plan) { p.Timeout = 50 * time.Second })
	w.Must(0, "pause", "--for", "2s", "--why", "short")
	agent.Kill()
	w.Until("requests are answered again", func() bool { return d.Snapshot().Sent > 100 })
	w.Agent()
	w.Until("it is written down", func() bool { return w.Service("web").Paused == nil })
	d.None()
	past, err := w.Client().History(t.Context(), "web", 1)
	if err != nil || len(past) != 1 || past[0].Kind != deploy.KindPause || past[0].Phase != deploy.RanOut || past[0].Why != "short" {
		t.Errorf("history: %+v, %v", past, err)
	}
}
