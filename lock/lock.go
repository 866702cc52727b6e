// Package lock is a lock for all copies of a service, whatever machine they run
// on: one of them does the work, in the order in which they asked.
//
// It promises:
//
//   - One holder. The lock is given to nobody else before the holder's lease has
//     ended by the store's own clock, or it has returned it. The lease is extended
//     for as long as the process lives.
//   - First come, first served, across processes. Waiters are woken. One that has
//     died is passed over.
//   - The lock of a process that died is free within one lease ([Lease]).
//   - The context of the holder is cancelled, with [ErrLost] as its cause, before
//     its lease ends: by its own clock, measured from before the store was asked,
//     also if the process was suspended.
//   - A token that grows with every grant ([Token]).
//
// What it cannot promise: that a process does nothing after its lease has ended.
// One that is suspended between looking at its context and writing will write
// when it goes on, minutes later, and no lock service can stop it. Only the
// resource can: give it the token, and have it refuse a token that is less than
// the greatest it has seen. Where twice is merely wasteful, the lock is enough.
package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/internal/boottime"
	"github.com/seguehq/segue/store"
)

// DefaultLease is how long the lock of a process that died stays taken.
const DefaultLease = 10 * time.Second

// MinLease is the shortest lease that a process on a busy machine can keep.
const MinLease = 50 * time.Millisecond

// Locks are the locks of a store. It may be used concurrently, starts nothing
// by itself, and need not be closed.
type Locks struct {
	store  store.Store
	locker store.Locker
	lease  time.Duration
	owner  Owner
	self   string // in every ID: this Locks of this process and no other
	last   atomic.Int64
	wakes  wakes

	encoded string // owner, as others read it
}

// An Option changes what New makes.
type Option func(*Locks)

// Lease sets how long a lock stays taken after its holder has died: long enough
// for the slowest hiccup of process, network and store, as a holder that cannot
// extend it in that time loses it. DefaultLease without it; it panics below
// MinLease.
func Lease(d time.Duration) Option {
	if d < MinLease {
		panic(fmt.Sprintf("lock: a lease of %v; it is %v at least", d, MinLease))
	}
	return func(l *Locks) { l.lease = d }
}

// As sets the name under which others see this process: $SEGUE_INSTANCE, or host
// and process id, without it.
func As(name string) Option { return func(l *Locks) { l.owner.Name = name } }

// New returns the locks that are kept in s. All who use the same keys of the
// same store exclude each other; leases may differ.
func New(s store.Store, options ...Option) *Locks {
	l := &Locks{store: s, lease: DefaultLease, owner: thisProcess(), self: rand.Text()}
	for _, o := range options {
		o(l)
	}
	l.encoded = l.owner.encode()
	locker, ok := store.LockerOf(s)
	if !ok {
		locker = newEntries(s, l.self)
	}
	l.locker = locker
	l.wakes.store, l.wakes.prefix = s, wakePrefix+l.self+"/"
	return l
}

// MaxKey is how many bytes a key may have: fewer than a store's entry, for what
// is put before it.
const MaxKey = 400

// wakePrefix begins the keys that waiters watch.
const wakePrefix = "lock/wake/"

// Do waits until the lock is free and all who came before have had it, runs fn
// while it holds it, and returns what fn does. The lock is extended while fn
// runs, and handed on when fn has returned or panicked.
//
// The context of fn knows the lock ([Token], [Extend]) and is cancelled with the
// cause ErrLost when it is no longer held; Do then returns an error that is
// ErrLost, also if fn returned nil. When ctx is done, a Do that waits leaves the
// queue and returns its error; one whose fn runs waits for fn.
//
// A store that does not answer is asked again for as long as one lease.
func (l *Locks) Do(ctx context.Context, key string, fn func(ctx context.Context) error) error {
	return l.do(ctx, key, fn, false)
}

// TryDo is Do if the lock is free at once; if not, fn is not run and the error
// is a [*HeldError], which says who has it.
func (l *Locks) TryDo(ctx context.Context, key string, fn func(ctx context.Context) error) error {
	return l.do(ctx, key, fn, true)
}

func (l *Locks) do(ctx context.Context, key string, fn func(ctx context.Context) error, try bool) error {
	if h := holding(ctx, l, key); h != nil {
		return fmt.Errorf("lock: %q is held already by the function that asks for it: it would wait for itself: %w", key, ErrHeld)
	}
	if len(key) > MaxKey {
		return fmt.Errorf("lock: a key of %d bytes; it has %d at most", len(key), MaxKey)
	}
	for {
		h, err := l.acquire(ctx, key, try)
		if err != nil {
			return err
		}
		if h.Err() == nil {
			return h.run(fn)
		}
		// Called off, or suspended for a lease, before anything was done with it.
		err = h.release()
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("lock: acquire %q: %w", key, ctx.Err()), err)
		}
	}
}

// An attempt is one call's way to the lock.
type attempt struct {
	*Locks
	request store.LockRequest
	asked   boottime.Instant // before the store was asked the last time
	grant   store.LockGrant  // its answer
}

func (l *Locks) attempt(key string, try bool) *attempt {
	id := l.self + "/" + strconv.FormatInt(l.last.Add(1), 36)
	return &attempt{Locks: l, request: store.LockRequest{Key: key, ID: id, Wake: wakePrefix + id, Owner: l.encoded,
		Lease: l.lease, Place: l.lease / 2, Try: try}}
}

func (l *Locks) acquire(ctx context.Context, key string, try bool) (*held, error) {
	a := l.attempt(key, try)
	err := a.ask(ctx)
	switch {
	case err != nil && (try || permanent(ctx, err)):
		a.leave()
		return nil, fmt.Errorf("lock: acquire %q: %w", key, err)
	case err == nil && a.grant.Token != 0:
		return a.held(ctx, nil), nil
	case try:
		return nil, a.refusal(nil)
	}
	return a.wait(ctx)
}

// ask asks the store once, and gives up in time to ask it again: a connection that
// has gone dead may never say so. Who is called off waits for the answer all the
// same, if not for long: a request that were left to itself might reach the store
// after the one that takes it back, and the lock would be nobody's for a lease.
func (a *attempt) ask(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.lease/2)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(hasty, cancel) })()
	asked := boottime.Now()
	grant, err := a.locker.AcquireLock(call, a.request)
	if err == nil {
		a.asked, a.grant = asked, grant
	} else if ctx.Err() != nil {
		err = ctx.Err() // that is why, and not that we have called the call off
	}
	return err
}

// hasty is how long a caller who has called Do off waits for the store to be told,
// once for the answer to what it has asked and once for giving that back. A store
// that is merely slow is told: else all others would have to wait for a lease.
const hasty = 3 * time.Second

// leave gives up whatever the store may have noted for the attempt. If that
// fails, the store forgets it when the lease ends.
func (a *attempt) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), min(a.request.Place, hasty))
	defer cancel()
	_ = a.locker.ReleaseLock(ctx, a.request.Key, a.request.ID)
}

// wait waits for the lock. The first thing is to be there for the call that
// wakes it, the second to ask whether it has come already.
func (a *attempt) wait(ctx context.Context) (*held, error) {
	woken, gone, err := a.wakes.join(ctx, a.request.Wake)
	if err == nil {
		err = a.queue(ctx, woken)
	}
	stopped := gone()
	if err != nil {
		a.leave()
		<-stopped
		return nil, a.refusal(err)
	}
	return a.held(ctx, stopped), nil
}

// queue asks whenever it is woken, and as often as keeps its place, until the
// lock is granted.
func (a *attempt) queue(ctx context.Context, woken <-chan struct{}) error {
	failing := backoff{limit: a.lease}
	for {
		err := a.ask(ctx)
		pause := a.look()
		switch {
		case err == nil && a.grant.Token != 0:
			return nil
		case err != nil && permanent(ctx, err):
			return err
		case err != nil:
			if pause = failing.next(); pause == 0 {
				return err
			}
		default:
			failing.reset()
		}
		timer := time.NewTimer(pause)
		select {
		case <-woken:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// look is when to ask again without having been woken: often enough to keep the
// place, and for the first of the queue as soon as the holder's lease has ended.
func (a *attempt) look() time.Duration {
	keep := a.request.Place / 3
	if a.grant.Ahead != 1 {
		return keep
	}
	return min(keep, a.grant.Holder.Left+time.Millisecond)
}

// permanent tells whether asking again is of no use.
func permanent(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, store.ErrClosed)
}

// A backoff is how long to wait between tries, up to a limit in all.
type backoff struct {
	limit, pause time.Duration
	since        boottime.Instant
}

// next is the next pause, or 0 when it has gone on for too long.
func (b *backoff) next() time.Duration {
	if b.pause == 0 {
		b.since, b.pause = boottime.Now(), 5*time.Millisecond
	}
	if boottime.Now().Sub(b.since) > b.limit {
		return 0
	}
	b.pause = min(b.pause*2, b.limit/10+time.Millisecond)
	return b.pause
}

func (b *backoff) reset() { b.pause = 0 }
