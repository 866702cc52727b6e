package store

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// A Locker is a store that keeps locks itself, each operation one round trip.
// Package lock uses it where it is there, and does the same with plain entries
// where it is not. Lock keys are a namespace of their own, apart from entries.
//
// A lock has one holder and a queue, first come, first served. Holder and
// waiters each have a lease by the store's own clock; who lets it end is passed
// over, and never gets back what it had. Whoever finds that, by any of these
// calls, makes the first of the queue that is alive the holder.
type Locker interface {
	// AcquireLock takes the lock for r.ID if it is free, and otherwise gives it
	// the last place of the queue. Asked again for the same ID it answers what has
	// become of it, with its lease or its place lasting anew: that is how waiters
	// keep their places, and how one asks again after an error.
	AcquireLock(ctx context.Context, r LockRequest) (LockGrant, error)

	// ExtendLock makes the holder's lease end after this time from now. It returns
	// ErrConflict if id holds the lock no longer.
	ExtendLock(ctx context.Context, key, id string, lease time.Duration) error

	// ReleaseLock gives up the lock or the place in the queue that id has, and
	// hands the lock on. It returns ErrConflict if id had neither any more.
	ReleaseLock(ctx context.Context, key, id string) error

	// Locks yields the locks whose keys begin with prefix and that are held, in
	// the order of their keys. It is no snapshot. The first error ends it.
	Locks(ctx context.Context, prefix string) iter.Seq2[LockState, error]
}

// A LockRequest says who wants a lock, and how.
type LockRequest struct {
	Key   string
	ID    string        // of the one who asks: unique for ever, at most 64 bytes
	Wake  string        // the key that watchers are told as changed when ID is made holder by another's call; no entry need be there
	Owner string        // shown to others as it is
	Lease time.Duration // how long it is held without ExtendLock. At least a millisecond
	Place time.Duration // how long its place in the queue is kept without AcquireLock
	Try   bool          // take no place in the queue
}

// Check reports what no driver takes.
func (r LockRequest) Check() error {
	if err := CheckKey(r.Key); err != nil {
		return err
	}
	switch {
	case r.ID == "" || len(r.ID) > 64:
		return fmt.Errorf("store: lock %q: an ID of %d bytes; it has 1 to 64", r.Key, len(r.ID))
	case r.Lease < time.Millisecond, r.Place < time.Millisecond:
		return fmt.Errorf("store: lock %q: a lease of %v and a place of %v; each is a millisecond at least", r.Key, r.Lease, r.Place)
	}
	return nil
}

// A LockGrant is the answer to a request.
type LockGrant struct {
	// Token is 0 if the lock was not granted. It is greater than every token for
	// the same key before it, and stays the same as long as the lock is held.
	Token  Revision
	Holder LockParty // who has it: the one who asked, or another
	Ahead  int       // how many come before the one who asked, the holder among them
}

// A LockParty holds a lock or waits for it.
type LockParty struct {
	ID, Owner string
	Since     time.Time     // it holds or waits, by the store's clock
	Left      time.Duration // until its lease ends; not negative
}

// A LockState is a lock that is held.
type LockState struct {
	Key     string
	Token   Revision
	Holder  LockParty
	Waiters []LockParty // who comes first stands first
}

// LockerOf returns the Locker that s is, also if it is one behind Prefixed.
func LockerOf(s Store) (Locker, bool) {
	p, ok := s.(*prefixed)
	if !ok {
		l, ok := s.(Locker)
		return l, ok
	}
	l, ok := LockerOf(p.Store)
	return prefixedLocker{l, p.prefix}, ok
}

type prefixedLocker struct {
	locker Locker
	prefix string
}

func (p prefixedLocker) AcquireLock(ctx context.Context, r LockRequest) (LockGrant, error) {
	r.Key, r.Wake = p.prefix+r.Key, p.prefix+r.Wake
	return p.locker.AcquireLock(ctx, r)
}

func (p prefixedLocker) ExtendLock(ctx context.Context, key, id string, lease time.Duration) error {
	return p.locker.ExtendLock(ctx, p.prefix+key, id, lease)
}

func (p prefixedLocker) ReleaseLock(ctx context.Context, key, id string) error {
	return p.locker.ReleaseLock(ctx, p.prefix+key, id)
}

func (p prefixedLocker) Locks(ctx context.Context, prefix string) iter.Seq2[LockState, error] {
	return func(yield func(LockState, error) bool) {
		for s, err := range p.locker.Locks(ctx, p.prefix+prefix) {
			if err == nil {
				s.Key = s.Key[len(p.prefix):]
			}
			if !yield(s, err) {
				return
			}
		}
	}
}
