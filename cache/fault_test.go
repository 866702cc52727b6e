package cache_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

// dies is how long a claim outlives its loader: for a machine that is busy with
// other tests.
const dies = 2 * time.Second

// loaderEnv makes the test binary a service that loads for ever.
const loaderEnv = "SEGUE_CACHE_TEST_LOADER"

func TestMain(m *testing.M) {
	if url := os.Getenv(loaderEnv); url != "" {
		if err := loadForEver(url); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func loadForEver(url string) error {
	s, err := servertest.Open(context.Background(), url)
	if err != nil {
		return err
	}
	c, err := cache.New(s, "products", func(context.Context, string) (product, error) {
		fmt.Println("loading")
		select {}
	}, cache.Options{Claim: dies})
	if err != nil {
		return err
	}
	_, err = c.Get(context.Background(), "tea")
	return err
}

// opened is a store that is closed when the test ends.
func opened(t *testing.T, url string) store.Store {
	t.Helper()
	s, err := servertest.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestALoaderThatIsKilledIsReplacedByOne(t *testing.T) {
	t.Parallel()
	servertest.EachURL(t, func(t *testing.T, url string) {
		loader := exec.Command(os.Args[0])
		loader.Env = append(os.Environ(), loaderEnv+"="+url)
		out, err := loader.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := loader.Start(); err != nil {
			t.Fatal(err)
		}
		defer loader.Wait()
		defer loader.Process.Kill()
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "loading\n" {
			t.Fatalf("the other process said %q, %v", line, err)
		}
		var tea shop
		tea.price.Store(1)
		f := fleet(t, func(t *testing.T) store.Store { return opened(t, url) }, 3, tea.load, cache.Options{Claim: dies})
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() { want(t, f[i%3], "tea", 1) })
		}
		eventually(t, "all instances waiting", func() bool {
			return f[0].Stats().Waits+f[1].Stats().Waits+f[2].Stats().Waits == 3
		})
		if n := tea.loads.Load(); n != 0 {
			t.Fatalf("%d loads while the other process is loading", n)
		}
		if err := loader.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		wg.Wait()
		if d := time.Since(begin); d > 5*dies {
			t.Errorf("it took %v after its death; its claim was good for %v", d, dies)
		}
		if n := tea.loads.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
	})
}

// Readers and a writer that changes what is loaded and then invalidates it: no
// Get that begins after an Invalidate has returned answers with what was before.
func TestNothingOldIsReadAfterAnInvalidate(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		for name, h := range map[string]history{ // each a cache of its own
			"remote, by any instance":        {cache.Options{Level: cache.Remote}, []int{0, 1, 2}},
			"both, by the one that says so":  {cache.Options{}, []int{0}},
			"stale while it is refreshed":    {cache.Options{Level: cache.Remote, TTL: 5 * time.Millisecond, Stale: time.Minute}, []int{0, 1, 2}},
			"both, with a short time inside": {cache.Options{TTL: 5 * time.Millisecond, Stale: time.Minute, StaleIfError: time.Minute}, []int{0}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h.run(t, open, name)
			})
		}
	})
}

type history struct {
	o       cache.Options
	readers []int // instances that may not be late
}

func (h history) run(t *testing.T, open func(t *testing.T) store.Store, name string) {
	const keys = 2
	var truth, told [keys]atomic.Int64
	f := make([]*cache.Cache[int64], 3)
	for i := range f {
		c, err := cache.New(open(t), name, func(_ context.Context, key string) (int64, error) {
			n, err := strconv.Atoi(key)
			return truth[n].Load(), err
		}, unhurried(h.o))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f[i] = c
	}
	end := time.Now().Add(250 * time.Millisecond)
	var wg sync.WaitGroup
	for n := range keys {
		key := strconv.Itoa(n)
		wg.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				now := truth[n].Add(1)
				if err := f[0].Invalidate(t.Context(), key); err != nil {
					t.Error(err)
				}
				told[n].Store(now)
			}
		})
		for _, i := range append(h.readers, h.readers...) {
			wg.Go(func() {
				for time.Now().Before(end) && !t.Failed() {
					before := told[n].Load()
					if got, err := f[i].Get(t.Context(), key); err != nil || got < before {
						t.Errorf("instance %d: got %d of key %s, %v, after it was told that it is %d", i, got, key, err, before)
					}
				}
			})
		}
	}
	wg.Wait()
	for n := range keys {
		for i, c := range f {
			eventually(t, fmt.Sprintf("instance %d at one with the others", i), func() bool {
				got, err := c.Get(t.Context(), strconv.Itoa(n))
				return err == nil && got == truth[n].Load()
			})
		}
	}
}

func TestARedisThatIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	var tea shop
	tea.price.Store(1)
	f := fleet(t, func(t *testing.T) store.Store { return opened(t, redis.URL()) }, 2, tea.load, cache.Options{MemoryTTL: time.Millisecond, StoreTimeout: time.Second})
	for _, c := range f {
		want(t, c, "tea", 1)
	}
	redis.Kill(t)
	for _, c := range f {
		for range 20 {
			want(t, c, "tea", 1)
			want(t, c, "cup", 1)
		}
		if s := c.Stats(); s.Bypassed == 0 {
			t.Errorf("%+v", s)
		}
	}
	redis.Start(t)
	tea.price.Store(2)
	eventually(t, "an Invalidate that succeeds", func() bool { return f[0].Invalidate(t.Context(), "tea", "cup") == nil })
	for _, c := range f {
		eventually(t, "the new price", func() bool { return get(t, c, "tea").Price == 2 && get(t, c, "cup").Price == 2 })
	}
	n := 0
	eventually(t, "a load with the store", func() bool {
		n++
		before := f[1].Stats()
		get(t, f[1], fmt.Sprint("pot", n))
		after := f[1].Stats()
		return after.Loads > before.Loads && after.Bypassed == before.Bypassed
	})
}
