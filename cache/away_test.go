package cache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

// cut is a store that can be cut off.
type cut struct {
	store.Store
	off  atomic.Bool
	asks atomic.Int64
}

var errCut = errors.New("connection refused")

func (c *cut) cut() error {
	c.asks.Add(1)
	if c.off.Load() {
		return errCut
	}
	return nil
}

func (c *cut) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := c.cut(); err != nil {
		return store.Entry{}, err
	}
	return c.Store.Get(ctx, key)
}

func (c *cut) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	if err := c.cut(); err != nil {
		return 0, err
	}
	return c.Store.Put(ctx, w)
}

func (c *cut) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := c.cut(); err != nil {
		return err
	}
	return c.Store.Delete(ctx, key, expect)
}

func (c *cut) Watch(ctx context.Context, prefix string) (store.Watcher, error) {
	if err := c.cut(); err != nil {
		return nil, err
	}
	return c.Store.Watch(ctx, prefix)
}

func TestWithoutTheStoreGetLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &cut{Store: servertest.Memory()()}
		defer s.Close()
		s.off.Store(true)
		tea := &shop{}
		tea.price.Store(1)
		c := instance(t, s, tea.load, cache.Options{})
		want(t, c, "tea", 1)
		want(t, c, "tea", 1) // in process
		want(t, c, "cup", 1)
		if st := c.Stats(); st.Bypassed != 2 || st.Hits != 1 || st.StoreErrors == 0 {
			t.Errorf("%+v", st)
		}
		asks := s.asks.Load()
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			want(t, c, key, 1)
		}
		if n := s.asks.Load() - asks; n > 0 {
			t.Errorf("a store that is away was asked %d times more", n)
		}
		if err := c.Invalidate(t.Context(), "tea"); !errors.Is(err, errCut) {
			t.Errorf("an Invalidate that reached nobody said %v", err)
		}
		s.off.Store(false)
		time.Sleep(2 * time.Second)
		want(t, c, "pot", 1)
		other := instance(t, s, nil, cache.Options{})
		want(t, other, "pot", 1)
	})
}

func TestWhenTheStoreIsBackNothingIsInProcessThatWasInvalidatedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := servertest.Memory()
		mine := &cut{Store: open()}
		mine.off.Store(true)
		tea := &shop{}
		tea.price.Store(1)
		c := instance(t, mine, tea.load, cache.Options{})
		want(t, c, "tea", 1)
		tea.price.Store(2)
		other := instance(t, open(), tea.load, cache.Options{})
		if err := other.Invalidate(t.Context(), "tea"); err != nil {
			t.Fatal(err)
		}
		want(t, c, "tea", 1) // cut off as it is
		mine.off.Store(false)
		time.Sleep(2 * time.Second)
		want(t, c, "tea", 2)
	})
}

func TestStrictFailsWithoutTheStore(t *testing.T) {
	s := &cut{Store: servertest.Memory()()}
	defer s.Close()
	s.off.Store(true)
	tea := &shop{}
	c := instance(t, s, tea.load, cache.Options{Strict: true})
	if _, err := c.Get(t.Context(), "tea"); !errors.Is(err, errCut) || tea.loads.Load() != 0 {
		t.Errorf("got the error %v after %d loads", err, tea.loads.Load())
	}
}

// A store that does not answer holds nobody up for longer than StoreTimeout.
type mute struct{ store.Store }

func (mute) Get(ctx context.Context, _ string) (store.Entry, error) {
	<-ctx.Done()
	return store.Entry{}, ctx.Err()
}

func (mute) Watch(ctx context.Context, _ string) (store.Watcher, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAStoreThatHangsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tea := &shop{}
		tea.price.Store(1)
		c := instance(t, mute{servertest.Memory()()}, tea.load, cache.Options{StoreTimeout: 100 * time.Millisecond})
		begin := time.Now()
		want(t, c, "tea", 1)
		if d := time.Since(begin); d > 300*time.Millisecond {
			t.Errorf("it took %v", d)
		}
		begin = time.Now()
		want(t, c, "cup", 1)
		if d := time.Since(begin); d > 0 {
			t.Errorf("the next took %v; it is known by now", d)
		}
	})
}

// missing is a store whose watchers can be told that they missed something.
type missing struct {
	store.Store
	tell chan store.Change
}

type missingWatcher struct {
	store.Watcher
	tell chan store.Change
}

func (m missing) Watch(ctx context.Context, prefix string) (store.Watcher, error) {
	w, err := m.Store.Watch(ctx, prefix)
	return missingWatcher{w, m.tell}, err
}

// Next tells nothing but what the test says.
func (w missingWatcher) Next(ctx context.Context) (store.Change, error) {
	select {
	case c := <-w.tell:
		return c, nil
	case <-ctx.Done():
		return store.Change{}, ctx.Err()
	}
}

func TestWhatMayHaveBeenMissedIsDropped(t *testing.T) {
	open := servertest.Memory()
	deaf := missing{open(), make(chan store.Change)}
	var tea shop
	tea.price.Store(1)
	c := instance(t, deaf, tea.load, cache.Options{})
	want(t, c, "tea", 1)
	tea.price.Store(2)
	if err := instance(t, open(), nil, cache.Options{}).Invalidate(t.Context(), "tea"); err != nil {
		t.Fatal(err)
	}
	want(t, c, "tea", 1) // it was not told
	before := c.Stats().Invalidations
	deaf.tell <- store.Change{Missed: true}
	eventually(t, "dropped", func() bool { return c.Stats().Invalidations > before })
	want(t, c, "tea", 2)
}

// An instance that is told late does not answer with a load that began before: at
// the level Remote it asks the store.
func TestRemoteDoesNotTrustALoadThatOthersBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := servertest.Memory()
		began, go_ := make(chan struct{}), make(chan struct{})
		deaf := instance(t, missing{open(), make(chan store.Change)}, func(_ context.Context, key string) (product, error) {
			close(began)
			<-go_
			return product{key, 1}, nil
		}, cache.Options{Level: cache.Remote})
		var tea shop
		tea.price.Store(2)
		other := instance(t, open(), tea.load, cache.Options{Level: cache.Remote})
		first := make(chan product)
		go func() {
			p, _ := deaf.Get(context.Background(), "tea")
			first <- p
		}()
		<-began
		if err := other.Invalidate(t.Context(), "tea"); err != nil {
			t.Fatal(err)
		}
		second := make(chan int)
		go func() {
			p, err := deaf.GetFunc(context.Background(), "tea", func(ctx context.Context) (product, error) { return tea.load(ctx, "tea") })
			if err != nil {
				t.Error(err)
			}
			second <- p.Price
		}()
		synctest.Wait() // it waits for the load of the first
		close(go_)
		if p := <-first; p.Price != 1 {
			t.Errorf("who asked before got %v", p)
		}
		if price := <-second; price != 2 {
			t.Errorf("who asked after it got the price %d", price)
		}
	})
}
