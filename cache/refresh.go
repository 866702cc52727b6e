package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/seguehq/segue/store"
)

// refresh loads a new value behind the caller's back, one at a time for each key.
func (c *Cache[V]) refresh(ctx context.Context, j job[V]) {
	if c.refreshes.under(j.place) {
		return
	}
	_, _, _ = c.refreshes.board(ctx, c.life, j.place, func(ctx context.Context) (it *item[V], err error) {
		j.mark = c.near.mark(j.place)
		defer func() {
			if v := recover(); v != nil {
				err = &panicked{v, debug.Stack()}
			}
			c.refreshed(ctx, j, it, err)
		}()
		if j.level == Memory {
			return c.alone(ctx, j)
		}
		return c.renewal(ctx, j)
	})
}

// refreshed puts the new value in place, or stays with the old one for a moment.
func (c *Cache[V]) refreshed(ctx context.Context, j job[V], it *item[V], err error) {
	old, ok := c.near.items.GetIfPresent(j.place)
	switch {
	case err == nil:
		c.keep(j, it)
	case errors.Is(err, errGone):
		c.near.items.Invalidate(j.place)
	case ctx.Err() != nil: // the cache was closed
	case errors.Is(err, ErrNotFound):
		c.near.items.Invalidate(j.place) // and NegativeTTL is 0
	case errors.Is(err, errBusy):
		if ok {
			c.keep(j, c.postponed(old))
		}
	case ok:
		c.keep(j, c.serveOn(j, old, err))
	default:
		c.o.Log.Warn("cache: a refresh failed", "cache", c.name, "key", j.key, "error", err)
	}
}

// renewal replaces what the fleet has, if no other instance is about to.
func (c *Cache[V]) renewal(ctx context.Context, j job[V]) (*item[V], error) {
	room, err := c.enter(ctx)
	if err != nil {
		return c.aside(ctx, j, err)
	}
	h, err := c.claim(ctx, room.claim(c.shape, j.place), store.Absent)
	switch {
	case errors.Is(err, errBusy):
		return nil, err
	case err != nil:
		return c.aside(ctx, j, err)
	}
	return c.renew(ctx, j, room, h)
}

// replace replaces an entry that is too old to be served without need.
func (c *Cache[V]) replace(ctx context.Context, j job[V], room *room, s sight[V]) (*item[V], error) {
	key := room.claim(c.shape, j.place)
	h, err := c.claim(ctx, key, store.Absent)
	switch {
	case errors.Is(err, errBusy):
		if held, err := c.look(ctx, key); err == nil && held.kind == failure {
			c.counts.stale.Add(1)
			return c.postponed(s.item), nil
		}
		return nil, errBusy
	case err != nil:
		return c.aside(ctx, j, err)
	}
	return c.renew(ctx, j, room, h)
}

// renew loads a new value in place of an old one, under a claim beside it.
func (c *Cache[V]) renew(ctx context.Context, j job[V], room *room, h *hold) (*item[V], error) {
	defer h.drop(ctx)
	key := room.value(c.shape, j.place)
	s, err := c.look(ctx, key)
	switch {
	case err != nil:
		return c.aside(ctx, j, err)
	case s.item == nil:
		return nil, errGone
	case !s.late:
		return s.item, nil
	}
	p, err := c.produce(ctx, j)
	if err == nil {
		return c.publish(ctx, store.Write{Key: key, Value: p.record, Expect: s.rev, TTL: p.life}, p.item), nil
	}
	if errors.Is(err, ErrNotFound) {
		c.far.tidy(ctx, key, s.rev)
		return nil, err
	}
	c.failed(ctx, h)
	if again, awry := c.look(ctx, key); c.now() >= s.item.dead || ctx.Err() != nil || awry == nil && again.rev != s.rev {
		return nil, err
	}
	c.counts.stale.Add(1)
	return c.serveOn(j, s.item, err), nil
}

// failed lets other instances know that they need not try for a moment.
func (c *Cache[V]) failed(ctx context.Context, h *hold) {
	rev, ok := h.end()
	b, err := c.press.pack(record{kind: failure, written: time.Now(), ttl: retryAfter})
	if !ok || err != nil {
		return
	}
	_, _ = c.far.put(context.WithoutCancel(ctx), store.Write{Key: h.w.Key, Value: b, Expect: rev, TTL: retryAfter}) // or the claim expires
}

// A waiter waits for what another instance is loading.
type waiter struct {
	far     *far
	key     string
	claim   time.Duration // a loader that lives is heard of within
	until   time.Time
	watcher store.Watcher
}

// wait returns when it is worth looking again. It begins to watch at the first
// call and returns at once, since there may have been a change before. Its error
// is errTimeout, an errAway, or that of ctx.
func (w *waiter) wait(ctx context.Context) (first bool, err error) {
	if w.watcher == nil {
		return true, w.far.do(ctx, "watch", func(ctx context.Context) (err error) {
			w.watcher, err = w.far.Watch(ctx, w.key)
			return err
		})
	}
	left := time.Until(w.until)
	if left <= 0 {
		return false, errTimeout
	}
	bound, cancel := context.WithTimeout(ctx, min(left, w.claim)) // that a claim has expired may not be told
	defer cancel()
	switch _, err := w.watcher.Next(bound); {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil && bound.Err() == nil:
		return false, fmt.Errorf("%w: watch: %w", errAway, err)
	}
	return false, nil
}

func (w *waiter) close() {
	if w.watcher != nil {
		_ = w.watcher.Close() // nothing is lost with it
	}
}
