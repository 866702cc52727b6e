package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// world is an engine, prober, router and journal in memory, which watches that
// what a strategy promises is kept at every instant. Its times are those of
// the synctest bubble.
type world struct {
	t        *testing.T
	mu       sync.Mutex
	fleet    *Fleet
	steps    []deploy.Step
	started  int
	running  map[string]bool
	routed   map[string]bool
	peak     int // most instances running at once
	low      int // fewest instances routed at once, once floor was reached
	floor    int
	bad      int                   // releases with this number never get ready
	crash    func(deploy.Instance) // called when an instance is shifted
	unable   error                 // the journal's answer
	killAt   int                   // the agent dies when it has written so many steps
	kill     context.CancelFunc
	mixed    bool // instances of two generations ran at once
	drained  map[string]bool
	boot     time.Duration
	drainFor time.Duration
	shiftFor time.Duration
}

func newWorld(t *testing.T, serving ...deploy.Instance) *world {
	w := &world{t: t, running: map[string]bool{}, routed: map[string]bool{}, drained: map[string]bool{}, boot: time.Second, drainFor: time.Second}
	for _, i := range serving {
		w.running[i.ID], w.routed[i.ID] = true, true
	}
	w.fleet, w.low, w.floor = NewFleet(serving), len(serving), len(serving)
	return w
}

// old makes n serving instances of release 1, generation 1.
func old(n int) []deploy.Instance {
	var is []deploy.Instance
	for k := range n {
		is = append(is, deploy.Instance{ID: fmt.Sprintf("old.%d", k), Service: "shop", Release: 1, Gen: 1, State: deploy.Serving})
	}
	return is
}

func (w *world) parts(s deploy.Strategy) Parts {
	return Parts{Engine: w, Prober: w, Router: w, Journal: worldJournal{w}, Fleet: w.fleet, Spec: deploy.Service{Strategy: s}}
}

func (w *world) note() {
	w.peak = max(w.peak, len(w.running))
	w.low = min(w.low, len(w.routed))
	gens := map[int64]bool{}
	for _, i := range w.fleet.List() {
		if w.running[i.ID] {
			gens[i.Gen] = true
		}
	}
	w.mixed = w.mixed || len(gens) > 1
}

func (w *world) Start(ctx context.Context, i deploy.Instance) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[i.ID] = true
	w.note()
	return ctx.Err()
}

func (w *world) Stop(_ context.Context, i deploy.Instance) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.routed[i.ID] {
		w.t.Errorf("%s is stopped while requests are sent to it", i.ID)
	}
	delete(w.running, i.ID)
	return nil
}

func (w *world) WaitReady(ctx context.Context, i deploy.Instance) error {
	if err := sleep(ctx, w.boot); err != nil {
		return err
	}
	if i.Release == w.bad {
		return errors.New("never got ready")
	}
	return nil
}

func (w *world) Shift(ctx context.Context, i deploy.Instance) error {
	if err := sleep(ctx, w.shiftFor); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running[i.ID] {
		w.t.Errorf("%s gets requests and is not running", i.ID)
	}
	w.routed[i.ID] = true
	if w.crash != nil {
		w.crash(i)
	}
	return nil
}

func (w *world) Sync(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.routed)
	for _, i := range w.fleet.List() {
		if i.State == deploy.Serving && w.fleet.Unfit(i.ID) == "" {
			w.routed[i.ID] = true
		}
	}
	return nil
}

func (w *world) Drain(ctx context.Context, i deploy.Instance) error {
	w.mu.Lock()
	delete(w.routed, i.ID)
	w.note()
	w.mu.Unlock()
	return sleep(ctx, w.drainFor)
}

func (w *world) Drop(_ context.Context, i deploy.Instance) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.routed, i.ID)
	return nil
}

// write is the journal's: an agent that is dead writes nothing.
func (w *world) write(ctx context.Context, s *deploy.Step) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.unable != nil {
		return w.unable
	}
	s.Seq = int64(len(w.steps) + 1)
	w.steps = append(w.steps, *s)
	if w.kill != nil && len(w.steps) == w.killAt {
		w.kill()
	}
	return nil
}

func (w *world) Append(ctx context.Context, s *deploy.Step) error { return w.write(ctx, s) }

// worldJournal gives world's journal the Start that the Engine's hides.
type worldJournal struct{ *world }

func (w worldJournal) Start(ctx context.Context, rollout int64, i *deploy.Instance) (deploy.Step, error) {
	w.mu.Lock()
	w.started++
	i.ID, i.State = fmt.Sprintf("%s-%d.%d", i.Service, i.Release, w.started), deploy.Starting
	w.mu.Unlock()
	s := deploy.Step{Rollout: rollout, Service: i.Service, Verb: deploy.StepStart, Instance: i.ID, Release: i.Release}
	return s, w.write(ctx, &s)
}
