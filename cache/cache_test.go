package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var tea shop
		f := fleet(t, open, 2, tea.load, cache.Options{LevelOf: func(key string) cache.Level {
			return map[string]cache.Level{"memory": cache.Memory, "remote": cache.Remote}[key]
		}})
		for key, want := range map[string]struct{ loads, hits, remote int64 }{
			"both":   {1, 4, 1}, // one instance loads, the other reads it from the store
			"memory": {2, 4, 0}, // each loads for itself
			"remote": {1, 0, 5},
		} {
			before := [2]cache.Stats{f[0].Stats(), f[1].Stats()}
			for range 3 {
				get(t, f[0], key)
				get(t, f[1], key)
			}
			var loads, hits, remote int64
			for i, c := range f {
				s := c.Stats()
				loads += s.Loads - before[i].Loads
				hits += s.Hits - before[i].Hits
				remote += s.RemoteHits - before[i].RemoteHits
			}
			if loads != want.loads || hits != want.hits || remote != want.remote {
				t.Errorf("%s: %d loads, %d hits in process, %d in the store; want %+v", key, loads, hits, remote, want)
			}
		}
	})
}

func TestKeysOfAnyKind(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		keys := []string{"", "a", "a/b", "ä", "#", "\x00", "\xff", "%_*[", strings.Repeat("x", 2000)}
		var tea shop
		f := fleet(t, open, 2, tea.load, cache.Options{})
		for range 2 {
			for _, key := range keys {
				for _, c := range f {
					if p := get(t, c, key); p.Name != strings.ToValidUTF8(key, "\ufffd") {
						t.Errorf("%q is %q", key, p.Name)
					}
				}
			}
		}
		if n := tea.loads.Load(); int(n) != len(keys) {
			t.Errorf("%d loads of %d keys", n, len(keys))
		}
		tea.price.Store(1)
		if err := f[0].Invalidate(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			eventually(t, fmt.Sprintf("%q anew", key), func() bool { return get(t, f[1], key).Price == 1 })
		}
	})
}

func TestWhatIsTooLargeIsHandedOnAndNotKept(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var log bytes.Buffer
		var mu sync.Mutex
		o := cache.Options{MaxValue: 1000, Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))}
		long := strings.Repeat("x", 2000)
		var loads atomic.Int64
		f := fleet(t, open, 2, func(context.Context, string) (product, error) {
			loads.Add(1)
			return product{Name: long}, nil
		}, o)
		for range 3 {
			for _, c := range f {
				if p := get(t, c, "tea"); p.Name != long {
					t.Errorf("got %d bytes", len(p.Name))
				}
			}
		}
		if n := loads.Load(); n != 6 {
			t.Errorf("%d loads of 6", n)
		}
		if s := f[0].Stats(); s.Refused != 3 || s.Entries != 0 {
			t.Errorf("%+v", s)
		}
		mu.Lock()
		defer mu.Unlock()
		if n := strings.Count(log.String(), "too large to be kept"); n != 2 || !strings.Contains(log.String(), "bytes=2021 max=1000") {
			t.Errorf("the reason is given %d times:\n%s", n, log.String())
		}
	})
}

type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// text tells its size by itself.
type text string

func (t text) Size() int { return len(t) }

func TestMemoryIsBounded(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		c := texts(t, cache.Options{Level: cache.Memory, MaxEntries: 100})
		fillUp(t, c, 1000)
		eventually(t, "100 entries at most", func() bool { return c.Stats().Entries <= 100 })
	})
	t.Run("bytes", func(t *testing.T) {
		c := texts(t, cache.Options{Level: cache.Memory, MaxBytes: 100_000})
		fillUp(t, c, 1000) // of a thousand bytes each
		eventually(t, "100,000 bytes at most", func() bool { s := c.Stats(); return s.Bytes <= 100_000 && s.Entries <= 100 })
		if s := c.Stats(); s.Entries < 50 {
			t.Errorf("%d entries; there is room for more", s.Entries)
		}
	})
}

func texts(t *testing.T, o cache.Options) *cache.Cache[text] {
	t.Helper()
	c, err := cache.New(nil, "texts", func(context.Context, string) (text, error) { return text(strings.Repeat("x", 1000)), nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func fillUp(t *testing.T, c *cache.Cache[text], n int) {
	t.Helper()
	for i := range n {
		if _, err := c.Get(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// What the loader returned in other than what is written is not seen by the one
// instance that has loaded and by no other.
func TestEveryInstanceGetsTheSame(t *testing.T) {
	type secretive struct {
		Name   string
		secret int
	}
	c, err := cache.New(servertest.Memory()(), "secrets", func(context.Context, string) (secretive, error) { return secretive{"a", 1}, nil }, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if v, err := c.Get(t.Context(), "a"); err != nil || v.secret != 0 {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	s := servertest.Memory()()
	load := func(context.Context, string) (int, error) { return 0, nil }
	for want, make := range map[string]func() error{
		"name":                  func() error { _, err := cache.New(s, "a/b", load, cache.Options{}); return err },
		"name \"\"":             func() error { _, err := cache.New(s, "", load, cache.Options{}); return err },
		"there is no store":     func() error { _, err := cache.New(nil, "a", load, cache.Options{}); return err },
		"TTL is -1s":            func() error { _, err := cache.New(s, "a", load, cache.Options{TTL: -time.Second}); return err },
		"Wait is 1ns":           func() error { _, err := cache.New(s, "a", load, cache.Options{Wait: 1}); return err },
		"jitter":                func() error { _, err := cache.New(s, "a", load, cache.Options{Jitter: 1}); return err },
		"level 7":               func() error { _, err := cache.New(s, "a", load, cache.Options{Level: 7}); return err },
		"take one":              func() error { _, err := cache.New(s, "a", load, cache.Options{MaxEntries: 1, MaxBytes: 1}); return err },
		"is for a Stream":       func() error { _, err := cache.New(s, "a", load, cache.Options{MaxValue: 1 << 30}); return err },
		"cannot be negative":    func() error { _, err := cache.New(s, "a", load, cache.Options{MaxEntries: -1}); return err },
		"a func() cannot be":    func() error { _, err := cache.New[func()](s, "a", nil, cache.Options{}); return err },
		"level has to be Memor": func() error { _, err := cache.New[chan int](s, "a", nil, cache.Options{}); return err },
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v says nothing of %q", err, want)
		}
	}
	c, err := cache.New[func()](s, "a", nil, cache.Options{Level: cache.Memory})
	if err != nil {
		t.Errorf("in memory alone anything can be kept: %v", err)
	}
	c.Close()
}

func TestAPanicIsThatOfWhoWaited(t *testing.T) {
	s := servertest.Memory()()
	defer s.Close()
	c := instance(t, s, func(context.Context, string) (product, error) { panic("no tea") }, cache.Options{})
	for range 2 { // and the claim is gone: the second does not wait
		func() {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.Contains(v, "no tea") || !strings.Contains(v, "cache_test.go") {
					t.Errorf("it panicked with %s", v)
				}
			}()
			c.Get(t.Context(), "tea")
		}()
	}
}

func TestALoadIsCalledOffWhenNobodyWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Memory()()
		defer s.Close()
		var off error
		began := 0
		c := instance(t, s, func(ctx context.Context, key string) (product, error) {
			if began++; began > 1 {
				return product{key, 1}, nil
			}
			<-ctx.Done()
			off = ctx.Err()
			return product{}, ctx.Err()
		}, cache.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		longer, cancelLonger := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{ctx, longer} {
			wg.Go(func() {
				if _, err := c.Get(ctx, "tea"); !errors.Is(err, context.Canceled) {
					t.Errorf("got the error %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if off != nil {
			t.Error("it was called off though one was waiting")
		}
		cancelLonger()
		wg.Wait()
		synctest.Wait()
		if off == nil {
			t.Error("it goes on")
		}
		want(t, c, "tea", 1)
	})
}

func TestCloseCallsLoadsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Memory()()
		defer s.Close()
		c := instance(t, s, func(ctx context.Context, _ string) (product, error) {
			<-ctx.Done()
			return product{}, ctx.Err()
		}, cache.Options{})
		done := make(chan error)
		go func() {
			_, err := c.Get(context.Background(), "tea")
			done <- err
		}()
		synctest.Wait()
		go c.Close()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got the error %v", err)
		}
		synctest.Wait()
		if _, err := c.Get(t.Context(), "tea"); !errors.Is(err, cache.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// shouting is a codec that writes what JSON writes, in capitals.
type shouting struct{ cache.Codec }

func (shouting) Name() string { return "shouting" }

func (s shouting) Encode(v any) ([]byte, error) {
	b, err := s.Codec.Encode(v)
	return bytes.ToUpper(b), err
}

func TestACodecOfOnesOwn(t *testing.T) {
	s := servertest.Memory()()
	defer s.Close()
	tea := &shop{}
	loud := instance(t, s, tea.load, cache.Options{Codec: shouting{cache.JSON}})
	if p := get(t, loud, "tea"); p.Name != "TEA" {
		t.Errorf("got %q", p.Name)
	}
	if p := get(t, instance(t, s, tea.load, cache.Options{}), "tea"); p.Name != "tea" {
		t.Errorf("one with another codec got %q", p.Name)
	}
}
