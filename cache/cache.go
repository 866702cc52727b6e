// Package cache keeps what is expensive to load: in process, and behind that in a
// [store.Store] that the fleet shares.
//
// It promises, of all instances that use a cache of the same name and store:
//
//   - One load. Of all who ask for what is not there, one loads and the others
//     get what it loaded. If it dies, another takes over within Options.Claim. A
//     Get waits for another instance for Options.Wait at most.
//   - Invalidate reaches every instance. When it has returned, the store answers
//     no more with what was loaded or began to be loaded before, and the copies in
//     process are dropped as soon as the store's watchers are told, which takes
//     milliseconds; those of an instance that is cut off from the store, after
//     Options.MemoryTTL at the latest.
//   - Releases do not read each other's entries if the type of the values
//     differs: keys carry its fingerprint. A rollback finds its own entries, and
//     none that was invalidated meanwhile.
//   - A store that is away makes nothing fail: Get loads, once for each key and
//     instance, unless Options.Strict.
//
// Values in process are shared by all who get them, and are not to be modified.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/store"
)

var (
	// ErrNotFound is for loaders to say that there is no such thing, by an error that
	// is it (errors.Is). With Options.NegativeTTL that is remembered too.
	ErrNotFound = errors.New("cache: not found")
	// ErrClosed: the cache was closed.
	ErrClosed = errors.New("cache: closed")
)

// A Cache keeps values of one type. It may be used concurrently, and must not be
// copied.
type Cache[V any] struct {
	name  string
	o     Options
	base  time.Time // what now counts from
	load  func(ctx context.Context, key string) (V, error)
	shape string // the fingerprint of V
	sized bool   // whether V is a Sizer
	press *press
	near  *near[V]
	far   *far // nil without a store
	room  atomic.Pointer[room]

	loads      flights[V]
	refreshes  flights[V]
	counts     counters
	complained atomic.Int64 // when it was last logged that a value is too large

	begin   sync.Once
	watched chan struct{}   // closed when the watcher has been tried
	life    context.Context // until Close
	end     context.CancelFunc
	watcher sync.WaitGroup
}

// New makes a cache of this name, which others of the same name share. load gets
// what is not there; it may be called by any goroutine, concurrently for different
// keys, and must heed its context. It may be nil if only GetFunc is used. Without
// a store (nil) there is only the level Memory.
//
// Nothing is asked of the store before the first Get. The cache has to be closed,
// before the store.
func New[V any](s store.Store, name string, load func(ctx context.Context, key string) (V, error), o Options) (*Cache[V], error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("cache %s: %w", name, err)
	}
	o = o.withDefaults()
	if o.MaxValue > maxEncoded {
		return nil, fmt.Errorf("cache %s: MaxValue is %d; %d is the most, what is larger is for a Stream", name, o.MaxValue, maxEncoded)
	}
	if s == nil && (o.Level != Memory || o.LevelOf != nil) {
		return nil, fmt.Errorf("cache %s: there is no store; the level has to be Memory", name)
	}
	shape, err := fingerprint(reflect.TypeFor[V](), o.Codec.Name(), o.Version)
	if err != nil && (o.Level != Memory || o.LevelOf != nil) {
		return nil, fmt.Errorf("cache %s: %w; the level has to be Memory", name, err)
	}
	near, err := newNear[V](o)
	if err != nil {
		return nil, err
	}
	c := &Cache[V]{name: name, o: o, base: time.Now(), load: load, shape: shape, sized: reflect.TypeFor[V]().Implements(reflect.TypeFor[Sizer]()), press: newPress(o.CompressOver), near: near, watched: make(chan struct{})}
	c.life, c.end = context.WithCancel(context.Background())
	if s != nil {
		c.far = &far{Store: s, name: name, timeout: o.StoreTimeout, log: o.Log, counts: &c.counts}
	}
	return c, nil
}

// Get returns what the key stands for, and loads it if need be. Its error is that
// of the loader, or of ctx; an error that is ErrNotFound may be a remembered one.
func (c *Cache[V]) Get(ctx context.Context, key string) (V, error) {
	if it, ok := c.hit(key); ok {
		return it.value, nil
	}
	return c.miss(ctx, key, c.load)
}

// GetFunc is Get with a loader of its own. It has to load what any other would
// load for this key: the fleet gets it. A function literal costs an allocation at
// each call, a hit too.
func (c *Cache[V]) GetFunc(ctx context.Context, key string, load func(ctx context.Context) (V, error)) (V, error) {
	if it, ok := c.hit(key); ok {
		return it.value, nil
	}
	return c.miss(ctx, key, func(ctx context.Context, _ string) (V, error) { return load(ctx) })
}

// hit is all that is done for what is there and fresh.
func (c *Cache[V]) hit(key string) (*item[V], bool) {
	if len(key) > 0 && key[0] == hashed {
		return nil, false // it might be another's, see place
	}
	it, ok := c.near.items.GetIfPresent(key)
	if !ok || it.absent || c.now() >= it.fresh {
		return nil, false
	}
	c.counts.hit()
	return it, true
}

// now is in nanoseconds since the cache was made. It does not jump.
func (c *Cache[V]) now() int64 { return int64(time.Since(c.base)) }

// Keys that no store takes, and long ones, are kept under their digest.
const (
	hashed   = '#'
	maxPlain = 240 // bytes
)

// place is what stands for a key, here and in the store.
func place(key string) string {
	if len(key) <= maxPlain && utf8.ValidString(key) && (key == "" || key[0] != hashed && store.CheckKey(key) == nil) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return string(hashed) + base64.RawURLEncoding.EncodeToString(sum[:])
}

func (c *Cache[V]) level(key string) Level {
	if c.o.LevelOf != nil {
		return c.o.LevelOf(key)
	}
	return c.o.Level
}

// Close ends what the cache does by itself. It calls off loads under way and waits
// for them; entries stay in the store.
func (c *Cache[V]) Close() error {
	c.end()
	c.begin.Do(func() { close(c.watched) }) // a watcher does not begin any more
	c.watcher.Wait()
	c.loads.close()
	c.refreshes.close()
	c.near.clear()
	return nil
}
