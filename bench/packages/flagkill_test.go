//go:build bench

package packages

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store/open"
)

// A watching instance tells when a flag has become what it was not.
type watching struct {
	flags *featureflag.Flags
	seen  chan time.Time
}

// watch tells each time that the flag changes, until ctx ends.
func (w watching) watch(ctx context.Context) {
	for on := true; ; {
		changed := w.flags.Changed()
		if now := w.flags.Bool("new-checkout", featureflag.For("user-7"), true); now != on {
			on = now
			w.seen <- time.Now()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// killed has instances of a service, each with a store of its own, see a flag being
// killed and restored: when each has seen each kill.
func killed(t *testing.T, url string, kills int) (all, each []time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	s, err := open.Store(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	on, c := "on", featureflag.NewControl(s, "bench")
	if err := c.Set(ctx, "new-checkout", featureflag.Definition{
		Variants: map[string]json.RawMessage{"on": []byte("true"), "off": []byte("false")}, DefaultVariant: &on}, ""); err != nil {
		t.Fatal(err)
	}
	seen := make(chan time.Time, instances)
	for range instances {
		s, err := open.Store(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		w := watching{featureflag.New(s, featureflag.Log(slog.New(slog.NewTextHandler(io.Discard, nil)))), seen}
		running.Go(func() { _ = w.flags.Run(ctx) })
		running.Go(func() { w.watch(ctx) })
		if err := w.flags.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	defer stop() // before the stores are closed
	wait := func(begin time.Time) (last time.Duration) {
		for range instances {
			select {
			case at := <-seen:
				last = max(last, at.Sub(begin))
				each = append(each, at.Sub(begin))
			case <-time.After(time.Minute):
				t.Fatal("not seen within a minute")
			}
		}
		return last
	}
	for range kills {
		begin := time.Now()
		if err := c.Kill(ctx, "new-checkout", "it burns"); err != nil {
			t.Fatal(err)
		}
		all = append(all, wait(begin))
		begin = time.Now()
		if err := c.Restore(ctx, "new-checkout", ""); err != nil {
			t.Fatal(err)
		}
		all = append(all, wait(begin))
	}
	return all, each
}

func TestFlagKill(t *testing.T) {
	var tab table
	tab.row("store", "kills and restores", "an instance has seen it after, p50", "p99", "all have, p50", "worst")
	for _, s := range []struct{ name, url string }{
		{"SQLite", "sqlite://" + t.TempDir() + "/flags.db"}, {"Redis", servertest.Redis(t).URL()}, {"PostgreSQL", servertest.Postgres(t).URL()},
	} {
		all, each := killed(t, s.url, 10*rounds)
		show := func(all []time.Duration, part float64) string {
			return quantile(all, part).Round(100 * time.Microsecond).String()
		}
		tab.row(s.name, fmt.Sprint(len(all)), show(each, .5), show(each, .99), show(all, .5), show(all, 1))
	}
	write(t, "flag kill", fmt.Sprintf("%d instances in one process, each with a store of its own, of which each watches the flags. Times are from before the call of Kill or Restore, which writes to the store.", instances), tab)
}
