package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// A freeze by command, as it is kept on disk. One that nobody has ended is over
// at its time.
type freeze struct {
	control.Freeze
	Ended time.Time `json:"ended,omitzero"` // by command
}

func (g *gate) freezeFile() string { return filepath.Join(g.a.o.State, "freezes.json") }

func (f *freeze) holds(now time.Time) bool {
	return f.Ended.IsZero() && (f.Until.IsZero() || now.Before(f.Until))
}

// freezesOf is called with the gate's lock held.
func (g *gate) freezesOf(service string, now time.Time) []deploy.Freeze {
	var out []deploy.Freeze
	for _, f := range g.freezes {
		if f.holds(now) && concerns(f.Service, service) {
			out = append(out, deploy.Freeze{To: f.Until, Why: fmt.Sprintf("%s (%s)", f.Why, f.Who)})
		}
	}
	return out
}

// Freeze implements control.Agent. What is frozen already gets the new end and
// reason.
func (a *Agent) Freeze(_ context.Context, q control.FreezeRequest) (control.Freeze, error) {
	now := a.clock.Now()
	switch {
	case q.Why == "":
		return control.Freeze{}, control.Errorf(control.CodeInvalid, "a freeze wants a reason, which is told to who is refused: --why '…'")
	case !q.Until.IsZero() && !q.Until.After(now):
		return control.Freeze{}, control.Errorf(control.CodeInvalid, "the freeze would be over already: it is %s now", now.Local().Format(time.DateTime))
	}
	if q.Service != "" {
		if _, err := a.known(q.Service); err != nil {
			return control.Freeze{}, err
		}
	}
	f, err := a.gate.freeze(control.Freeze{Service: q.Service, Began: now, Until: q.Until, Who: q.Who, Why: q.Why})
	if err != nil {
		return f, err
	}
	a.log.Info("freeze", "service", f.Service, "until", f.Until, "who", f.Who, "why", f.Why)
	// Not with the gate's lock held: whom to tell is known to the services.
	a.notifyAll(f.Service, deploy.Notice{On: deploy.OnFreeze, Text: "frozen" + until(f.Until) + ": " + f.Why + " (" + f.Who + ")", Who: f.Who, Why: f.Why})
	return f, nil
}

// until tells of an end, if there is one.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.Local().Format(time.DateTime)
}

// freeze begins a freeze, or changes the one there is.
func (g *gate) freeze(x control.Freeze) (control.Freeze, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := freeze{Freeze: x}
	all := slices.Clone(g.freezes)
	if n := g.frozen(f.Service, f.Began); n >= 0 {
		f.Began = all[n].Began
		all[n] = f
	} else {
		all = append(all, f)
	}
	return f.Freeze, g.keepFreezes(all)
}

// frozen finds the freeze in force that was asked for by the same words.
func (g *gate) frozen(service string, now time.Time) int {
	return slices.IndexFunc(g.freezes, func(f freeze) bool { return f.Service == service && f.holds(now) })
}

// keepFreezes is called with the gate's lock held.
func (g *gate) keepFreezes(all []freeze) error {
	all = all[max(0, len(all)-gatesKept):]
	if err := writeJSON(g.freezeFile(), all); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	g.freezes = all
	g.wake()
	return nil
}

// Unfreeze implements control.Agent.
func (a *Agent) Unfreeze(_ context.Context, q control.Request) (control.Unfrozen, error) {
	x, err := a.gate.thaw(q.Service, a.clock.Now())
	if err != nil || x.Nothing {
		return x, err
	}
	a.log.Info("freeze is over", "service", q.Service, "who", q.Who)
	a.notifyAll(q.Service, deploy.Notice{On: deploy.OnFreeze, Text: "no longer frozen (" + q.Who + ")", Who: q.Who, Why: q.Why})
	return x, nil
}

func (g *gate) thaw(service string, now time.Time) (control.Unfrozen, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.frozen(service, now)
	if n < 0 {
		return control.Unfrozen{Nothing: true}, nil
	}
	all := slices.Clone(g.freezes)
	all[n].Ended = now
	return control.Unfrozen{Freeze: all[n].Freeze}, g.keepFreezes(all)
}

func (f *freeze) rollout(now time.Time) deploy.Rollout {
	r := deploy.Rollout{Service: f.Service, Kind: deploy.KindFreeze, Phase: deploy.Frozen, Who: f.Who, Why: f.Why, Began: f.Began}
	switch {
	case !f.Ended.IsZero():
		r.Phase, r.Ended = deploy.Thawed, f.Ended
	case !f.holds(now):
		r.Phase, r.Ended = deploy.RanOut, f.Until
	}
	return r
}
