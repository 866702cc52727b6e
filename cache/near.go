package cache

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// near is the level in process. An item that was read or loaded before its key
// was dropped is not kept after: who fills in takes a mark before he begins.
type near[V any] struct {
	items *otter.Cache[string, *item[V]]
	seed  maphash.Seed
	epoch atomic.Uint64      // times that everything was dropped
	drops [256]atomic.Uint64 // times that a key was dropped, by its hash
}

// An item is an answer, with its times in nanoseconds of the cache's clock. It
// does not change.
type item[V any] struct {
	value  V
	absent bool  // there is no such thing
	fresh  int64 // until then it is answered with, and nobody else asked
	ttl    int64 // until then it is fresh
	stale  int64 // until then it is answered with while it is refreshed
	dead   int64 // until then it is answered with if loading fails
	weight uint32
	passed bool // it is handed on and not kept
}

// overhead is what an item weighs besides its key and value.
const overhead = 128

func newNear[V any](o Options) (*near[V], error) {
	opts := &otter.Options[string, *item[V]]{MaximumSize: o.MaxEntries}
	if o.MaxBytes > 0 {
		opts.MaximumSize, opts.MaximumWeight = 0, uint64(o.MaxBytes)
		opts.Weigher = func(key string, it *item[V]) uint32 { return it.weight + uint32(len(key)) }
	}
	items, err := otter.New(opts)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &near[V]{items: items, seed: maphash.MakeSeed()}, nil
}

// A mark is a moment in the life of a key.
type mark struct{ epoch, drop uint64 }

func (n *near[V]) drop(key string) *atomic.Uint64 {
	return &n.drops[maphash.String(n.seed, key)%uint64(len(n.drops))]
}

func (n *near[V]) mark(key string) mark { return mark{n.epoch.Load(), n.drop(key).Load()} }

// put keeps an item unless its key was dropped since the mark. Whoever drops
// counts first and removes then; here is looked again after: one sees the other.
func (n *near[V]) put(key string, it *item[V], m mark) {
	if n.mark(key) != m {
		return
	}
	n.items.Set(key, it)
	if n.mark(key) != m {
		n.items.Invalidate(key)
	}
}

func (n *near[V]) remove(key string) {
	n.drop(key).Add(1)
	n.items.Invalidate(key)
}

func (n *near[V]) clear() {
	n.epoch.Add(1)
	n.items.InvalidateAll()
}

// sweep removes what is of no use any more. Otter could, and would read the clock
// at each hit for it.
func (n *near[V]) sweep(now int64) {
	for key, it := range n.items.All() {
		if now >= it.dead {
			n.items.ComputeIfPresent(key, func(found *item[V]) (*item[V], otter.ComputeOp) {
				if found == it {
					return nil, otter.InvalidateOp
				}
				return found, otter.CancelOp
			})
		}
	}
}

// A Sizer says how many bytes of memory it takes.
type Sizer interface{ Size() int }

// weigh is what counts for MaxBytes. A value that is not encoded anyway is, to
// learn its size.
func (c *Cache[V]) weigh(v V, encoded int) (uint32, error) {
	switch {
	case c.sized: // and only then is v made an interface, which costs
		if s, ok := any(v).(Sizer); ok { // not if V is an interface, and v nil
			encoded = s.Size()
		}
	case encoded < 0 && c.o.MaxBytes > 0:
		data, err := c.o.Codec.Encode(v)
		if err != nil {
			return 0, errors.Join(fmt.Errorf("%T has no method Size() int, and its size is not to be had by encoding it", v), err)
		}
		encoded = len(data)
	}
	return uint32(min(max(encoded, 0)+overhead, math.MaxUint32/2)), nil
}

// item is a new answer of this age.
func (c *Cache[V]) item(v V, absent bool, age, ttl time.Duration, weight uint32) *item[V] {
	written := c.now() - int64(age)
	it := &item[V]{value: v, absent: absent, ttl: written + int64(ttl), weight: weight}
	it.stale, it.dead = it.ttl, it.ttl
	if !absent {
		it.stale += int64(c.o.Stale)
		it.dead += int64(max(c.o.Stale, c.o.StaleIfError))
	}
	it.fresh = min(it.ttl, c.now()+int64(c.o.MemoryTTL))
	return it
}
