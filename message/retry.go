package message

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
)

const (
	// retryLease is how long a parked message is its instance's alone: when that has
	// died, the message is another's after it.
	retryLease = 10 * time.Second
	// retryLook is how often it is looked, unasked, for what was left by the dead.
	retryLook = 15 * time.Second
)

// A retrier takes parked messages that are to be handled anew from the store, and
// puts them before the consumers of their groups.
type retrier struct {
	bus    *Bus
	stop   context.CancelFunc
	tasks  sync.WaitGroup
	mu     sync.Mutex
	active map[string]*retry // by their names
	over   bool              // no more are taken
}

// A retry is the tag of a parked message on its way.
type retry struct {
	name, mark string
	attempts   int // before
	parked     bool
	claim      store.Revision
}

func newRetrier(b *Bus) *retrier { return &retrier{bus: b, active: map[string]*retry{}} }

func (r *retrier) start() {
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.tasks.Go(func() { r.run(ctx) })
}

// rest has it take no more.
func (r *retrier) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// end ends it, when the consumers have.
func (r *retrier) end() {
	r.stop()
	r.tasks.Wait()
}

// run looks when it is told to, and sometimes unasked. A store that is away is asked
// again: nothing that is parked is urgent.
func (r *retrier) run(ctx context.Context) {
	told := make(chan struct{}, 1)
	r.tasks.Go(func() { r.watch(ctx, told) })
	extend, look := time.NewTicker(retryLease/3), time.NewTicker(retryLook)
	defer extend.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-extend.C:
			r.extend(ctx)
			continue
		case <-told:
		case <-look.C:
		}
		r.look(ctx)
	}
}

// watch tells of marks, the first time when it has begun to watch.
func (r *retrier) watch(ctx context.Context, told chan<- struct{}) {
	var w store.Watcher
	err := insist(ctx, func() (err error) { w, err = r.bus.store.Watch(ctx, retryPrefix); return err })
	if err != nil {
		return
	}
	defer w.Close()
	for {
		select {
		case told <- struct{}{}:
		default:
		}
		if _, err := w.Next(ctx); err != nil {
			return
		}
	}
}

// look takes what is marked for the groups of this bus.
func (r *retrier) look(ctx context.Context) {
	for _, c := range r.bus.consumers {
		if c.group == "" {
			continue
		}
		prefix := retryPrefix + c.topic + "/" + c.group + "/"
		for e, err := range r.bus.store.List(ctx, prefix) {
			if err == nil {
				err = r.take(ctx, c, strings.TrimPrefix(e.Key, prefix), e.Key)
			}
			if err != nil {
				c.log.Warn("messages: a parked one cannot be tried again at present", "error", err)
				break
			}
		}
	}
}

// take takes one, unless somebody has it.
func (r *retrier) take(ctx context.Context, c *consumer, name, mark string) error {
	r.mu.Lock()
	skip := r.over || r.active[name] != nil
	r.mu.Unlock()
	if skip {
		return nil
	}
	claim, err := r.bus.store.Put(ctx, store.Write{Key: retryingPrefix + name, TTL: retryLease})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	m, _, err := NewParked(r.bus.store).get(ctx, name)
	if errors.Is(err, ErrNotParked) || err == nil && !m.Retrying { // dropped, or just handled, or parked again
		return errors.Join(r.bus.store.Delete(ctx, mark, store.Any), r.bus.store.Delete(ctx, retryingPrefix+name, claim))
	}
	if err != nil {
		return err
	}
	y := &retry{name: name, mark: mark, attempts: m.Attempts, claim: claim}
	r.mu.Lock()
	r.active[name] = y
	r.mu.Unlock()
	m.Message.Attempt = 1
	c.put(Delivery{m.Message, y})
	return nil
}

// extend keeps what was taken.
func (r *retrier) extend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, retryLease/3)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, y := range r.active {
		if revision, err := r.bus.store.Put(ctx, store.Write{Key: retryingPrefix + name, Expect: y.claim, TTL: retryLease}); err == nil {
			y.claim = revision
		}
	}
}

// done forgets messages that were handled, and lets go of those that were parked
// again.
func (r *retrier) done(ctx context.Context, d []Delivery) {
	r.letGo(ctx, d, func(y *retry) error {
		if y.parked {
			return nil
		}
		return errors.Join(r.bus.store.Delete(ctx, parkedPrefix+y.name, store.Any), r.bus.store.Delete(ctx, y.mark, store.Any))
	})
}

// back leaves messages to another instance, and calls it.
func (r *retrier) back(ctx context.Context, d []Delivery) { r.letGo(ctx, d, nil) }

func (r *retrier) letGo(ctx context.Context, d []Delivery, first func(*retry) error) {
	for _, d := range d {
		y := d.Tag.(*retry)
		err := insist(ctx, func() error {
			if first == nil {
				return nil
			}
			return first(y)
		})
		r.mu.Lock()
		delete(r.active, y.name)
		claim := y.claim
		r.mu.Unlock()
		err = errors.Join(err, r.bus.store.Delete(ctx, retryingPrefix+y.name, claim))
		if first == nil {
			_, wake := r.bus.store.Put(ctx, store.Write{Key: y.mark, Expect: store.Any})
			err = errors.Join(err, wake)
		}
		if err != nil {
			r.bus.log.Warn("messages: a parked one that was tried again is still parked", "parked", y.name, "error", err)
		}
	}
}
