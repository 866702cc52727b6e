package analysis

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var defaults = Limits{Requests: 100, Errors: 0.01, Latency: 1.5}

// The promise itself: 1000 pairs of equal releases, 10,000 looks at each, all
// with requests of both.
func TestFalseAlarmsStayBelowAlphaHoweverOftenOneLooks(t *testing.T) {
	const runs = 1000 / part
	same := answering(0.002, 20*time.Millisecond, 0.5)
	got := len(world{limits: defaults, old: same, new: same, nOld: 3, nNew: 1, looks: 10_000}.after(runs))
	t.Logf("condemned: %d of %d", got, runs)
	if float64(got) > Alpha*runs {
		t.Errorf("%d of %d equal releases were condemned; promised is a share of at most %v", got, runs, Alpha)
	}
}

// What is harder than equal releases, and condemns no more of them.
func TestFalseAlarmsStayBelowAlphaIn(t *testing.T) {
	same := answering(0.002, 20*time.Millisecond, 0.5)
	half := func(p float64) func(*rand.Rand, int) (float64, float64) {
		return func(rng *rand.Rand, look int) (float64, float64) {
			if look >= 200 && look < 300 {
				return p, p
			}
			return 0.002, 0.002
		}
	}
	for _, c := range []struct {
		name string
		w    world
	}{
		{"errors just within the limit", world{old: same, new: answering(0.012, 20*time.Millisecond, 0.5), nOld: 40, nNew: 10}},
		{"latency just within the limit", world{old: same, new: answering(0.002, 30*time.Millisecond, 0.5), nOld: 40, nNew: 10}},
		{"a difference of latency that harms nobody", world{old: answering(0, 4*time.Millisecond, 0.01), new: answering(0, 4900*time.Microsecond, 0.01), nOld: 40, nNew: 10,
			limits: Limits{Requests: 100, Errors: 0.01, Latency: 1}}},
		{"a service that always failed a lot", world{old: answering(0.3, 20*time.Millisecond, 0.5), new: answering(0.3, 20*time.Millisecond, 0.5), nOld: 40, nNew: 10}},
		{"an outage of both", world{old: same, new: same, nOld: 40, nNew: 10, rates: half(0.6)}},
		{"an outage of both while requests move to new", world{old: same, new: same, rates: half(0.6),
			share: func(look int) (int, int) { return 50 - 49*min(look, 400)/400, 1 + 48*min(look, 400)/400 }}},
		{"errors that come in bursts, of each by itself", world{old: same, new: same, nOld: 40, nNew: 10, rates: func(rng *rand.Rand, _ int) (float64, float64) {
			p := [2]float64{0.001, 0.001}
			for i := range p {
				if rng.IntN(50) == 0 {
					p[i] = 0.4
				}
			}
			return p[0], p[1]
		}}},
		{"hardly a request", world{old: same, new: same, share: func(look int) (int, int) { return look % 2, 1 - min(look%7, 1) }}},
		{"an old release that is gone", world{old: same, new: same, past: 500, nOld: 0, nNew: 10}},
		{"a slow spell of both", world{old: same, new: same, past: 500, nOld: 40, nNew: 10, slow: 100}},
		{"a machine that gets slow as new gets all requests", world{old: same, new: same, past: 500, nNew: 50, slow: 1, alone: true}},
		{"the same, with requests of old that are answered late", world{old: same, new: same, past: 500, slow: 1, alone: true,
			share: func(look int) (int, int) { return max(10-look, 0), 50 }}},
		{"a machine that gets slow as the last request of old is answered", world{old: same, new: same, past: 500, slow: 100,
			share: func(look int) (int, int) {
				if look < 100 {
					return 40, 10
				}
				return 0, 50
			}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const runs = 200 / part
			if c.w.looks = 500; c.w.limits.Latency == 0 {
				c.w.limits = defaults
			}
			if got := len(c.w.after(runs)); float64(got) > Alpha*runs {
				t.Errorf("%d of %d releases within the limits were condemned", got, runs)
			} else {
				t.Logf("condemned: %d of %d", got, runs)
			}
		})
	}
}

// How soon a bad release is found. The table of docs/analysis.md is printed by
// this test.
func TestPowerFinds(t *testing.T) {
	good := answering(0.001, 20*time.Millisecond, 0.5)
	const runs = 200 / part
	points := []int64{10, 50, 100, 500, 1000}
	for _, c := range []struct {
		name string
		new  *release
		want [5]int // at least so many per cent of them, by points
	}{
		{"100 % errors", answering(1, 20*time.Millisecond, 0.5), [5]int{100, 100, 100, 100, 100}},
		{"20 % errors", answering(0.2, 20*time.Millisecond, 0.5), [5]int{5, 90, 99, 100, 100}},
		{"5 % errors", answering(0.05, 20*time.Millisecond, 0.5), [5]int{0, 5, 15, 90, 99}},
		{"twice as slow", answering(0.001, 40*time.Millisecond, 0.5), [5]int{0, 0, 5, 90, 99}},
		{"three times as slow", answering(0.001, 60*time.Millisecond, 0.5), [5]int{0, 90, 99, 100, 100}},
	} {
		after, passed := world{limits: defaults, old: good, new: c.new, nOld: 19, nNew: 1, looks: 1000, past: 1000}.outcomes(runs)
		var row strings.Builder
		for i, n := range points {
			found := 0
			for _, m := range after {
				if m <= n {
					found++
				}
			}
			found = 100 * found / runs
			fmt.Fprintf(&row, " | %d %%", found)
			if found < c.want[i] && part == 1 {
				t.Errorf("%s: %d %% found after %d requests of the new release, want %d %%", c.name, found, n, c.want[i])
			}
		}
		t.Logf("| %s%s | %d %% |", c.name, row.String(), 100*passed/runs)
		if part == 1 && passed*100 > 10*runs {
			t.Errorf("%s: %d of %d would have passed", c.name, passed, runs)
		}
	}
}

// A test that never let anything pass would have no false alarms either.
func TestEqualReleasesPassSoon(t *testing.T) {
	same := answering(0.001, 20*time.Millisecond, 0.5)
	const runs = 1000 / part
	_, passed := world{limits: defaults, old: same, new: same, nOld: 19, nNew: 1, looks: 2 * defaults.Requests, past: 1000}.outcomes(runs)
	t.Logf("passed after twice the requests that they need: %d of %d", passed, runs)
	if passed*100 < 97*runs {
		t.Errorf("%d of %d equal releases passed", passed, runs)
	}
}

// A stake is kept for later: what an hour was well does not outweigh what is bad now.
func TestReleaseThatTurnsBadAfterAnHourIsFound(t *testing.T) {
	good := answering(0.001, 20*time.Millisecond, 0.5)
	turn := 7200
	w := world{limits: defaults, old: good, new: good, nOld: 8, nNew: 2, looks: turn + 600, rates: func(_ *rand.Rand, look int) (float64, float64) {
		if look < turn {
			return 0.001, 0.001
		}
		return 0.001, 0.3
	}}
	for _, n := range w.after(8) {
		if late := n/2 - int64(turn); late <= 0 || late > 400 {
			t.Errorf("found %d looks after it turned bad", late)
		}
	}
	if got := len(w.after(8)); got != 8 {
		t.Errorf("found %d of 8", got)
	}
}

// times makes counts whose requests all took d.
func times(requests, errors int64, d time.Duration) Counts {
	c := Counts{Requests: requests, Errors: errors, Histogram: make([]int64, len(bounds)+1)}
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	c.Histogram[i] = requests
	return c
}

func TestVerdictIn(t *testing.T) {
	ok := func(n int64) Counts { return times(n, 0, 20*time.Millisecond) }
	bad := func(n int64) Counts { return times(n, n, 20*time.Millisecond) }
	strict := defaults
	strict.Most = 0.02
	quick := defaults
	quick.P95 = 30 * time.Millisecond
	for _, c := range []struct {
		name     string
		limits   Limits
		past     Counts
		old, new Counts // of each look
		looks    int
		want     State
		summary  string // is in it
		evidence string
	}{
		{name: "no traffic", limits: defaults, looks: 1000, want: Undecided, summary: "0 requests, errors – (old none); waiting for 100 requests"},
		{name: "few requests, all well", limits: defaults, old: ok(30), new: ok(1), looks: 99, want: Undecided, summary: "waiting for 100 requests"},
		{name: "enough requests", limits: defaults, old: ok(30), new: ok(1), looks: 100, want: NotWorse, summary: "100 requests, errors 0 % (old 0 %), p95 20ms (old 20ms); not worse"},
		{name: "few requests, all failed", limits: defaults, old: ok(30), new: bad(1), looks: 9, want: Undecided},
		{name: "ten requests, all failed", limits: defaults, old: ok(30), new: bad(1), looks: 10, want: Worse, evidence: "errors: 9 of 9 (100 %) of the new release's requests failed, of the old one's 0 of 270 (0 %) in the same time; tolerated are 1 point more"},
		{name: "one burst", limits: defaults, old: ok(1000), new: bad(1000), looks: 1, want: Undecided, summary: "waiting"},
		{name: "both fail", limits: defaults, old: bad(30), new: bad(10), looks: 100, want: NotWorse},
		{name: "twice as slow", limits: defaults, old: ok(30), new: times(10, 0, 40*time.Millisecond), looks: 10, want: Worse, evidence: "took longer than"},
		{name: "faster", limits: defaults, old: ok(30), new: times(10, 0, 5*time.Millisecond), looks: 50, want: NotWorse},
		{name: "worse than the bound, as old is", limits: strict, old: times(50, 5, 20*time.Millisecond), new: times(50, 5, 20*time.Millisecond), looks: 50, want: Worse, evidence: "2 % are tolerated at the most"},
		{name: "no old release, no bound", limits: defaults, new: bad(10), looks: 100, want: NotWorse, summary: "old none"},
		{name: "no old release, a bound", limits: strict, new: bad(10), looks: 100, want: Worse, evidence: "errors: "},
		{name: "an old release that has gone", limits: defaults, past: ok(1000), new: times(20, 2, 20*time.Millisecond), looks: 60, want: Worse, evidence: "the old release has none any more"},
		{name: "an old release that has gone and was fast", limits: defaults, past: ok(1000), new: times(20, 0, 100*time.Millisecond), looks: 60, want: NotWorse,
			summary: "1200 requests, errors 0 % (old none), p95 112ms (not compared, as the old release has no requests); not worse"},
		{name: "no old release, a bound on times, slower", limits: quick, new: times(20, 0, 40*time.Millisecond), looks: 60, want: Worse,
			evidence: "p95 latency: 180 of 180 (100 %) of the new release's requests took longer than 32ms; 5 % are tolerated at the most"},
		{name: "no old release, a bound on times, within it", limits: quick, new: ok(20), looks: 60, want: NotWorse},
		{name: "an old release as slow, a bound on times", limits: quick, old: times(20, 0, 40*time.Millisecond), new: times(20, 0, 40*time.Millisecond), looks: 60, want: Worse, evidence: "32ms"},
		{name: "an old release that has gone and was no better", limits: defaults, past: ok(1000), new: ok(20), looks: 60, want: NotWorse},
		{name: "old with few requests", limits: defaults, old: ok(1), new: ok(100), looks: 19, want: Undecided, summary: "waiting for requests of the old release"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := New(c.limits, bounds)
			a.Past(c.past)
			for range c.looks {
				a.Look(c.old, c.new)
			}
			evidence := strings.Join(a.Evidence(), "\n")
			if a.State() != c.want || !strings.Contains(a.Summary(), c.summary) || !strings.Contains(evidence, c.evidence) {
				t.Errorf("%v: %s\n%s", a.State(), a.Summary(), evidence)
			}
		})
	}
}

// A last request of an old release that is leaving is not waited on for more.
func TestOldReleaseThatLeavesIsNotWaitedFor(t *testing.T) {
	a := New(defaults, bounds)
	a.Look(times(1, 0, 20*time.Millisecond), times(20, 0, 20*time.Millisecond))
	for range 20 {
		a.Look(Counts{}, times(20, 0, 20*time.Millisecond))
	}
	if a.State() != NotWorse {
		t.Error(a.Summary())
	}
}

func TestMeterCountsEachSourceFromItsOwnBeginning(t *testing.T) {
	var m Meter
	m.Since("proxy 1", times(100, 3, time.Millisecond))
	if got := m.Since("proxy 1", times(110, 4, time.Millisecond)); got.Requests != 10 || got.Errors != 1 || total(got.Histogram) != 10 {
		t.Errorf("after 10 requests: %+v", got)
	}
	late := times(110, 5, time.Millisecond)
	if got := m.Since("proxy 1", late); got.Errors != 0 {
		t.Errorf("an error that came late, without a request: %+v", got)
	}
	late.Requests++
	if got := m.Since("proxy 1", late); got.Requests != 1 || got.Errors != 1 {
		t.Errorf("the request after an error that came late: %+v", got)
	}
	if got := m.Since("proxy 2", times(7, 1, time.Millisecond)); got.Requests != 7 || got.Errors != 1 {
		t.Errorf("of a new source with 7 requests: %+v", got)
	}
	if got := m.Since("proxy 1", times(5, 0, time.Millisecond)); got.Requests != 5 || got.Errors != 0 || total(got.Histogram) != 5 {
		t.Errorf("of a source that began anew: %+v", got)
	}
}

// Whatever the counts: a release that does in every look what the old one does,
// or less of the bad, is never Worse, and nothing is ever not a number.
func FuzzNoWorseReleaseIsCondemned(f *testing.F) {
	f.Add(uint64(1), uint16(100), uint16(10), uint8(1))
	f.Add(uint64(2), uint16(1), uint16(1), uint8(9))
	f.Add(uint64(3), uint16(0), uint16(60000), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, most, worst uint16, less uint8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		a := New(Limits{Requests: rng.IntN(1000), Errors: rng.Float64() / 50, Latency: 3 * rng.Float64()}, bounds)
		for range 200 {
			old := anything(rng, int(most), int(worst))
			new := Counts{Requests: old.Requests, Errors: old.Errors / int64(less%4+1), Histogram: make([]int64, len(old.Histogram))}
			for i, n := range old.Histogram {
				new.Histogram[max(i-int(less%3), 0)] += n
			}
			if a.Look(old, new) == Worse {
				t.Fatalf("%s\n%s", a.Summary(), strings.Join(a.Evidence(), "\n"))
			}
			for _, s := range a.tests {
				if odds := s.odds(); !(odds > 0) {
					t.Fatalf("odds of %s: %v", s.name, odds)
				}
			}
		}
	})
}

func anything(rng *rand.Rand, most, worst int) Counts {
	c := Counts{Histogram: make([]int64, len(bounds)+1)}
	c.Requests = int64(rng.IntN(most + 1))
	c.Errors = min(c.Requests, int64(rng.IntN(worst+1)))
	for range min(c.Requests, 50) {
		c.Histogram[rng.IntN(len(c.Histogram))] += c.Requests / min(c.Requests, 50)
	}
	return c
}
