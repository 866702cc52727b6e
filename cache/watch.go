package cache

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
)

// watch drops in process what others have invalidated, until the cache is closed.
func (c *Cache[V]) watch() {
	tried := sync.OnceFunc(func() { close(c.watched) })
	defer tried()
	for c.life.Err() == nil {
		w, err := c.ear()
		if err == nil {
			c.forgetAll() // what was said before is not told
			tried()
			c.follow(w)
			_ = w.Close() // nothing is lost with it
		}
		tried()
		if errors.Is(err, store.ErrClosed) {
			return
		}
		c.rest()
	}
}

// ear begins to watch, or gives up: those who wait for it can do without.
func (c *Cache[V]) ear() (store.Watcher, error) {
	ctx, cancel := context.WithTimeout(c.life, c.o.StoreTimeout)
	defer cancel()
	return c.far.Watch(ctx, c.prefix()+notices)
}

// rest waits before the next try.
func (c *Cache[V]) rest() {
	t := time.NewTimer(retryAfter / 4)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.life.Done():
	}
}

// follow does as it is told until the watcher ends.
func (c *Cache[V]) follow(w store.Watcher) {
	swept := c.now()
	for {
		ctx, cancel := context.WithTimeout(c.life, lookAgain)
		change, err := w.Next(ctx)
		idle := ctx.Err() != nil && c.life.Err() == nil
		cancel()
		switch {
		case err == nil:
			c.told(change)
		case !idle:
			return
		}
		if now := c.now(); now-swept >= int64(lookAgain) {
			c.near.sweep(now)
			swept = now
		}
	}
}

func (c *Cache[V]) told(change store.Change) {
	notice := strings.TrimPrefix(change.Key, c.prefix())
	if key, ok := strings.CutPrefix(notice, noticeOfKey); ok && !change.Missed {
		c.forget(key)
		return
	}
	c.forgetAll()
}

// forget drops a key in process. Loads under way answer those who have asked, and
// nobody who asks from now on.
func (c *Cache[V]) forget(place string) {
	c.counts.invalidations.Add(1)
	c.loads.forget(place, nil)
	c.refreshes.forget(place, nil)
	c.near.remove(place)
}

// forgetAll drops everything, and with it what was known of the cache's state.
func (c *Cache[V]) forgetAll() {
	c.counts.invalidations.Add(1)
	c.near.epoch.Add(1)
	c.room.Store(nil)
	c.loads.forgetAll()
	c.refreshes.forgetAll()
	c.near.clear()
}
