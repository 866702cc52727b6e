package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seguehq/segue/store"
)

// A product is a loaded value: as an answer, and as the store takes it.
type product[V any] struct {
	item   *item[V]
	record []byte
	life   time.Duration
}

// ttl is that of one entry.
func (c *Cache[V]) ttl() time.Duration {
	return c.o.TTL - time.Duration(c.o.Jitter*rand.Float64()*float64(c.o.TTL))
}

// produce loads a value and writes it as a record. The answer is read back from
// that: every instance gets the same, whoever has loaded.
func (c *Cache[V]) produce(ctx context.Context, j job[V]) (product[V], error) {
	v, err := c.call(ctx, j)
	if errors.Is(err, ErrNotFound) && c.o.NegativeTTL > 0 {
		return c.pack(record{kind: absence, ttl: c.o.NegativeTTL, life: c.o.NegativeTTL}, c.item(v, true, 0, c.o.NegativeTTL, overhead))
	}
	if err != nil {
		return product[V]{}, err
	}
	data, err := c.o.Codec.Encode(v)
	if err != nil {
		return product[V]{}, fmt.Errorf("cache %s: encode %q: %w", c.name, j.key, err)
	}
	var back V
	if err := c.o.Codec.Decode(data, &back); err != nil {
		return product[V]{}, fmt.Errorf("cache %s: decode %q as it was encoded just now: %w", c.name, j.key, err)
	}
	weight, err := c.weigh(back, len(data))
	if err != nil {
		return product[V]{}, err
	}
	ttl := c.ttl()
	it := c.item(back, false, 0, ttl, weight)
	if n := int64(len(data)); n > c.o.MaxValue {
		c.refuse(j.key, n, c.o.MaxValue)
		it.passed = true
		brief := min(ttl, lookAgain) // the next may be smaller
		return c.pack(record{kind: refusal, ttl: brief, life: brief}, it)
	}
	return c.pack(record{kind: value, ttl: ttl, life: ttl + max(c.o.Stale, c.o.StaleIfError), payload: data}, it)
}

func (c *Cache[V]) pack(r record, it *item[V]) (product[V], error) {
	r.written = time.Now()
	b, err := c.press.pack(r)
	return product[V]{it, b, max(r.life, time.Millisecond)}, err
}

// A sight is what was found in the store.
type sight[V any] struct {
	record
	rev  store.Revision
	item *item[V] // of a value or an absence
	late bool     // its TTL is over
}

// look reads an entry. One that makes no sense is nothing, and will be written
// over.
func (c *Cache[V]) look(ctx context.Context, key string) (sight[V], error) {
	e, err := c.far.get(ctx, key)
	s := sight[V]{rev: e.Revision}
	if err != nil || e.Revision == store.Absent {
		return s, err
	}
	r, err := c.press.unpack(e.Value)
	if err != nil {
		c.o.Log.Warn("cache: an entry cannot be read and is replaced", "cache", c.name, "entry", key, "error", err)
		return s, nil
	}
	s.record = r
	if r.kind != value && r.kind != absence {
		return s, nil
	}
	var v V
	if r.kind == value {
		if err := c.o.Codec.Decode(r.payload, &v); err != nil {
			c.o.Log.Warn("cache: a value cannot be read and is replaced", "cache", c.name, "entry", key, "error", err)
			s.kind = nothing
			return s, nil
		}
	}
	weight, err := c.weigh(v, len(r.payload))
	if err != nil {
		return s, err
	}
	age := r.age(time.Now())
	if r.life <= r.ttl {
		age = min(age, r.ttl-1) // the store would not have it any more: our clock is ahead
	}
	s.item = c.item(v, r.kind == absence, age, r.ttl, weight)
	s.late = age >= r.ttl
	return s, nil
}

// shared reads what the fleet has, waits for who is loading it, or loads it for
// all.
func (c *Cache[V]) shared(ctx context.Context, j job[V]) (*item[V], error) {
	room, err := c.enter(ctx)
	if err != nil {
		return c.aside(ctx, j, err)
	}
	key := room.value(c.shape, j.place)
	w := waiter{far: c.far, key: key, claim: c.o.Claim, until: time.Now().Add(c.o.Wait)}
	defer w.close()
	for {
		s, err := c.look(ctx, key)
		if err != nil {
			return c.aside(ctx, j, err)
		}
		switch it, err := c.settle(ctx, j, room, s); {
		case errors.Is(err, errGone): // look again
			continue
		case !errors.Is(err, errBusy):
			return it, err
		}
		switch first, err := w.wait(ctx); {
		case errors.Is(err, errTimeout):
			c.counts.timedOut.Add(1)
			p, err := c.produce(ctx, j)
			return p.item, err
		case err != nil:
			return c.aside(ctx, j, err)
		case first:
			c.counts.waits.Add(1)
		}
	}
}

var (
	errBusy    = errors.New("another instance is loading it")
	errGone    = errors.New("what was to be replaced is not there any more")
	errTimeout = errors.New("another instance was waited for")
)

// settle answers from what was seen in the store, or by loading. Its error is
// errBusy if another instance is about to, errGone if it has changed meanwhile.
func (c *Cache[V]) settle(ctx context.Context, j job[V], room *room, s sight[V]) (*item[V], error) {
	switch {
	case s.item != nil && !s.late:
		c.counts.remote.Add(1)
		return s.item, nil
	case s.item != nil && c.now() < s.item.stale:
		c.refresh(ctx, j)
		c.counts.remote.Add(1)
		c.counts.stale.Add(1)
		return s.item, nil
	case s.item != nil:
		return c.replace(ctx, j, room, s)
	case s.kind == refusal:
		p, err := c.produce(ctx, j)
		return p.item, err
	case s.kind == claim:
		return nil, errBusy
	}
	h, err := c.claim(ctx, room.value(c.shape, j.place), s.rev)
	switch {
	case errors.Is(err, errBusy):
		return nil, errBusy
	case err != nil:
		return c.aside(ctx, j, err)
	}
	return c.first(ctx, j, h)
}

// first loads what nobody has, under a claim in its place.
func (c *Cache[V]) first(ctx context.Context, j job[V], h *hold) (*item[V], error) {
	defer h.drop(ctx)
	p, err := c.produce(ctx, j)
	if err != nil {
		return nil, err
	}
	rev, ok := h.end()
	if !ok {
		return c.overtaken(p.item), nil
	}
	return c.publish(ctx, store.Write{Key: h.w.Key, Value: p.record, Expect: rev, TTL: p.life}, p.item), nil
}

// claim puts a claim in place of what has the revision; errBusy if another did.
func (c *Cache[V]) claim(ctx context.Context, key string, rev store.Revision) (*hold, error) {
	b, err := c.press.pack(record{kind: claim, written: time.Now(), ttl: c.o.Claim})
	if err != nil {
		return nil, err
	}
	h, err := c.far.hold(ctx, key, rev, b, c.o.Claim)
	if errors.Is(err, store.ErrConflict) {
		return nil, errBusy
	}
	return h, err
}

// publish gives a product to the fleet. Who asked gets it whether the store takes
// it or not.
func (c *Cache[V]) publish(ctx context.Context, w store.Write, it *item[V]) *item[V] {
	if _, err := c.far.put(context.WithoutCancel(ctx), w); errors.Is(err, store.ErrConflict) {
		return c.overtaken(it)
	}
	return it
}

// overtaken is for those who asked before the key was invalidated, and nobody
// after them.
func (c *Cache[V]) overtaken(it *item[V]) *item[V] {
	c.counts.overtaken.Add(1)
	it.passed = true
	return it
}
