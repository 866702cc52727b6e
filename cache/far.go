package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/store"
)

// far is the store, asked with a bound on each question, and left alone for a
// moment when it did not answer.
type far struct {
	store.Store
	name    string
	timeout time.Duration
	log     *slog.Logger
	counts  *counters

	down  atomic.Bool // whether away is set: most often it is not
	mu    sync.Mutex
	away  error     // why it does not answer; nil: it does
	until time.Time // it is not asked before
}

// errAway wraps what was wrong with the store.
var errAway = errors.New("the store does not answer")

// An asker is do or insist.
type asker func(ctx context.Context, what string, op func(ctx context.Context) error) error

// do asks something of the store. Its error is nil, store.ErrNotFound,
// store.ErrConflict, that of ctx, or an errAway.
func (f *far) do(ctx context.Context, what string, op func(ctx context.Context) error) error {
	if err := f.pause(); err != nil {
		return err
	}
	return f.insist(ctx, what, op)
}

// insist asks even if the store was away just now.
func (f *far) insist(ctx context.Context, what string, op func(ctx context.Context) error) error {
	bound, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	err := op(bound)
	switch {
	case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
		f.cameBack()
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	err = fmt.Errorf("%w: %s: %w", errAway, what, err)
	f.wentAway(err)
	return err
}

func (f *far) pause() error {
	if !f.down.Load() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil && time.Now().Before(f.until) {
		return f.away
	}
	return nil
}

func (f *far) wentAway(err error) {
	f.counts.storeErrors.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == nil {
		f.log.Warn("cache: the store does not answer; values are loaded without it", "cache", f.name, "error", err)
	}
	f.away, f.until = err, time.Now().Add(retryAfter)
	f.down.Store(true)
}

func (f *far) cameBack() {
	if !f.down.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		f.log.Info("cache: the store answers again", "cache", f.name)
	}
	f.away = nil
	f.down.Store(false)
}

// get returns the entry; its revision is Absent if there is none.
func (f *far) get(ctx context.Context, key string) (e store.Entry, err error) {
	err = f.do(ctx, "get", func(ctx context.Context) error {
		e, err = f.Get(ctx, key)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return store.Entry{Key: key}, nil
	}
	return e, err
}

func (f *far) put(ctx context.Context, w store.Write) (rev store.Revision, err error) {
	err = f.do(ctx, "put", func(ctx context.Context) error {
		rev, err = f.Put(ctx, w)
		return err
	})
	return rev, err
}

// tidy removes an entry that is of no use, also when the caller is in a hurry. If
// it cannot, the entry expires.
func (f *far) tidy(ctx context.Context, key string, rev store.Revision) {
	_ = f.do(context.WithoutCancel(ctx), "delete", func(ctx context.Context) error { return f.Delete(ctx, key, rev) })
}

// A hold is a claim on loading something, renewed until it ends: a load may take
// long, and a loader that was killed is missed soon.
type hold struct {
	far   *far
	w     store.Write
	timer *time.Timer

	mu    sync.Mutex
	rev   store.Revision
	lost  bool // somebody has taken it away: invalidated the key, or it had expired
	ended bool
}

// hold puts a claim in place of what has the revision.
func (f *far) hold(ctx context.Context, key string, expect store.Revision, record []byte, ttl time.Duration) (*hold, error) {
	w := store.Write{Key: key, Value: record, Expect: expect, TTL: ttl}
	rev, err := f.put(ctx, w)
	if err != nil {
		return nil, err
	}
	h := &hold{far: f, w: w, rev: rev}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(ttl/3, func() { h.renew(context.WithoutCancel(ctx)) })
	return h, nil
}

func (h *hold) renew(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || h.lost {
		return
	}
	w := h.w
	w.Expect = h.rev
	switch rev, err := h.far.put(ctx, w); {
	case err == nil:
		h.rev = rev
	case errors.Is(err, store.ErrConflict):
		h.lost = true
		return
	}
	h.timer.Reset(h.w.TTL / 3)
}

// end stops renewing and returns the claim's revision; not ok if it was lost. Only
// the first call does.
func (h *hold) end() (rev store.Revision, ok bool) {
	h.mu.Lock() // and so waits for a renewal under way
	defer h.mu.Unlock()
	h.timer.Stop()
	ok = !h.ended && !h.lost
	h.ended = true
	return h.rev, ok
}

// drop lets the claim go, if it has not ended.
func (h *hold) drop(ctx context.Context) {
	if rev, ok := h.end(); ok {
		h.far.tidy(ctx, h.w.Key, rev)
	}
}
