// Package shedding_test holds the promise of shedding: at twice of what a service can
// do, what is critical is answered as ever, and when that is over everything is back.
package shedding_test

import (
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// Two instances of four workers, each of whom takes a fifth of a second for a
// request, do forty requests a second. Nothing of that is processor time, so that it
// is forty on any machine.
const (
	env      = "WORKERS: 4, WORK: 200ms"
	shedding = `
shedding:
  inflight: 5
  routes:
    - { path: /pay, importance: critical }
    - { path: /feed, importance: low }
`
	critical = 16.0 // requests a second
	low      = 64.0
)

func to(w *harness.World, path string) func(*drill.Plan) {
	return func(p *drill.Plan) { p.URL = w.URL() + path }
}

// hints tells whether the flag of that name is on for somebody.
func hints(w *harness.World) bool {
	w.T.Helper()
	return strings.Contains(w.Must(0, "flag", "eval", "hints", "--for", "ann").Out, "variant on")
}

// TestTwiceTheCapacity: for the critical route nothing is lost and it stays nearly as
// fast as before, while a release is replaced, too; all of what is lost of the other was
// turned away, and afterwards nothing is any more.
func TestTwiceTheCapacity(t *testing.T) {
	w := harness.New(t)
	w.Web(2, env, shedding)
	agent := w.Agent()
	w.Must(0, "deploy")
	w.Must(0, "flag", "set", "hints", "on", "--importance", "low")
	if !hints(w) {
		t.Error("hints are off, though nothing is short of capacity")
	}
	before := w.Drill(critical, to(w, "/pay"))
	before.More(30)
	alone := before.None().Latency.P50

	pay := w.Drill(critical, to(w, "/pay"))
	feed := w.Drill(low, to(w, "/feed"))
	w.Until("requests are turned away", func() bool { s := w.Service("web").Shedding; return s != nil && s.Turned > 0 })
	if out := w.Must(0, "status").Out; !strings.Contains(out, "shedding ") || !strings.Contains(out, "in flight ") {
		t.Errorf("status does not tell of it:\n%s", out)
	}
	w.Until("the flag is turned down", func() bool { return !hints(w) })
	agent.Kill() // requests and flags stay turned down; the next agent goes on
	feed.More(50)
	if hints(w) {
		t.Error("hints are on while the agent is dead and the service short of capacity")
	}
	w.Agent()
	w.Web(2, env+", N: 2", shedding)
	w.Must(0, "deploy")
	w.AllServing("web", 2, 2)
	feed.More(50)

	r := feed.Result()
	if r.OK == 0 || r.Lost == 0 || r.ByClass[drill.Unavailable] != r.Lost {
		t.Errorf("of the low route %d were answered and %d lost, by class: %v", r.OK, r.Lost, r.ByClass)
	}
	for _, f := range r.Failures {
		if f.SegueError != "shed" || f.RetryAfter == "" {
			t.Errorf("lost, but not turned away: %+v", f)
		}
	}
	t.Logf("low: %d answered, %d turned away", r.OK, r.Lost)

	w.Until("nothing is turned away any more", func() bool { return w.Service("web").Shedding == nil })
	if crowded := pay.None().Latency.P50; crowded > 10*alone {
		t.Errorf("the critical route takes %s at twice the capacity, and %s alone", crowded, alone)
	} else {
		t.Logf("critical: %s at twice the capacity, %s alone", crowded, alone)
	}
	w.Until("the flag is turned up", func() bool { return hints(w) })
	after := w.Drill(8, to(w, "/feed"))
	after.More(20)
	after.None()

	past, err := w.Client().History(t.Context(), "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, x := range past {
		if x.Kind == deploy.KindShedding {
			found = found || x.Phase == deploy.LetIn && strings.Contains(x.Why, "turned away")
		}
	}
	if !found {
		t.Errorf("history: %+v", past)
	}
}
