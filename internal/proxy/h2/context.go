package h2

import (
	"context"
	"slices"
	"sync"
	"time"
)

// requestContext is the context of a request. It is part of its stream, and
// knows AfterFunc by itself, so that nothing is registered with a parent and
// no goroutine waits.
type requestContext struct {
	base context.Context // for values only

	mu    sync.Mutex
	done  chan struct{} // made when it is asked for
	err   error
	hooks []*func()
}

// Deadline tells that there is none.
func (x *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value gives the values of the connection.
func (x *requestContext) Value(key any) any { return x.base.Value(key) }

// Done is closed when the client resets the stream, the connection ends or the
// handler returns.
func (x *requestContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done == nil {
		x.done = make(chan struct{})
		if x.err != nil {
			close(x.done)
		}
	}
	return x.done
}

// Err gives context.Canceled after Done.
func (x *requestContext) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.err
}

// AfterFunc is what [context.AfterFunc] and the contexts made from this one
// look for.
func (x *requestContext) AfterFunc(f func()) (stop func() bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		go f()
		return func() bool { return false }
	}
	h := &f
	x.hooks = append(x.hooks, h)
	return func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		i := slices.Index(x.hooks, h)
		if i >= 0 {
			x.hooks = slices.Delete(x.hooks, i, i+1)
		}
		return i >= 0
	}
}

// cancel may be called more than once. The connection's lock is not held: the
// hooks are others' code.
func (x *requestContext) cancel() {
	x.mu.Lock()
	if x.err != nil {
		x.mu.Unlock()
		return
	}
	x.err = context.Canceled
	hooks := x.hooks
	x.hooks = nil
	if x.done != nil {
		close(x.done)
	}
	x.mu.Unlock()
	for _, h := range hooks {
		(*h)()
	}
}
