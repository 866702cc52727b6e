package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/analysis"
	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/store"
)

// ramped is a store of one flag that has a ramp, and what moves it.
type ramped struct {
	*mover
	flag    featureflag.Flag
	now     time.Time
	fails   error // of writes
	harmful string
}

func (r *ramped) look(context.Context) string { return r.harmful }

func newRamped(t *testing.T, ramp featureflag.Ramp) *ramped {
	ramp.State, ramp.Percent, ramp.At = featureflag.RampRunning, ramp.From, time.Now()
	r := &ramped{flag: featureflag.Flag{Key: "new", Version: 1, Ramp: &ramp}}
	r.mover = &mover{ramps: map[string]*moving{}, guard: func(featureflag.Flag) guardian { return r },
		write: func(_ context.Context, _ string, version int64, next featureflag.Ramp) error {
			switch {
			case r.fails != nil:
				return r.fails
			case version != r.flag.Version:
				return store.ErrConflict
			}
			r.flag.Ramp, r.flag.Version = &next, version+1
			return nil
		}}
	if !r.take([]featureflag.Flag{r.flag}) {
		t.Fatal("no ramp runs")
	}
	r.now = r.ramps["new"].since
	return r
}

// after lets time pass, looking as often as the agent does.
func (r *ramped) after(d time.Duration) *featureflag.Ramp {
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(rampLook)
		r.step(context.Background(), r.now)
		r.take([]featureflag.Flag{r.flag})
	}
	return r.flag.Ramp
}

func TestARampMovesWithTime(t *testing.T) {
	t.Parallel()
	r := newRamped(t, featureflag.Ramp{Variant: "on", From: 20, To: 80, Over: time.Minute})
	for last := 20.0; r.flag.Ramp.State == featureflag.RampRunning; last = r.flag.Ramp.Percent {
		if x := r.after(time.Second); x.Percent <= last {
			t.Fatalf("from %v %% to %v %%", last, x.Percent)
		}
	}
	if x := r.flag.Ramp; x.Percent != 80 || x.State != featureflag.RampDone || r.flag.Version != 61 {
		t.Errorf("it ended as %+v, written %d times; a minute's is written each second", *x, r.flag.Version-1)
	}

	r = newRamped(t, featureflag.Ramp{Variant: "on", To: 100, Over: 100 * time.Minute})
	if x := r.after(30 * time.Minute); x.Percent != 30 || r.flag.Version != 31 {
		t.Errorf("after 30 of 100 minutes: %v %%, written %d times; once for each percent is enough", x.Percent, r.flag.Version-1)
	}
	r = newRamped(t, featureflag.Ramp{Variant: "on", From: 50, To: 0, Over: 50 * time.Second})
	if x := r.after(20 * time.Second); x.Percent != 30 {
		t.Errorf("down from 50 %%: %v %%", x.Percent)
	}
}

// While its store is away a ramp stands still, and goes on from where it was. One
// that somebody has changed is not moved by what was known before.
func TestARampThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRamped(t, featureflag.Ramp{Variant: "on", To: 100, Over: 100 * time.Second})
	r.after(10 * time.Second)
	r.fails = errors.New("the store is away")
	r.after(time.Hour)
	r.fails = nil
	if x := r.after(time.Second); x.Percent < 11 || x.Percent > 13 {
		t.Errorf("after an hour without a store: %v %%", x.Percent)
	}
	at := r.flag.Ramp.Percent
	r.flag.Version++ // of which the mover is not told
	r.now = r.now.Add(2 * time.Second)
	r.step(t.Context(), r.now)
	if r.flag.Ramp.Percent != at {
		t.Error("it was moved although somebody had changed it")
	}
	r.flag.Killed = &featureflag.Stamp{}
	if r.take([]featureflag.Flag{r.flag}) {
		t.Error("a killed flag's ramp runs")
	}
}

// Time in which nobody looked does not count.
func TestARampDoesNotJump(t *testing.T) {
	t.Parallel()
	r := newRamped(t, featureflag.Ramp{Variant: "on", To: 100, Over: 100 * time.Second})
	r.after(10 * time.Second)
	r.now = r.now.Add(time.Hour) // the agent stands still
	if x := r.after(rampLook); x.Percent < 10 || x.Percent > 17 {
		t.Errorf("after 10 s, and an hour in which nobody looked: %v %%", x.Percent)
	}
}

func TestAGuardStopsARamp(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		r := newRamped(t, featureflag.Ramp{Variant: "on", From: 5, To: 100, Over: 95 * time.Second, Guard: &featureflag.Guard{Back: back}})
		r.after(10 * time.Second)
		r.harmful = "errors: many"
		x, want := r.after(time.Second), 15.0
		if back {
			want = 5
		}
		if x.State != featureflag.RampStopped || x.Percent != want || !strings.Contains(x.Note, "at 15 %: errors: many") {
			t.Errorf("back %v: %+v", back, *x)
		}
	}
}

// looks feeds a guard's test with so many looks of n requests each, a share of
// which fail, and gives after how many it speaks, 0 never.
func looks(b featureflag.Guard, rng *rand.Rand, most, n int, share float64, slow bool) int {
	a, buckets := guardAnalysis(b), len(proxy.Bounds())+1
	for look := 1; look <= most; look++ {
		c := analysis.Counts{Requests: int64(n), Histogram: make([]int64, buckets)}
		c.Histogram[8] = int64(n)
		if slow {
			c.Histogram[8], c.Histogram[buckets-5] = 0, int64(n)
		}
		for range n {
			if rng.Float64() < share {
				c.Errors++
			}
		}
		if judge(a, c) != "" {
			return look
		}
	}
	return 0
}

func TestAGuardTellsHarmFromChance(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) // the same each time
	b := featureflag.Guard{Errors: 1}
	for range 20 {
		if n := looks(b, rng, 600, 20, 0.01, false); n != 0 {
			t.Errorf("1 %% of errors, as is allowed: stopped after %d looks", n)
		}
	}
	for _, c := range []struct {
		n      int
		share  float64
		within int
	}{{20, 1, 6}, {20, 0.1, 60}, {100, 0.05, 30}, {2, 0.5, 60}} {
		if n := looks(b, rng, 600, c.n, c.share, false); n == 0 || n > c.within {
			t.Errorf("%v of %d requests a look fail: found after %d looks, not %d", c.share, c.n, n, c.within)
		}
	}
	few := guardAnalysis(b)
	for range 3 {
		if why := judge(few, analysis.Counts{Requests: 1, Errors: 1}); why != "" {
			t.Error("three requests, and a ramp stops:", why)
		}
	}
	one := guardAnalysis(b)
	for n := range 200 {
		c := analysis.Counts{Requests: 10}
		if n == 50 {
			c.Errors = 1
		}
		if why := judge(one, c); why != "" {
			t.Error("a single error, and a ramp stops:", why)
		}
	}
	if n := looks(featureflag.Guard{P95: 500 * time.Millisecond}, rng, 60, 20, 0, true); n == 0 {
		t.Error("slow answers are not found")
	}
	if n := looks(b, rng, 60, 20, 0, true); n != 0 {
		t.Error("slow answers stop a ramp whose guard does not look at them")
	}
}
