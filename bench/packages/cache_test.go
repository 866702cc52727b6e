//go:build bench

package packages

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"
	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store/redis"
)

// item is what is cached: some 120 bytes of JSON.
type item struct {
	ID    int      `json:"id"`
	Name  string   `json:"name"`
	Price float64  `json:"price"`
	Tags  []string `json:"tags"`
}

const items = 1000 // keys, all of which fit in process

func makeItem(key string) item {
	return item{len(key), "Darjeeling First Flush, second choice " + key, 12.5, []string{"tea", "black", "india"}}
}

// A clock is what a call is measured by, in nanoseconds.
type clock func(t *testing.T, goroutines int) float64

// wall is what a caller waits.
func wall(_ *testing.T, goroutines int) float64 {
	return float64(time.Now().UnixNano()) * float64(goroutines)
}

// cpu is what the whole process works, its background included: what else the
// machine does meanwhile does not count.
func cpu(t *testing.T, _ int) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// each calls get with the keys in turn until the span is over, and returns the
// nanoseconds of one call.
func each(t *testing.T, goroutines int, by clock, get func(key string) error) float64 {
	keys := make([]string, items)
	for i := range keys {
		keys[i] = "product-" + strconv.Itoa(i)
		if err := get(keys[i]); err != nil {
			t.Fatal(err)
		}
	}
	var calls atomic.Int64
	var wg sync.WaitGroup
	begin, end := by(t, goroutines), time.Now().Add(span)
	for g := range goroutines {
		wg.Go(func() {
			n := g * 37
			for time.Now().Before(end) {
				for range 200 { // so that the clock does not count
					if err := get(keys[n%items]); err != nil {
						t.Error(err)
						return
					}
					n++
				}
				calls.Add(200)
			}
		})
	}
	wg.Wait()
	return (by(t, goroutines) - begin) / float64(calls.Load())
}

func TestCache(t *testing.T) {
	ctx := t.Context()
	url := servertest.RedisURL(t)
	s, err := redis.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	load := func(_ context.Context, key string) (item, error) { return makeItem(key), nil }
	open := func(level cache.Level) *cache.Cache[item] {
		c, err := cache.New(s, "bench"+strconv.Itoa(int(level)), load, cache.Options{Level: level, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	both, remote := open(cache.Both), open(cache.Remote)
	plain := otter.Must(&otter.Options[string, item]{MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[string, item](time.Hour)})
	opt, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n := range items {
		key := "product-" + strconv.Itoa(n)
		plain.Set(key, makeItem(key))
		b, err := json.Marshal(makeItem(key))
		if err == nil {
			err = client.Do(ctx, client.B().Set().Key("plain:"+key).Value(string(b)).Build()).Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	doCache := func(key string) rueidis.RedisResult {
		return client.DoCache(ctx, client.B().Get().Key("plain:"+key).Cache(), time.Hour)
	}

	t.Run("process", func(t *testing.T) {
		compare(t, "cache-process", "Hits in process: ns of CPU a call, by one goroutine and by two at a time.", cpu, []contestant{
			{"segue cache, Get", func(key string) error { _, err := both.Get(ctx, key); return err }},
			{"segue cache, GetFunc with a closure over the key", func(key string) error {
				_, err := both.GetFunc(ctx, key, func(ctx context.Context) (item, error) { return load(ctx, key) })
				return err
			}},
			{"otter v2, with expiry", func(key string) error {
				if _, ok := plain.GetIfPresent(key); !ok {
					return fmt.Errorf("%s is not there", key)
				}
				return nil
			}},
			{"rueidis DoCache, not decoded", func(key string) error { _, err := doCache(key).AsBytes(); return err }},
			{"rueidis DoCache, and JSON", func(key string) error { var it item; return doCache(key).DecodeJSON(&it) }},
		}, 1, 2)
	})
	t.Run("remote", func(t *testing.T) {
		compare(t, "cache-remote", "Reads from Redis, decoded: ns that a call takes, by one goroutine and by 64 at a time.", wall, []contestant{
			{"segue cache, level Remote", func(key string) error { _, err := remote.Get(ctx, key); return err }},
			{"rueidis GET, and JSON", func(key string) error {
				var it item
				return client.Do(ctx, client.B().Get().Key("plain:"+key).Build()).DecodeJSON(&it)
			}},
		}, 1, 64)
	})
}

// A contestant gets a value by its key.
type contestant struct {
	name string
	get  func(key string) error
}

// compare measures the contestants in turn; ratios are to the first.
func compare(t *testing.T, name, how string, by clock, all []contestant, goroutines ...int) {
	head, rows := []string{""}, make([][]string, len(all))
	for i, c := range all {
		rows[i] = []string{c.name}
	}
	for _, g := range goroutines {
		head = append(head, fmt.Sprintf("ns, %d at a time", g), "of the first")
		measures := make([]func(*testing.T) float64, len(all))
		for i, c := range all {
			measures[i] = func(t *testing.T) float64 { return each(t, g, by, c.get) }
		}
		got := inTurn(t, measures...)
		for i := range all {
			m := median(got[i])
			rows[i] = append(rows[i], fmt.Sprintf("%.0f", m), fmt.Sprintf("%.2f×", m/median(got[0])))
		}
	}
	var tab table
	tab.row(head...)
	for _, r := range rows {
		tab.row(r...)
	}
	write(t, name, how, tab)
}
