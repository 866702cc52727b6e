package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Patience says what a move does when an instance that it wants fails.
type patience int

const (
	impatient patience = iota // end with the failure
	patient                   // try again after a pause, until the progress deadline
	holding                   // impatient, but stay when all is as wanted
	keeping                   // tireless, but let somebody end it
	tireless                  // try again for ever, and stay when all is as wanted
)

// A mover brings a fleet to a target. One goroutine looks at the fleet,
// decides, and writes each step; the slow part of a step (starting, probing,
// draining, stopping) runs beside it, one goroutine an instance.
type mover struct {
	*Parts
	target   Target
	patience patience
	settled  func() // called once, when all is as wanted; nil when there is nobody to tell

	tasks sync.WaitGroup
	mu    sync.Mutex
	busy  map[string]bool // instances that a task is at work on
	news  []outcome       // from the tasks, not yet heard

	fails  int       // in a row
	failed time.Time // the last one
	rest   time.Time // before which nothing is started again
}

// An outcome is how a task ended.
type outcome struct {
	instance deploy.Instance
	failed   error // the instance's failure; nil when the task did what it was to do
}

// move returns nil when the fleet is as t says, with everything else gone; one
// that stays calls settled then.
func (p *Parts) move(ctx context.Context, t Target, how patience, settled func()) error {
	m := &mover{Parts: p, target: t, patience: how, settled: settled, busy: map[string]bool{}}
	ctx, cancel := context.WithCancel(ctx)
	defer m.tasks.Wait()
	defer cancel()
	return m.run(ctx)
}

func (m *mover) run(ctx context.Context) error {
	deadline := newDeadline(m.Spec.Strategy.ProgressDeadline)
	defer deadline.stop()
	if err := m.Router.Sync(ctx); err != nil && ctx.Err() == nil {
		m.problem(err) // the next shift or drain does the same
	}
	for {
		if err := context.Cause(ctx); err != nil {
			return err // nothing more is begun
		}
		if err := m.hear(deadline); err != nil {
			return err
		}
		now := m.look()
		m.resume(ctx, now)
		if now.settled(m.target) {
			if m.patience < holding {
				return nil
			}
			m.tellSettled()
			deadline.stop()
		}
		if err := m.startSome(ctx, now); err != nil {
			return err
		}
		if err := m.takeOutSome(ctx, m.look()); err != nil {
			return err
		}
		if err := m.wait(ctx, deadline); err != nil {
			return err
		}
	}
}

func (m *mover) tellSettled() {
	if m.settled != nil {
		m.settled()
		m.settled = nil
	}
}

// wait returns when something has changed, or with the error that ends the move.
func (m *mover) wait(ctx context.Context, deadline *deadline) error {
	var rested <-chan time.Time
	if pause := time.Until(m.rest); pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		rested = t.C
	}
	var abort <-chan string
	var late <-chan time.Time
	if m.patience == impatient || m.patience == holding || m.patience == keeping {
		abort = m.Abort
	}
	if m.patience < keeping {
		late = deadline.c()
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.Fleet.Changed():
		return nil
	case <-rested:
		return nil
	case why := <-abort:
		return errors.New(why)
	case <-late:
		return fmt.Errorf("no progress for %s (strategy.progress_deadline)", m.Spec.Strategy.ProgressDeadline)
	}
}

// tell notes how a task ended; it does so before the fleet shows it, so that
// the mover never acts on a gap without knowing what made it.
func (m *mover) tell(o outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.news = append(m.news, o)
}

// hear takes in what tasks have told, and returns the failure that ends the move.
func (m *mover) hear(deadline *deadline) error {
	m.mu.Lock()
	news := m.news
	m.news = nil
	m.mu.Unlock()
	for _, o := range news {
		err := fmt.Errorf("%s: %w", o.instance.ID, o.failed)
		switch {
		case o.failed == nil:
			deadline.reset()
		case o.instance.Gen == m.target.Beside.Gen && m.target.Beside.Count > 0:
			m.problem(err) // no fault of the release that is brought in
			m.pause()
		case o.instance.Gen != m.target.Gen:
			m.problem(err) // one of those that were to go; the budgets see that it is missing
		case m.patience == impatient || m.patience == holding:
			return err
		default:
			m.problem(err)
			m.pause()
		}
	}
	return nil
}

// steady is how long nothing may have failed for the next failure to count as
// the first of a row.
const steady = 5 * time.Minute

// pause sets when the next start may be, after a failure. Every instance may
// fail once and is started again at once; after that the pauses grow from the
// backoff to 60 times as much, or to 5 times while nothing serves at all.
func (m *mover) pause() {
	now := time.Now()
	if now.Sub(m.failed) > steady {
		m.fails = 0
	}
	m.fails, m.failed = m.fails+1, now
	if over := m.fails - m.target.Count - m.target.Beside.Count; over > 0 {
		most := 60 * m.backoff()
		if m.serving(m.target.Gen)+m.serving(m.target.Beside.Gen) == 0 {
			most = 5 * m.backoff()
		}
		m.rest = now.Add(min(m.backoff()<<min(over-1, 6), most))
	}
}

// do runs fn for an instance beside the mover.
func (m *mover) do(ctx context.Context, i deploy.Instance, fn func(context.Context, deploy.Instance)) {
	m.mark(i.ID, true)
	m.tasks.Go(func() {
		fn(ctx, i)
		m.mark(i.ID, false)
		m.Fleet.wake()
	})
}

func (m *mover) mark(id string, busy bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if busy {
		m.busy[id] = true
	} else {
		delete(m.busy, id)
	}
}

// atWork returns the instances that tasks are at work on.
func (m *mover) atWork() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.busy)
}

// A deadline fires when it was not reset for a while; never when d is 0.
type deadline struct {
	d time.Duration
	t *time.Timer
}

func newDeadline(d time.Duration) *deadline {
	if d == 0 {
		return &deadline{}
	}
	return &deadline{d, time.NewTimer(d)}
}

func (d *deadline) c() <-chan time.Time {
	if d.t == nil {
		return nil
	}
	return d.t.C
}

func (d *deadline) reset() {
	if d.t != nil {
		d.t.Reset(d.d)
	}
}

// stop ends it for good.
func (d *deadline) stop() {
	if d.t != nil {
		d.t.Stop()
		d.t = nil
	}
}
