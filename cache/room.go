package cache

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
)

// In the store a cache has, below cache/NAME/:
//
//	state              its generation, and the shapes that releases have entries of
//	v/SHAPE/GEN/KEY    a value, or a claim of who is loading it
//	r/SHAPE/GEN/KEY    a claim of who is refreshing it
//	x/KEY, x!          KEY, or everything, was invalidated
//	d/ID/N             a part of a stream
//
// A room is what was read of state.
type room struct {
	prefix     string // cache/NAME/
	Generation string `json:"generation"`
	// Shapes are fingerprints, and until when there may be entries of them.
	Shapes map[string]time.Time `json:"shapes"`
	read   int64                // when, by the cache's clock
}

func (r *room) value(shape, place string) string {
	return r.prefix + "v/" + shape + "/" + r.Generation + "/" + place
}

func (r *room) claim(shape, place string) string {
	return r.prefix + "r/" + shape + "/" + r.Generation + "/" + place
}

func (c *Cache[V]) prefix() string { return "cache/" + c.name + "/" }

// Keys that do not depend on the shape, below the prefix.
const (
	state       = "state"
	notices     = "x"
	noticeOfKey = "x/"
	noticeOfAll = "x!"
)

// enter returns the state of the cache. Before it does so for the first time, our
// shape is in it: an Invalidate that follows a load reaches what was loaded.
func (c *Cache[V]) enter(ctx context.Context) (*room, error) {
	if r := c.room.Load(); r != nil && c.now()-r.read < int64(lookAgain) {
		return r, nil
	}
	epoch := c.near.epoch.Load()
	r, err := c.amend(ctx, c.far.do, func(r *room) bool {
		now := time.Now()
		if r.Generation != "" && r.Shapes[c.shape].After(now.Add(c.o.life()+skew)) {
			return false
		}
		r.amend(c.shape, now.Add(2*(c.o.life()+skew)))
		return true
	})
	if err != nil {
		return nil, err
	}
	c.room.Store(r)
	if c.near.epoch.Load() != epoch { // somebody has said meanwhile that it is another
		c.room.CompareAndSwap(r, nil)
	}
	return r, nil
}

// amend adds a shape, forgets those of which nothing can be left, and begins a
// generation if there is none.
func (r *room) amend(shape string, until time.Time) {
	if r.Generation == "" {
		r.Generation = rand.Text()[:16]
	}
	for s, u := range r.Shapes {
		if time.Now().After(u) {
			delete(r.Shapes, s)
		}
	}
	if shape != "" {
		r.Shapes[shape] = until
	}
}

// amend reads the state, and writes it if change says so.
func (c *Cache[V]) amend(ctx context.Context, ask asker, change func(*room) bool) (*room, error) {
	for {
		r, rev, err := c.state(ctx, ask)
		if err != nil || !change(r) {
			return r, err
		}
		b, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		err = ask(ctx, "put", func(ctx context.Context) error {
			_, err := c.far.Put(ctx, store.Write{Key: c.prefix() + state, Value: b, Expect: rev, TTL: r.life()})
			return err
		})
		if !errors.Is(err, store.ErrConflict) {
			return r, err
		}
	}
}

// state reads it; without a generation if there is none.
func (c *Cache[V]) state(ctx context.Context, ask asker) (*room, store.Revision, error) {
	r := &room{prefix: c.prefix(), read: c.now()}
	var e store.Entry
	err := ask(ctx, "get", func(ctx context.Context) (err error) {
		e, err = c.far.Get(ctx, c.prefix()+state)
		return err
	})
	if err == nil {
		err = json.Unmarshal(e.Value, r)
	}
	if r.Shapes == nil {
		r.Shapes = map[string]time.Time{}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, 0, fmt.Errorf("read %s%s: %w", c.prefix(), state, err)
	}
	return r, e.Revision, nil
}

// life is how long the state is of use.
func (r *room) life() time.Duration {
	life := skew
	for _, until := range r.Shapes {
		life = max(life, time.Until(until))
	}
	return life
}

// Invalidate lets nobody be answered any more with what these keys stood for
// until now, in any instance of any release. Call it after what they stand for was
// changed. If it returns an error the fleet may not know; call it again.
func (c *Cache[V]) Invalidate(ctx context.Context, keys ...string) error {
	places := make([]string, len(keys))
	for i, key := range keys {
		places[i] = place(key)
		c.forget(places[i])
	}
	if c.far == nil || len(keys) == 0 {
		return nil
	}
	if err := c.invalidate(ctx, places); err != nil {
		return fmt.Errorf("cache %s: invalidate %d keys: other instances may not know; try again: %w", c.name, len(keys), err)
	}
	for _, p := range places {
		c.forget(p) // who read it from the store meanwhile
	}
	return nil
}

// invalidate takes the keys out of the store and then tells the instances: one
// that is told finds nothing old there.
func (c *Cache[V]) invalidate(ctx context.Context, places []string) error {
	created := false
	r, err := c.amend(ctx, c.far.insist, func(r *room) bool {
		created = r.Generation == ""
		r.amend("", time.Time{})
		return created
	})
	if err != nil {
		return err
	}
	if created { // or the store has lost it: who remembers another has to look again
		return c.tell(ctx, noticeOfAll)
	}
	var work []func() error
	for shape := range r.Shapes {
		for _, p := range places {
			work = append(work, func() error {
				return c.far.insist(ctx, "delete", func(ctx context.Context) error { return c.far.Delete(ctx, r.value(shape, p), store.Any) })
			})
		}
	}
	if err := inParallel(work); err != nil {
		return err
	}
	work = nil
	for _, p := range places {
		work = append(work, func() error { return c.tell(ctx, noticeOfKey+p) })
	}
	return inParallel(work)
}

// InvalidateAll does that for all keys. It takes the same time however many there
// are. Other instances are told within milliseconds after it has returned; until
// then they may answer with what was there, also at the level Remote.
func (c *Cache[V]) InvalidateAll(ctx context.Context) error {
	c.forgetAll()
	if c.far == nil {
		return nil
	}
	_, err := c.amend(ctx, c.far.insist, func(r *room) bool {
		r.Generation = ""
		r.amend("", time.Time{})
		return true
	})
	if err == nil {
		err = c.tell(ctx, noticeOfAll)
	}
	if err != nil {
		return fmt.Errorf("cache %s: invalidate all: other instances may not know; try again: %w", c.name, err)
	}
	c.forgetAll()
	return nil
}

// tell writes a notice, which all watch.
func (c *Cache[V]) tell(ctx context.Context, notice string) error {
	return c.far.insist(ctx, "put", func(ctx context.Context) error {
		_, err := c.far.Put(ctx, store.Write{Key: c.prefix() + notice, Expect: store.Any, TTL: noticeTTL})
		return err
	})
}

// inParallel does all, some at a time.
func inParallel(work []func() error) error {
	errs := make([]error, len(work))
	free := make(chan struct{}, parallelism)
	var wg sync.WaitGroup
	for i, do := range work {
		free <- struct{}{}
		wg.Go(func() {
			errs[i] = do()
			<-free
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
