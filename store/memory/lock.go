package memory

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/internal/queue"
)

// AcquireLock implements store.Locker.
func (s *Store) AcquireLock(ctx context.Context, r store.LockRequest) (store.LockGrant, error) {
	if err := r.Check(); err != nil {
		return store.LockGrant{}, err
	}
	var g store.LockGrant
	err := s.lock(ctx, r.Key, func(l *queue.Lock, now queue.Now) (wake string) {
		g, wake = l.Acquire(r, now, s.data.next)
		return wake
	})
	return g, err
}

// ExtendLock implements store.Locker.
func (s *Store) ExtendLock(ctx context.Context, key, id string, lease time.Duration) error {
	return s.orConflict(ctx, key, func(l *queue.Lock, now queue.Now) (bool, string) { return l.Extend(id, lease, now, s.data.next) })
}

// ReleaseLock implements store.Locker.
func (s *Store) ReleaseLock(ctx context.Context, key, id string) error {
	return s.orConflict(ctx, key, func(l *queue.Lock, now queue.Now) (bool, string) { return l.Release(id, now, s.data.next) })
}

func (s *Store) orConflict(ctx context.Context, key string, change func(*queue.Lock, queue.Now) (bool, string)) error {
	var ok bool
	err := s.lock(ctx, key, func(l *queue.Lock, now queue.Now) (wake string) {
		ok, wake = change(l, now)
		return wake
	})
	if err == nil && !ok {
		return store.ErrConflict
	}
	return err
}

// lock changes a lock, and wakes whom the change has made its holder.
func (s *Store) lock(ctx context.Context, key string, change func(*queue.Lock, queue.Now) (wake string)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.data.mu.Unlock()
	l := s.data.locks[key]
	if l == nil {
		l = &queue.Lock{}
	}
	wake := change(l, s.data.now())
	s.data.locks[key] = l
	if len(l.Parties) == 0 {
		delete(s.data.locks, key)
	}
	if wake != "" {
		s.data.changed(wake)
	}
	return nil
}

// now goes by Go's monotonic clock, which nobody sets. d.mu is held.
func (d *data) now() queue.Now {
	now := time.Now()
	return queue.Now{Lease: now.Sub(d.made), Wall: now}
}

// next is a new revision. d.mu is held.
func (d *data) next() store.Revision {
	d.last++
	return d.last
}

// Locks implements store.Locker.
func (s *Store) Locks(ctx context.Context, prefix string) iter.Seq2[store.LockState, error] {
	return func(yield func(store.LockState, error) bool) {
		states, err := s.lockStates(ctx, prefix)
		if err != nil {
			yield(store.LockState{}, err)
			return
		}
		for _, state := range states {
			if !yield(state, nil) {
				return
			}
		}
	}
}

func (s *Store) lockStates(ctx context.Context, prefix string) ([]store.LockState, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.data.mu.Unlock()
	var states []store.LockState
	for key, l := range s.data.locks {
		if state, held := l.State(key, s.data.now()); held && strings.HasPrefix(key, prefix) {
			states = append(states, state)
		}
	}
	slices.SortFunc(states, func(a, b store.LockState) int { return strings.Compare(a.Key, b.Key) })
	return states, nil
}
