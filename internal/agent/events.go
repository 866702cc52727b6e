package agent

import (
	"context"
	"sync"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// A hub tells those who watch a rollout that there is news. Steps are read
// from the journal by whoever watches, so that none can be missed; what merely
// passes is dropped for a watcher that is slow.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
}

type watcher struct {
	rollout int64
	news    chan struct{}
	passing chan control.Event
}

func newHub() *hub { return &hub{watchers: map[*watcher]bool{}} }

func (h *hub) add(rollout int64) (*watcher, func()) {
	w := &watcher{rollout, make(chan struct{}, 1), make(chan control.Event, 256)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[w] = true
	return w, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, w)
	}
}

// wake says that the journal holds more of a rollout.
func (h *hub) wake(rollout int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if w.rollout == rollout {
			select {
			case w.news <- struct{}{}:
			default:
			}
		}
	}
}

// pass tells of something that is not in the journal.
func (h *hub) pass(e control.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if w.rollout == e.Rollout {
			select {
			case w.passing <- e:
			default:
			}
		}
	}
}

// Watch implements control.Agent.
func (a *Agent) Watch(ctx context.Context, id, since int64, tell func(control.Event) error) error {
	w, remove := a.events.add(id)
	defer remove()
	if _, err := a.journal.Rollout(ctx, id); err != nil {
		return control.Errorf(control.CodeNone, "there is no rollout %d; `segue history` lists them", id)
	}
	for {
		// First whether it is over, then its steps: the other way round, those
		// written in between would never be told.
		end, err := a.endOf(ctx, id)
		if err != nil {
			return err
		}
		steps, err := a.journal.Steps(ctx, id, since)
		if err != nil {
			return err
		}
		for _, step := range steps {
			since = step.Seq
			if err := tell(control.Event{Seq: step.Seq, At: step.At, Rollout: id, Instance: step.Instance, Step: &step}); err != nil {
				return err
			}
		}
		if end != nil {
			return tell(*end)
		}
		if err := w.wait(ctx, a.staying.Done(), tell); err != nil {
			return err
		}
	}
}

// wait returns when the journal holds more, passing on what comes meanwhile.
func (w *watcher) wait(ctx context.Context, left <-chan struct{}, tell func(control.Event) error) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-left:
			return control.Errorf(control.CodeFailed, "the agent is going; the rollout goes on with the next one")
		case <-w.news:
			return nil
		case e := <-w.passing:
			if err := tell(e); err != nil {
				return err
			}
		}
	}
}

// endOf is the last event of a rollout that has ended and been settled, nil of
// one that has not.
func (a *Agent) endOf(ctx context.Context, id int64) (*control.Event, error) {
	r, err := a.journal.Rollout(ctx, id)
	if err != nil || !r.Phase.Ended() {
		return nil, err
	}
	if s := a.service(r.Service); s != nil && s.isRolling(id) {
		return nil, nil // its end is written and not yet acted on
	}
	return &control.Event{At: r.Ended, Rollout: id, End: r.Phase, Reason: r.Reason, Migrated: r.Migrated}, nil
}

func (s *service) isRolling(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rollout != nil && s.rollout.ID == id
}

var _ control.Agent = (*Agent)(nil)

// underWay returns the rollout that a service is in.
func (s *service) underWay() *deploy.Rollout {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rollout == nil {
		return nil
	}
	r := *s.rollout
	return &r
}
