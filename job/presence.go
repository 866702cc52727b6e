package job

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/boottime"
	"github.com/seguehq/segue/store"
)

// A presence says in the store that this process lives: an entry that is there for
// a lease and is written anew whenever a third of it has passed. Whoever does not
// find it may take up what the process was running.
type presence struct {
	*engine
	since time.Time

	mu      sync.Mutex
	current *tenure       // nil: none, as the store is away
	changed chan struct{} // closed when current is another
	offset  time.Duration // of the store's clock from ours
}

// An instance is what a process tells of itself.
type instance struct {
	Runner
	Since time.Time `json:"since"`
}

func newPresence(e *engine) *presence {
	return &presence{engine: e, since: time.Now().UTC(), changed: make(chan struct{})}
}

// run keeps the process present until ctx is done.
func (p *presence) run(ctx context.Context) {
	pause, away := p.lease/20, false
	for ctx.Err() == nil {
		t, err := p.begin(ctx)
		if err != nil {
			if !away && ctx.Err() == nil {
				p.log.Error("job: the store is away, so no job begins here", "error", err)
			}
			away = true
			sleep(ctx, pause)
			pause = min(pause*2, p.lease/2)
			continue
		}
		if away {
			p.log.Info("job: the store is back")
		}
		pause, away = p.lease/20, false
		p.set(t)
		p.hold(ctx, t)
		p.set(nil)
	}
}

// begin begins a tenure.
func (p *presence) begin(ctx context.Context) (*tenure, error) {
	ctx, cancel := context.WithTimeout(ctx, p.lease/2)
	defer cancel()
	t := &tenure{id: rand.Text(), gone: make(chan struct{})}
	if err := p.write(ctx, t, store.Absent); err != nil {
		return nil, err
	}
	return t, p.tell(ctx, t)
}

// hold writes the entry again and again, until the tenure is lost or ctx is done,
// which ends it.
func (p *presence) hold(ctx context.Context, t *tenure) {
	defer t.stop()
	told := time.Now()
	for t.pause(ctx, p.lease) {
		call, cancel := context.WithTimeout(ctx, p.lease/4)
		err := p.write(call, t, t.revision)
		if errors.Is(err, store.ErrConflict) {
			err = p.reread(call, t)
		}
		if err == nil && time.Since(told) > 2*p.lease {
			err = p.tell(call, t)
			told = time.Now()
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			p.log.Debug("job: the lease was not extended", "error", err) // tried again, and soon
		}
	}
	if ctx.Err() != nil {
		p.leave(t)
	}
}

// write writes the entry, if it is as it was left.
func (p *presence) write(ctx context.Context, t *tenure, expect store.Revision) error {
	value, err := json.Marshal(instance{p.self, p.since})
	if err != nil {
		return err
	}
	asked := boottime.Now()
	revision, err := p.store.Put(ctx, store.Write{Key: instancePrefix + t.id, Value: value, Expect: expect, TTL: p.lease})
	if err == nil {
		t.revision = revision
		t.lasts(asked, p.lease)
	}
	return err
}

// reread tells a write of its own, of which the answer was lost, from an entry that
// has expired.
func (p *presence) reread(ctx context.Context, t *tenure) error {
	e, err := p.store.Get(ctx, instancePrefix+t.id)
	if errors.Is(err, store.ErrNotFound) {
		t.lose(errExpired)
		return nil
	}
	if err == nil {
		t.revision = e.Revision // it is extended the next time
	}
	return err
}

// tell tells others what jobs there are here, and looks at the store's clock.
func (p *presence) tell(ctx context.Context, t *tenure) error {
	if err := p.announce(ctx, t.id); err != nil {
		return err
	}
	offset, err := clockOffset(ctx, p.store, t.id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	before := p.offset
	p.offset = offset
	p.mu.Unlock()
	if d := offset - before; d > time.Second || d < -time.Second {
		p.log.Warn("job: this machine's clock is not the store's, which is gone by: set it", "behind", offset)
	}
	return nil
}

// leave takes the entries back, so that nobody has to wait for their end.
func (p *presence) leave(t *tenure) {
	ctx, cancel := context.WithTimeout(context.Background(), p.lease/4)
	defer cancel()
	if p.abandoned.Load() {
		return // something runs on here
	}
	for _, prefix := range []string{instancePrefix, jobsPrefix} {
		if err := p.store.Delete(ctx, prefix+t.id, store.Any); err != nil {
			p.log.Debug("job: not taken back, and left to expire", "error", err)
		}
	}
}

func (p *presence) set(t *tenure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = t
	close(p.changed)
	p.changed = make(chan struct{})
}

// tenure is the present one, or nil and what is closed when there may be another.
func (p *presence) tenure() (t *tenure, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current, p.changed
}

// now is the time of day by the store's clock, if ours is not like it.
func (p *presence) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.offset).Round(0).UTC()
}

// clockOffset is how much the store's clock is ahead of ours; 0 if that could as
// well be the time that the store took to answer.
func clockOffset(ctx context.Context, s store.Store, id string) (time.Duration, error) {
	const kept = time.Minute
	key := clockPrefix + id
	before := time.Now()
	if _, err := s.Put(ctx, store.Write{Key: key, Expect: store.Any, TTL: kept}); err != nil {
		return 0, err
	}
	after := time.Now()
	e, err := s.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	its, doubt := e.Expires.Add(-kept).Round(0), after.Sub(before)/2
	offset := its.Sub(before.Round(0)) - doubt
	if offset.Abs() <= doubt+alike {
		return 0, nil
	}
	return offset, nil
}

// alike is how far apart clocks are that are set by the network.
const alike = 100 * time.Millisecond

// sleep waits, and returns early when ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
