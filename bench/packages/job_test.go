//go:build bench

package packages

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredislib "github.com/redis/go-redis/v9"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/open"
)

// instances are the fleet that wants to run one job.
const instances = 100

// asked counts what an instance asks of the store for a claim. All that it asks
// besides (its sign of life, what becomes of a run) is in all.
type asked struct {
	store.Store
	claims, all atomic.Int64
}

func (a *asked) Get(ctx context.Context, key string) (store.Entry, error) {
	a.all.Add(1)
	return a.Store.Get(ctx, key)
}

func (a *asked) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	a.all.Add(1)
	return a.Store.Put(ctx, w)
}

func (a *asked) PutBelow(ctx context.Context, w store.Write, bound []byte) (store.Entry, error) {
	a.claims.Add(1)
	a.all.Add(1)
	return store.PutBelow(ctx, a.Store, w, bound)
}

// A due is what became of one time at which the job was due.
type due struct {
	runs  int
	began time.Duration // after the time
}

// fleet runs a job that is due every second on all instances, and tells of each
// time, and of what was asked of the store for it.
func fleet(t *testing.T, url string, times int) (all []due, claims, asks float64) {
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	began := map[time.Time]*due{}
	var stores []*asked
	var running sync.WaitGroup
	for range instances {
		s, err := open.Store(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		a := &asked{Store: s}
		stores = append(stores, a)
		jobs := job.New(a)
		jobs.Add("sync", job.Every(time.Second), func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			slot := job.Current(ctx).Slot
			if began[slot] == nil {
				began[slot] = &due{began: time.Since(slot)}
			}
			began[slot].runs++
			return nil
		})
		running.Go(func() {
			if err := jobs.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	sum := func() (claims, all int64) {
		for _, a := range stores {
			claims += a.claims.Load()
			all += a.all.Load()
		}
		return claims, all
	}
	half := func(at time.Time) time.Time { return at.Truncate(time.Second).Add(1500 * time.Millisecond) }
	from := half(time.Now().Add(3 * time.Second)) // all are there
	time.Sleep(time.Until(from))
	claims0, all0 := sum()
	to := from.Add(time.Duration(times) * time.Second)
	time.Sleep(time.Until(to))
	claims1, all1 := sum()
	stop()
	running.Wait()
	for at := from.Truncate(time.Second).Add(time.Second); at.Before(to); at = at.Add(time.Second) {
		d := began[at.UTC()]
		if d == nil {
			d = &due{}
		}
		all = append(all, *d)
	}
	each := float64(times * instances)
	return all, float64(claims1-claims0) / each, float64(all1-all0) / each
}

// bare is what there is at least: each instance says SET NX once (as ShedLock and
// the like do), and the one who may, begins.
func bare(t *testing.T, addr string, times int) (began []time.Duration) {
	var mu sync.Mutex
	var working sync.WaitGroup
	first := time.Now().Truncate(time.Second).Add(2 * time.Second)
	for range instances {
		client := goredislib.NewClient(&goredislib.Options{Addr: addr})
		t.Cleanup(func() { _ = client.Close() })
		if err := client.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		working.Go(func() {
			for n := range times {
				at := first.Add(time.Duration(n) * time.Second)
				time.Sleep(time.Until(at))
				ok, err := client.SetNX(t.Context(), fmt.Sprint("bare/", at.Unix()), "me", time.Minute).Result()
				if err != nil {
					t.Error(err)
				}
				if ok {
					mu.Lock()
					began = append(began, time.Since(at))
					mu.Unlock()
				}
			}
		})
	}
	working.Wait()
	return began
}

func TestJobClaims(t *testing.T) {
	addr, _ := redisServer(t)
	times := 10 * rounds
	var tab table
	tab.row("who claims", "times due", "run once", "run twice", "not run", "claims per instance and time", "all else", "began after, p50", "p99")
	for _, s := range []struct{ name, url string }{
		{"Segue, Redis", "redis://" + addr}, {"Segue, SQLite", "sqlite://" + t.TempDir() + "/jobs.db"},
	} {
		all, claims, asks := fleet(t, s.url, times)
		var once, more, none int
		var began []time.Duration
		for _, d := range all {
			switch d.runs {
			case 0:
				none++
				continue
			case 1:
				once++
			default:
				more++
			}
			began = append(began, d.began)
		}
		tab.row(s.name, fmt.Sprint(len(all)), fmt.Sprint(once), fmt.Sprint(more), fmt.Sprint(none), fmt.Sprintf("%.2f", claims), fmt.Sprintf("%.2f", asks-claims),
			quantile(began, .5).Round(10*time.Microsecond).String(), quantile(began, .99).Round(10*time.Microsecond).String())
	}
	began := bare(t, addr, times)
	tab.row("SET NX by go-redis, and nothing else", fmt.Sprint(times), fmt.Sprint(len(began)), "0", fmt.Sprint(times-len(began)), "1.00", "0",
		quantile(began, .5).Round(10*time.Microsecond).String(), quantile(began, .99).Round(10*time.Microsecond).String())
	write(t, "jobs", fmt.Sprintf("%d instances in one process, each with a store of its own, one job that is due every second, of which the runs take no time: whoever is late finds it done, and must not run it again. A claim is one round trip; all else are signs of life, announcements, the ends of runs and the history, of all instances together.", instances), tab)
}
