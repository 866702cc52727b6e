package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// flights are loads under way, one for each key. Those who want the same wait
// for it; when none is left it is called off.
type flights[V any] struct {
	mu     sync.Mutex
	byKey  map[string]*flight[V]
	closed bool
	wg     sync.WaitGroup
}

type flight[V any] struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int // guarded by flights.mu

	// after done:
	it       *item[V]
	err      error
	panicked *panicked
}

// panicked is what a loader panicked with. Whoever waited for it panics with it.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return fmt.Sprintf("cache: the loader panicked: %v\n\n%s", p.value, p.stack)
}

// join waits for the flight of this key, and begins one if there is none. It goes
// on when this caller leaves, and ends when all have left, or the cache is closed.
// It is ours if we have begun it.
func (fs *flights[V]) join(ctx, life context.Context, key string, run func(ctx context.Context) (*item[V], error)) (it *item[V], ours bool, err error) {
	f, ours, err := fs.board(ctx, life, key, run)
	if err != nil {
		return nil, false, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		fs.leave(key, f)
		return nil, ours, ctx.Err()
	}
	if f.panicked != nil {
		panic(f.panicked)
	}
	return f.it, ours, f.err
}

func (fs *flights[V]) board(ctx, life context.Context, key string, run func(ctx context.Context) (*item[V], error)) (f *flight[V], ours bool, err error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return nil, false, ErrClosed
	}
	if f := fs.byKey[key]; f != nil {
		f.waiting++
		return f, false, nil
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(life, cancel)
	f = &flight[V]{done: make(chan struct{}), waiting: 1, cancel: func() { stop(); cancel() }}
	if fs.byKey == nil {
		fs.byKey = map[string]*flight[V]{}
	}
	fs.byKey[key] = f
	fs.wg.Go(func() { fs.fly(own, key, f, run) })
	return f, true, nil
}

func (fs *flights[V]) fly(ctx context.Context, key string, f *flight[V], run func(ctx context.Context) (*item[V], error)) {
	defer func() {
		if v := recover(); v != nil {
			f.panicked = &panicked{v, debug.Stack()}
		}
		fs.forget(key, f)
		f.cancel()
		close(f.done)
	}()
	f.it, f.err = run(ctx)
}

func (fs *flights[V]) leave(key string, f *flight[V]) {
	fs.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	if last && fs.byKey[key] == f {
		delete(fs.byKey, key) // who comes now has not called anything off
	}
	fs.mu.Unlock()
	if last {
		f.cancel()
	}
}

// forget lets nobody board the flight any more; nil is any flight of that key.
func (fs *flights[V]) forget(key string, f *flight[V]) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f == nil || fs.byKey[key] == f {
		delete(fs.byKey, key)
	}
}

// under says whether there is a flight of this key.
func (fs *flights[V]) under(key string) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.byKey[key] != nil
}

func (fs *flights[V]) forgetAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	clear(fs.byKey)
}

// close lets no more begin, and waits for those under way.
func (fs *flights[V]) close() {
	fs.mu.Lock()
	fs.closed = true
	fs.mu.Unlock()
	fs.wg.Wait()
}
