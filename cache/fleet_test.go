package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

type product struct {
	Name  string `json:"name"`
	Price int    `json:"price"`
}

// quiet is a log for tests that provoke what is logged.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

type loader = func(ctx context.Context, key string) (product, error)

// unhurried are times that a machine which is busy with other tests keeps to.
func unhurried(o cache.Options) cache.Options {
	if o.StoreTimeout == 0 {
		o.StoreTimeout = 20 * time.Second
	}
	if o.Wait == 0 {
		o.Wait = time.Minute
	}
	if o.Log == nil {
		o.Log = quiet
	}
	return o
}

// instance is a cache as another process of the fleet would have one.
func instance(t *testing.T, s store.Store, load loader, o cache.Options) *cache.Cache[product] {
	t.Helper()
	c, err := cache.New(s, "products", load, unhurried(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func fleet(t *testing.T, open func(t *testing.T) store.Store, n int, load loader, o cache.Options) []*cache.Cache[product] {
	t.Helper()
	f := make([]*cache.Cache[product], n)
	for i := range f {
		f[i] = instance(t, open(t), load, o)
	}
	return f
}

func get(t *testing.T, c *cache.Cache[product], key string) product {
	t.Helper()
	p, err := c.Get(t.Context(), key)
	if err != nil {
		t.Errorf("get %q: %v", key, err)
	}
	return p
}

func want(t *testing.T, c *cache.Cache[product], key string, price int) {
	t.Helper()
	if p := get(t, c, key); p.Price != price {
		t.Errorf("got the price %d of %q; it is %d", p.Price, key, price)
	}
}

// eventually waits for what another goroutine brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in half a minute: not %s", what)
		}
	}
}

// A shop is where products are loaded from.
type shop struct {
	price atomic.Int64
	loads atomic.Int64
}

func (s *shop) load(_ context.Context, key string) (product, error) {
	s.loads.Add(1)
	return product{Name: key, Price: int(s.price.Load())}, nil
}

func TestFiftyGetsOfThreeInstancesAreOneLoad(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var loads atomic.Int64
		go_ := make(chan struct{})
		f := fleet(t, open, 3, func(ctx context.Context, key string) (product, error) {
			loads.Add(1)
			<-go_
			return product{key, 7}, nil
		}, cache.Options{Claim: time.Minute})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() { want(t, f[i%3], "tea", 7) })
		}
		eventually(t, "two instances that wait for the third", func() bool {
			return f[0].Stats().Waits+f[1].Stats().Waits+f[2].Stats().Waits == 2
		})
		close(go_)
		wg.Wait()
		if n := loads.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
		for i, c := range f {
			want(t, c, "tea", 7)
			if s := c.Stats(); s.Hits == 0 || s.StoreErrors != 0 || s.Entries != 1 {
				t.Errorf("instance %d: %+v", i, s)
			}
		}
	})
}

func TestInvalidateReachesEveryInstance(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var tea shop
		tea.price.Store(1)
		f := fleet(t, open, 3, tea.load, cache.Options{})
		for i := range 6 {
			for _, c := range f {
				want(t, c, "tea", 1+i)
			}
			tea.price.Add(1)
			if err := f[i%3].Invalidate(t.Context(), "tea"); err != nil {
				t.Fatal(err)
			}
			want(t, f[i%3], "tea", 2+i) // itself sees it at once
			for _, c := range f {
				eventually(t, "the new price", func() bool { return get(t, c, "tea").Price == 2+i })
			}
		}
		if n := tea.loads.Load(); n != 7 {
			t.Errorf("%d loads of 7 prices", n)
		}
	})
}

func TestInvalidateAllReachesEveryInstance(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var tea shop
		tea.price.Store(1)
		f := fleet(t, open, 3, tea.load, cache.Options{})
		for _, c := range f {
			for i := range 10 {
				want(t, c, fmt.Sprint("tea", i), 1)
			}
		}
		tea.price.Store(2)
		if err := f[0].InvalidateAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range f {
			for i := range 10 {
				eventually(t, "the new price", func() bool { return get(t, c, fmt.Sprint("tea", i)).Price == 2 })
			}
		}
	})
}

func TestALoadThatBeganBeforeIsNotKept(t *testing.T) {
	for level, name := range map[cache.Level]string{cache.Both: "both", cache.Memory: "memory", cache.Remote: "remote"} {
		t.Run(name, func(t *testing.T) {
			servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
				began, go_ := make(chan struct{}, 1), make(chan struct{})
				slow := instance(t, open(t), func(_ context.Context, key string) (product, error) {
					began <- struct{}{}
					<-go_
					return product{key, 1}, nil
				}, cache.Options{Level: level})
				done := make(chan product)
				go func() {
					p, _ := slow.Get(context.Background(), "tea")
					done <- p
				}()
				<-began
				other := instance(t, open(t), func(_ context.Context, key string) (product, error) { return product{key, 2}, nil }, cache.Options{Level: level})
				if err := other.Invalidate(t.Context(), "tea"); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the slow instance told", func() bool { return level == cache.Remote || slow.Stats().Invalidations >= 2 })
				close(go_)
				if p := <-done; p.Price != 1 {
					t.Errorf("who asked before got %v", p)
				}
				want(t, other, "tea", 2)
				p, err := slow.GetFunc(t.Context(), "tea", func(context.Context) (product, error) { return product{"tea", 2}, nil })
				if err != nil || p.Price != 2 {
					t.Errorf("who asked after it got %v, %v", p, err)
				}
			})
		})
	}
}

func TestWhoAsksAfterAnInvalidateDoesNotJoinAnOlderLoad(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		began, go_ := make(chan struct{}, 2), make(chan struct{})
		var price atomic.Int64
		price.Store(1)
		c := instance(t, open(t), func(_ context.Context, key string) (product, error) {
			p := product{key, int(price.Load())}
			if p.Price == 1 {
				began <- struct{}{}
				<-go_
			}
			return p, nil
		}, cache.Options{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Get(context.Background(), "tea")
		}()
		<-began
		price.Store(2)
		if err := c.Invalidate(t.Context(), "tea"); err != nil {
			t.Fatal(err)
		}
		want(t, c, "tea", 2) // while the other is still loading
		close(go_)
		<-done
		want(t, c, "tea", 2)
	})
}

// Two releases, whose products have different shapes, and a rollback.
func TestReleasesWithDifferentShapes(t *testing.T) {
	type Product struct{ Name string }
	old := func(price string) func(context.Context) (Product, error) {
		return func(context.Context) (Product, error) { return Product{price}, nil }
	}
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		release7, err := cache.New[Product](open(t), "products", nil, cache.Options{Level: cache.Remote})
		if err != nil {
			t.Fatal(err)
		}
		defer release7.Close()
		var tea shop
		tea.price.Store(8)
		release8 := instance(t, open(t), tea.load, cache.Options{Level: cache.Remote})
		for _, key := range []string{"tea", "cup"} {
			if p, err := release7.GetFunc(t.Context(), key, old("from 7")); err != nil || p.Name != "from 7" {
				t.Fatal(p, err)
			}
			want(t, release8, key, 8) // and not what 7 has written
		}
		if err := release8.Invalidate(t.Context(), "tea"); err != nil {
			t.Fatal(err)
		}
		release8.Close()
		for key, want := range map[string]string{"tea": "loaded anew", "cup": "from 7"} {
			if p, err := release7.GetFunc(t.Context(), key, old("loaded anew")); err != nil || p.Name != want {
				t.Errorf("after the rollback %s is %q, %v; want %q", key, p.Name, err, want)
			}
		}
	})
}

func TestALoadThatFailsIsTriedByTheNext(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		down := errors.New("the database is down")
		var fail atomic.Bool
		fail.Store(true)
		f := fleet(t, open, 2, func(_ context.Context, key string) (product, error) {
			if fail.Load() {
				return product{}, down
			}
			return product{key, 3}, nil
		}, cache.Options{Claim: time.Minute})
		if _, err := f[0].Get(t.Context(), "tea"); !errors.Is(err, down) {
			t.Errorf("got the error %v", err)
		}
		fail.Store(false)
		begin := time.Now()
		want(t, f[1], "tea", 3)
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("the second had to wait %v for the claim of the first", d)
		}
		if s := f[0].Stats(); s.LoadErrors != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatIsNotThereIsRemembered(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var loads atomic.Int64
		f := fleet(t, open, 2, func(_ context.Context, key string) (product, error) {
			loads.Add(1)
			return product{}, fmt.Errorf("no row: %w", cache.ErrNotFound)
		}, cache.Options{NegativeTTL: time.Minute})
		for range 3 {
			for _, c := range f {
				if _, err := c.Get(t.Context(), "tea"); !errors.Is(err, cache.ErrNotFound) {
					t.Errorf("got the error %v", err)
				}
			}
		}
		if n := loads.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
		if err := f[0].Invalidate(t.Context(), "tea"); err != nil {
			t.Fatal(err)
		}
		p, err := f[0].GetFunc(t.Context(), "tea", func(context.Context) (product, error) { return product{"tea", 1}, nil })
		if err != nil || p.Price != 1 {
			t.Errorf("now that it is there: %v, %v", p, err)
		}
	})
}
