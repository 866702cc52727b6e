package cache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A job is one key that somebody wants.
type job[V any] struct {
	key, place string
	level      Level
	load       func(ctx context.Context, key string) (V, error)
	mark       mark // from before anything was read
}

// miss gets what is not there, or not fresh.
func (c *Cache[V]) miss(ctx context.Context, key string, load func(ctx context.Context, key string) (V, error)) (V, error) {
	j := job[V]{key: key, place: place(key), level: c.level(key), load: load}
	if it, ok := c.near.items.GetIfPresent(j.place); ok {
		switch now := c.now(); {
		case now < it.fresh:
			c.counts.hit()
			return c.answer(key, it)
		case now >= it.ttl && now < it.stale:
			c.refresh(ctx, j)
			c.counts.stale.Add(1)
			return c.answer(key, it)
		}
	}
	if err := c.start(ctx); err != nil {
		return *new(V), err
	}
	it, err := c.get(ctx, j)
	if err != nil {
		return *new(V), err
	}
	return c.answer(key, it)
}

// get waits for the flight of this key. At the level Remote it looks into the
// store first, and again after a flight that others had begun: what that has read
// or loaded may have been invalidated before we were called.
func (c *Cache[V]) get(ctx context.Context, j job[V]) (*item[V], error) {
	var landed *item[V]
	for {
		if j.level == Remote {
			if it := c.glance(ctx, j, landed); it != nil {
				return it, nil
			}
		}
		it, ours, err := c.loads.join(ctx, c.life, j.place, func(ctx context.Context) (*item[V], error) { return c.fill(ctx, j) })
		if ours || err != nil || j.level != Remote {
			return it, err
		}
		landed = it
	}
}

// glance returns what the store has, if nothing has to be done about it. What was
// landed with is as good if it could not be kept, or the store cannot be asked.
func (c *Cache[V]) glance(ctx context.Context, j job[V], landed *item[V]) *item[V] {
	room, err := c.enter(ctx)
	if err != nil {
		return landed
	}
	s, err := c.look(ctx, room.value(c.shape, j.place))
	switch {
	case err != nil || s.kind == refusal:
		return landed
	case s.item == nil || s.late:
		return nil
	}
	c.counts.remote.Add(1)
	return s.item
}

func (c *Cache[V]) answer(key string, it *item[V]) (V, error) {
	if it.absent {
		return it.value, fmt.Errorf("%w: %q in cache %s, as was remembered", ErrNotFound, key, c.name)
	}
	return it.value, nil
}

// start begins to watch before anything is kept. It waits until the watcher is
// there, but not for a store that is away.
func (c *Cache[V]) start(ctx context.Context) error {
	c.begin.Do(func() {
		if c.far == nil {
			close(c.watched)
			return
		}
		c.watcher.Go(c.watch)
	})
	select {
	case <-c.watched:
		return nil
	default:
	}
	t := time.NewTimer(c.o.StoreTimeout)
	defer t.Stop()
	select {
	case <-c.watched:
	case <-t.C:
	case <-c.life.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// fill loads a key or reads it from the store, and keeps it in process.
func (c *Cache[V]) fill(ctx context.Context, j job[V]) (*item[V], error) {
	j.mark = c.near.mark(j.place)
	old, _ := c.near.items.GetIfPresent(j.place)
	var it *item[V]
	var err error
	if j.level == Memory {
		it, err = c.alone(ctx, j)
	} else {
		it, err = c.shared(ctx, j)
	}
	switch {
	case err == nil:
		c.keep(j, it)
		return it, nil
	case old == nil || c.now() >= old.dead || c.near.mark(j.place) != j.mark || errors.Is(err, ErrNotFound) || ctx.Err() != nil:
		return nil, err
	}
	c.counts.stale.Add(1)
	old = c.serveOn(j, old, err)
	c.keep(j, old)
	return old, nil
}

// keep keeps an item in process, if it belongs there.
func (c *Cache[V]) keep(j job[V], it *item[V]) {
	if j.level != Remote && !it.passed {
		c.near.put(j.place, it, j.mark)
	}
}

// serveOn answers with an old item for a moment, as there is nothing newer.
func (c *Cache[V]) serveOn(j job[V], old *item[V], err error) *item[V] {
	c.o.Log.Warn("cache: an old value is served on", "cache", c.name, "key", j.key, "error", err)
	return c.postponed(old)
}

// postponed is the item, not to be refreshed for a moment. It is not served for
// longer than it would be.
func (c *Cache[V]) postponed(old *item[V]) *item[V] {
	again := *old
	again.fresh = min(c.now()+int64(retryAfter), old.dead)
	return &again
}

// alone loads for this instance only.
func (c *Cache[V]) alone(ctx context.Context, j job[V]) (*item[V], error) {
	v, err := c.call(ctx, j)
	if errors.Is(err, ErrNotFound) && c.o.NegativeTTL > 0 {
		return c.item(v, true, 0, c.o.NegativeTTL, overhead), nil
	}
	if err != nil {
		return nil, err
	}
	weight, err := c.weigh(v, -1)
	if err != nil {
		return nil, fmt.Errorf("cache %s: %q: %w", c.name, j.key, err)
	}
	it := c.item(v, false, 0, c.ttl(), weight)
	if int64(weight) > c.o.MaxValue+overhead {
		c.refuse(j.key, int64(weight)-overhead, c.o.MaxValue)
		it.passed = true
	}
	return it, nil
}

// call calls the loader.
func (c *Cache[V]) call(ctx context.Context, j job[V]) (V, error) {
	if j.load == nil {
		return *new(V), fmt.Errorf("cache %s: %q is not there, and New was given no loader; use GetFunc, or give it one", c.name, j.key)
	}
	c.counts.loads.Add(1)
	v, err := j.load(ctx, j.key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		c.counts.loadErrors.Add(1)
	}
	return v, err
}

// refuse says why a value is not kept, but not each time.
func (c *Cache[V]) refuse(key string, size, most int64) {
	c.counts.refused.Add(1)
	if now, last := c.now(), c.complained.Load(); last != 0 && now-last < int64(lookAgain) || !c.complained.CompareAndSwap(last, now) {
		return
	}
	c.o.Log.Warn("cache: a value is too large to be kept; raise MaxValue, or use a Stream", "cache", c.name, "key", key, "bytes", size, "max", most)
}

// aside loads without the store.
func (c *Cache[V]) aside(ctx context.Context, j job[V], cause error) (*item[V], error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if c.o.Strict {
		return nil, fmt.Errorf("cache %s: get %q: %w", c.name, j.key, cause)
	}
	c.counts.bypassed.Add(1)
	p, err := c.produce(ctx, j)
	return p.item, err
}
