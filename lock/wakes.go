package lock

import (
	"context"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
)

// wakes wakes the waiters of this process. It watches the store while there are
// any, once for all of them.
type wakes struct {
	store  store.Store
	prefix string

	mu      sync.Mutex
	running *watching // nil: nobody waits
}

// watching is one life of the goroutine that watches.
type watching struct {
	cancel context.CancelFunc
	ready  chan struct{} // closed when it is told of changes
	ended  chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	waiting map[string]chan struct{} // by key; each holds one
}

// join returns a channel that receives when the key is told. gone is to be
// called when nobody reads it any more; the channel that it returns is closed
// when all that was started for the waiter has ended.
func (w *wakes) join(ctx context.Context, key string) (woken <-chan struct{}, gone func() (ended <-chan struct{}), err error) {
	own := make(chan struct{}, 1)
	w.mu.Lock()
	if w.running == nil {
		w.running = w.start()
	}
	r := w.running
	r.mu.Lock()
	r.waiting[key] = own
	r.mu.Unlock()
	w.mu.Unlock()
	gone = func() <-chan struct{} { return w.leave(r, key) }
	select {
	case <-r.ready:
		return own, gone, nil
	case <-ctx.Done():
		return nil, gone, ctx.Err()
	}
}

// leave ends the watching with its last waiter, who waits for it.
func (w *wakes) leave(r *watching, key string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.mu.Lock()
	delete(r.waiting, key)
	left := len(r.waiting)
	r.mu.Unlock()
	if left > 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	w.running = nil
	r.cancel()
	return r.ended
}

func (w *wakes) start() *watching {
	ctx, cancel := context.WithCancel(context.Background())
	r := &watching{cancel: cancel, ready: make(chan struct{}), ended: make(chan struct{}), waiting: map[string]chan struct{}{}}
	go func() {
		defer close(r.ended)
		r.run(ctx, w.store, w.prefix)
	}()
	return r
}

// run watches until it is called off. A store that cannot be watched wakes
// nobody; waiters then find out when they ask to keep their places.
func (r *watching) run(ctx context.Context, s store.Store, prefix string) {
	var once sync.Once
	ready := func() { once.Do(func() { close(r.ready) }) }
	defer ready()
	for ctx.Err() == nil {
		watcher, err := s.Watch(ctx, prefix)
		ready()
		if err == nil {
			r.wake("") // what came before
			err = r.pass(ctx, watcher)
			_ = watcher.Close()
		}
		if err == store.ErrClosed {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// pass passes on what the watcher tells.
func (r *watching) pass(ctx context.Context, watcher store.Watcher) error {
	for {
		c, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		r.wake(c.Key)
	}
}

// wake wakes the waiter for the key, or all if there is none.
func (r *watching) wake(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, waiter := range r.waiting {
		if key == "" || key == k {
			select {
			case waiter <- struct{}{}:
			default:
			}
		}
	}
}
