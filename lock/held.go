package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/boottime"
	"github.com/seguehq/segue/store"
)

// ErrLost: the lock is no longer held, or may no longer be.
var ErrLost = errors.New("the lock was lost")

// held is a lock that is held, and the context of the function that holds it.
// Whoever asks the context whether it is done makes it look at the clock first,
// so that a process that was suspended learns of it before any timer has run.
type held struct {
	context.Context // cancelled when the lock is lost
	locks           *Locks
	key, id         string
	token           int64
	cancel          context.CancelCauseFunc
	before          <-chan struct{} // closed when what woke the waiter has ended; nil: nothing did

	extending chan struct{} // holds one while somebody extends
	gone      chan struct{} // closed when the lock is lost

	mu    sync.Mutex
	until boottime.Instant // the end of the lease, by this process's clock
	end   *time.Timer
	lost  error
}

func (a *attempt) held(ctx context.Context, before <-chan struct{}) *held {
	inner, cancel := context.WithCancelCause(ctx)
	h := &held{Context: inner, locks: a.Locks, key: a.request.Key, id: a.request.ID, token: int64(a.grant.Token), cancel: cancel,
		before: before, extending: make(chan struct{}, 1), gone: make(chan struct{})}
	h.lasts(a.asked, a.lease)
	return h
}

// lasts notes that the lease lasts this long from an instant at which the store
// had not yet been asked. A fiftieth is left for clocks that do not go alike.
func (h *held) lasts(asked boottime.Instant, lease time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = asked.Add(lease - lease/50)
	if h.end != nil {
		h.end.Stop()
	}
	until := h.until
	h.end = time.AfterFunc(max(until.Sub(boottime.Now()), 0), func() { h.ended(until) })
}

// ended is called by the timer at the end of a lease.
func (h *held) ended(until boottime.Instant) {
	h.mu.Lock()
	current := h.until == until
	h.mu.Unlock()
	if current {
		h.lose(errExpired)
	}
}

var errExpired = errors.New("the process was suspended, or the store did not answer, for longer than the lease")

// lose cancels the context, once.
func (h *held) lose(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost == nil {
		h.lost = fmt.Errorf("lock: %q, held with token %d: %w: %w", h.key, h.token, ErrLost, why)
		h.cancel(h.lost)
		close(h.gone)
	}
}

// look finds out by the clock whether the lock is lost.
func (h *held) look() error {
	h.mu.Lock()
	late := h.lost == nil && boottime.Now() >= h.until
	lost := h.lost
	h.mu.Unlock()
	if late {
		h.lose(errExpired)
		return h.look()
	}
	return lost
}

func (h *held) Done() <-chan struct{} {
	_ = h.look()
	return h.Context.Done()
}

func (h *held) Err() error {
	_ = h.look()
	return h.Context.Err()
}

type heldKey struct{}

func (h *held) Value(key any) any {
	if key == (heldKey{}) {
		return h
	}
	return h.Context.Value(key)
}

// holding is the lock of that key that the context's function holds.
func holding(ctx context.Context, l *Locks, key string) *held {
	h, _ := ctx.Value(heldKey{}).(*held)
	for h != nil && (h.locks != l || h.key != key) {
		h, _ = h.Context.Value(heldKey{}).(*held)
	}
	return h
}

// run runs fn under the lock and hands the lock on.
func (h *held) run(fn func(ctx context.Context) error) (err error) {
	stop := h.extendAlways()
	defer func() {
		stop()
		err = errors.Join(err, h.release())
	}()
	return fn(h)
}

// extendAlways extends the lease whenever a third of it has passed, until it is
// told to stop.
func (h *held) extendAlways() (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.Context))
	var running sync.WaitGroup
	running.Go(func() {
		for h.pause(ctx) {
			h.extendOnce(ctx)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// extendOnce gives up in time to try again, maybe by another connection. What
// comes of it shows when it is looked at the next time.
func (h *held) extendOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, h.locks.lease/4)
	defer cancel()
	_ = h.extend(ctx, h.locks.lease)
}

// pause waits until the lease is to be extended: when two thirds of it are left,
// and ten times as often when that has not worked. It returns false when there is
// nothing more to extend.
func (h *held) pause(ctx context.Context) bool {
	h.mu.Lock()
	wait := max(h.until.Sub(boottime.Now())-h.locks.lease*2/3, h.locks.lease/30)
	h.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return h.look() == nil
	case <-h.gone:
	case <-ctx.Done():
	}
	return false
}

// extend makes the lease last this long from now. What the store says counts; a
// store that cannot be asked leaves the lease as it was.
func (h *held) extend(ctx context.Context, lease time.Duration) error {
	select {
	case h.extending <- struct{}{}:
		defer func() { <-h.extending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := h.look(); err != nil {
		return err
	}
	h.mu.Lock()
	left := h.until.Sub(boottime.Now())
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	asked := boottime.Now()
	err := h.locks.locker.ExtendLock(ctx, h.key, h.id, lease)
	switch {
	case errors.Is(err, store.ErrConflict):
		h.lose(errors.New("the store has given it to another, or the lease ended"))
		return h.look()
	case err != nil:
		return fmt.Errorf("lock: extend %q: %w", h.key, err)
	}
	if err := h.look(); err != nil {
		return err // it came too late
	}
	h.lasts(asked, lease)
	return nil
}

// release hands the lock on. A lock that had been lost is an error even if
// nobody noticed before: fn may not have been alone.
func (h *held) release() error {
	h.mu.Lock()
	h.end.Stop()
	lost := h.lost
	h.mu.Unlock()
	defer func() {
		h.cancel(nil)
		if h.before != nil {
			<-h.before
		}
	}()
	h.extending <- struct{}{} // nobody extends what is being released, nor after
	err := h.giveBack()
	switch {
	case lost != nil:
		return lost
	case errors.Is(err, store.ErrConflict):
		h.lose(errors.New("the store has given it to another, or the lease ended, before it was released"))
		return h.lost
	}
	return nil // if the store could not be asked, the lease ends by itself
}

// giveBack asks the store for as long as the lease lasts, and not for long if the
// caller has called Do off. A conflict after an error is none: the one that failed
// may have done it.
func (h *held) giveBack() error {
	h.mu.Lock()
	limit := max(h.until.Sub(boottime.Now()), h.locks.lease/10)
	h.mu.Unlock()
	if h.Context.Err() != nil {
		limit = min(limit, hasty)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.Context), limit)
	defer cancel()
	failing := backoff{limit: limit}
	for {
		err := h.locks.locker.ReleaseLock(ctx, h.key, h.id)
		switch {
		case err == nil, errors.Is(err, store.ErrConflict) && failing.pause == 0, permanent(ctx, err):
			return err
		case errors.Is(err, store.ErrConflict):
			return nil
		}
		timer := time.NewTimer(failing.next())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// Token returns the fencing token of the lock that the function with this
// context holds, the innermost if there are several: greater than that of every
// holder of the same key before it. It is 0 in a context without a lock.
//
// Send it with every write that only the holder may do, and have the resource
// refuse a token less than the greatest it has seen.
func Token(ctx context.Context) int64 {
	if h, ok := ctx.Value(heldKey{}).(*held); ok {
		return h.token
	}
	return 0
}

// Extend asks the store whether the lock of the function with this context, the
// innermost if there are several, is still held, and makes it last for d from
// now at least, should the process not be able to extend it meanwhile: before a
// step that must not be cut short. If the process dies, the lock stays taken for
// as long. The error is ErrLost if it is not held; with
// any other the lease is as it was. Nobody needs Extend to keep a lock.
func Extend(ctx context.Context, d time.Duration) error {
	h, ok := ctx.Value(heldKey{}).(*held)
	if !ok {
		return errors.New("lock: Extend: the context is not that of a function which holds a lock")
	}
	return h.extend(ctx, max(d, h.locks.lease))
}
