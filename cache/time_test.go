package cache_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

// inTime runs a test on a fleet of two whose time is the test's.
func inTime(t *testing.T, test func(t *testing.T, tea *shop, a, b *cache.Cache[product]), o cache.Options) {
	t.Helper()
	for level, name := range map[cache.Level]string{cache.Both: "both", cache.Memory: "memory", cache.Remote: "remote"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := servertest.Memory()
				tea := &shop{}
				tea.price.Store(1)
				o := o
				o.Level, o.Jitter = level, -1
				test(t, tea, instance(t, open(), tea.failing, o), instance(t, open(), tea.failing, o))
			})
		})
	}
}

var errShut = errors.New("the shop is shut")

// failing loads while the price is above 0.
func (s *shop) failing(ctx context.Context, key string) (product, error) {
	p, err := s.load(ctx, key)
	if p.Price <= 0 {
		err = errShut
	}
	return p, err
}

func TestAnEntryExpires(t *testing.T) {
	inTime(t, func(t *testing.T, tea *shop, a, b *cache.Cache[product]) {
		want(t, a, "tea", 1)
		want(t, b, "tea", 1)
		tea.price.Store(2)
		time.Sleep(59 * time.Second)
		want(t, a, "tea", 1)
		want(t, b, "tea", 1)
		time.Sleep(2 * time.Second)
		want(t, a, "tea", 2)
		want(t, b, "tea", 2)
	}, cache.Options{TTL: time.Minute})
}

func TestStaleWhileItIsRefreshed(t *testing.T) {
	inTime(t, func(t *testing.T, tea *shop, a, _ *cache.Cache[product]) {
		want(t, a, "tea", 1)
		tea.price.Store(2)
		time.Sleep(90 * time.Second)
		want(t, a, "tea", 1) // and behind our back
		synctest.Wait()
		want(t, a, "tea", 2)
		if n := tea.loads.Load(); n != 2 || a.Stats().Stale != 1 {
			t.Errorf("%d loads, %+v", n, a.Stats())
		}
		time.Sleep(3 * time.Minute) // too old for that
		tea.price.Store(3)
		want(t, a, "tea", 3)
	}, cache.Options{TTL: time.Minute, Stale: time.Minute})
}

func TestARefreshThatFailsIsNotTriedAtEachGet(t *testing.T) {
	inTime(t, func(t *testing.T, tea *shop, a, _ *cache.Cache[product]) {
		want(t, a, "tea", 1)
		tea.price.Store(0)
		time.Sleep(90 * time.Second)
		for range 20 {
			want(t, a, "tea", 1)
			synctest.Wait()
		}
		if n := tea.loads.Load(); n != 2 {
			t.Errorf("%d loads", n)
		}
		tea.price.Store(4)
		time.Sleep(1100 * time.Millisecond)
		want(t, a, "tea", 1)
		synctest.Wait()
		want(t, a, "tea", 4)
	}, cache.Options{TTL: time.Minute, Stale: time.Minute})
}

func TestStaleIfLoadingFails(t *testing.T) {
	inTime(t, func(t *testing.T, tea *shop, a, _ *cache.Cache[product]) {
		want(t, a, "tea", 1)
		tea.price.Store(0)
		time.Sleep(30 * time.Minute)
		for range 20 {
			want(t, a, "tea", 1)
		}
		if n := tea.loads.Load(); n != 2 {
			t.Errorf("%d loads; one a second is enough", n)
		}
		tea.price.Store(5)
		time.Sleep(1100 * time.Millisecond)
		want(t, a, "tea", 5)
		tea.price.Store(0)
		time.Sleep(62 * time.Minute)
		if p, err := a.Get(t.Context(), "tea"); !errors.Is(err, errShut) {
			t.Errorf("after an hour there is still %v, %v", p, err)
		}
	}, cache.Options{TTL: time.Minute, StaleIfError: time.Hour})
}

func TestWhatWasInvalidatedIsNotServedIfLoadingFails(t *testing.T) {
	inTime(t, func(t *testing.T, tea *shop, a, b *cache.Cache[product]) {
		want(t, a, "tea", 1)
		tea.price.Store(0)
		if err := b.Invalidate(t.Context(), "tea"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if p, err := a.Get(t.Context(), "tea"); !errors.Is(err, errShut) {
			t.Errorf("got %v, %v", p, err)
		}
	}, cache.Options{TTL: time.Minute, Stale: time.Hour, StaleIfError: time.Hour})
}

func TestNegativeAnswersExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := servertest.Memory()
		there := false
		c := instance(t, open(), func(_ context.Context, key string) (product, error) {
			if !there {
				return product{}, cache.ErrNotFound
			}
			return product{key, 1}, nil
		}, cache.Options{NegativeTTL: 10 * time.Second})
		if _, err := c.Get(t.Context(), "tea"); !errors.Is(err, cache.ErrNotFound) {
			t.Fatal(err)
		}
		there = true
		time.Sleep(11 * time.Second)
		want(t, c, "tea", 1)
	})
}

// abandoned leaves what a loader leaves that is killed: a claim nobody renews.
func abandoned(t *testing.T, s store.Store, key string) {
	t.Helper()
	block := make(chan struct{})
	dying := &cut{Store: s}
	c := instance(t, dying, func(ctx context.Context, _ string) (product, error) {
		dying.off.Store(true)
		close(block)
		<-ctx.Done()
		return product{}, ctx.Err()
	}, cache.Options{})
	go c.Get(context.Background(), key)
	<-block
}

func TestALoaderThatDiesIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := servertest.Memory()
		abandoned(t, open(), "tea")
		tea := &shop{}
		tea.price.Store(1)
		a, b := instance(t, open(), tea.load, cache.Options{}), instance(t, open(), tea.load, cache.Options{})
		begin := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			want(t, a, "tea", 1)
		}()
		want(t, b, "tea", 1)
		<-done
		if d := time.Since(begin); d < 2*time.Second || d > 4*time.Second {
			t.Errorf("it took %v; the claim is good for 3 s", d)
		}
		if n := tea.loads.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
	})
}

func TestASlowLoaderIsWaitedForNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := servertest.Memory()
		slow := instance(t, open(), func(ctx context.Context, key string) (product, error) {
			time.Sleep(time.Minute)
			return product{key, 1}, nil
		}, cache.Options{})
		go slow.Get(context.Background(), "tea")
		synctest.Wait()
		tea := &shop{}
		tea.price.Store(2)
		patient := instance(t, open(), tea.load, cache.Options{Wait: 2 * time.Minute})
		hasty := instance(t, open(), tea.load, cache.Options{Wait: 5 * time.Second})
		begin := time.Now()
		want(t, hasty, "tea", 2)
		if d := time.Since(begin); d != 5*time.Second {
			t.Errorf("it took %v", d)
		}
		want(t, patient, "tea", 1)
		if h := hasty.Stats(); h.TimedOut != 1 || patient.Stats().Loads != 0 {
			t.Errorf("%+v, %+v", h, patient.Stats())
		}
	})
}

func TestMemoryTTLBoundsWhatIsNotLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := servertest.Memory()
		tea := &shop{}
		tea.price.Store(1)
		c := instance(t, open(), tea.load, cache.Options{TTL: time.Hour, MemoryTTL: 10 * time.Second})
		for range 10 {
			want(t, c, "tea", 1)
			want(t, c, "tea", 1)
			time.Sleep(11 * time.Second)
		}
		if st := c.Stats(); st.Loads != 1 || st.RemoteHits != 9 || st.Hits != 10 {
			t.Errorf("%+v", st)
		}
	})
}

func TestJitterSpreadsExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tea := &shop{}
		c := instance(t, nil, tea.load, cache.Options{TTL: 100 * time.Second, Jitter: 0.5, Level: cache.Memory})
		keys := make([]string, 64)
		for i := range keys {
			keys[i] = string(rune('A' + i))
			get(t, c, keys[i])
		}
		time.Sleep(75 * time.Second)
		for _, k := range keys {
			get(t, c, k)
		}
		if n := tea.loads.Load() - 64; n < 10 || n > 54 {
			t.Errorf("%d of 64 had expired halfway", n)
		}
	})
}
