package backfill

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A simulated database: what a batch takes, and what others' small transactions
// take, in time that is not real.
type simulated struct {
	perRow, commit time.Duration
	total          int
	others         func(at time.Duration) bool                          // nil: always
	base           func(r *rand.Rand) time.Duration                     // of a small transaction, without us
	hurt           func(s *simulated, took time.Duration) time.Duration // what we do to one that begins now
	stall          [2]time.Duration                                     // nothing is answered from the one to the other
	lag            func(s *simulated) time.Duration

	mu       sync.Mutex
	began    time.Time
	r        *rand.Rand
	done     int
	until    time.Time // of the batch that is under way
	busy     []span    // of the last batches
	batches  []batchOf
	fail     func(rows int) error
	patience time.Duration // 0: a second
	failures int
	bursts   bool      // the machine is slow now and then, for some time
	slow     bool      // it is now
	change   time.Time // when that ends
}

type span struct{ from, to time.Time }

type batchOf struct {
	at   time.Duration
	rows int
}

var errPassing = errors.New("a deadlock")

func (s *simulated) batch(ctx context.Context, rows int) (stretch, bool, error) {
	s.mu.Lock()
	now := time.Now()
	s.batches = append(s.batches, batchOf{now.Sub(s.began), rows})
	if s.fail != nil {
		if err := s.fail(rows); err != nil {
			s.failures++
			s.mu.Unlock()
			return stretch{}, errors.Is(err, errPassing), err
		}
	}
	rows = min(rows, s.total-s.done)
	statement := time.Duration(rows)*s.perRow + s.stalled(now)
	s.until = now.Add(statement + s.commit)
	s.busy = append(s.busy, span{now, s.until})
	s.busy = s.busy[max(0, len(s.busy)-100):]
	s.mu.Unlock()
	if err := sleep(ctx, statement+s.commit); err != nil {
		return stretch{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done += rows
	return stretch{rows: rows, statement: statement, last: s.done == s.total}, false, nil
}

// stalled is how long what begins now has to wait for the stall's end.
func (s *simulated) stalled(now time.Time) time.Duration {
	if at := now.Sub(s.began); at >= s.stall[0] && at < s.stall[1] {
		return s.stall[1] - at
	}
	return 0
}

// used is the share of the last 20 ms that was ours.
func (s *simulated) used() float64 {
	const over = 20 * time.Millisecond
	now := time.Now()
	var sum time.Duration
	for _, b := range s.busy {
		from, to := b.from, b.to
		if begin := now.Add(-over); from.Before(begin) {
			from = begin
		}
		if to.After(now) {
			to = now
		}
		sum += max(0, to.Sub(from))
	}
	return float64(sum) / float64(over)
}

// transaction is what a small one takes that begins now, with us and without.
func (s *simulated) transaction() (with, without time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	without = s.base(s.r)
	if s.burst() {
		without *= 3
	}
	with = without + s.stalled(time.Now())
	if s.hurt != nil {
		with += s.hurt(s, without)
	}
	return with, without
}

// burst says whether the machine is slow just now.
func (s *simulated) burst() bool {
	if now := time.Now(); s.bursts && now.After(s.change) {
		s.slow = !s.slow
		s.change = now.Add(time.Duration(s.r.ExpFloat64() * float64(time.Second)))
	}
	return s.slow
}

func (s *simulated) probe(ctx context.Context) error {
	with, _ := s.transaction()
	return sleep(ctx, with)
}

func (s *simulated) look(context.Context) (view, error) {
	v := view{others: s.others == nil || s.others(time.Since(s.began))}
	if s.lag != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		v.lag = s.lag(s)
	}
	return v, nil
}

func (s *simulated) blockers(context.Context) string { return "somebody" }

// A result is what became of a simulated backfill.
type result struct {
	speed float64 // of a single statement's
	worse float64 // by how much the 99th percentile of others has grown
	took  time.Duration
	told  []Progress
	err   error
}

// simulate runs a backfill of s while others send a transaction each millisecond.
func simulate(t *testing.T, s *simulated) (out result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.began, s.r = time.Now(), rand.New(rand.NewPCG(1, 2))
		if s.base == nil {
			s.base = func(r *rand.Rand) time.Duration { return lognormal(r, time.Millisecond, 0.5) }
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		others, stop := context.WithCancel(ctx)
		var with, without []time.Duration
		var wg sync.WaitGroup
		wg.Go(func() {
			for sleep(others, time.Millisecond) == nil {
				a, b := s.transaction()
				with, without = append(with, a), append(without, b)
			}
		})
		o := Options{Progress: func(p Progress) { out.told = append(out.told, p) }}.withDefaults()
		r := &report{told: o.Progress, progress: Progress{Total: int64(s.total)}}
		r.mark(time.Now())
		h := &helm{work: s, senses: s, pace: newPace(o, 0), report: r, patience: max(s.patience, time.Second)}
		out.err = h.run(ctx)
		out.took = time.Since(s.began)
		stop()
		wg.Wait()
		out.speed = float64(time.Duration(s.total)*s.perRow) / float64(out.took)
		out.worse = float64(p99(with)) / float64(p99(without))
	})
	t.Logf("%.2f of a single statement's speed; others' p99 is %.2f times what it was; %v, %d batches", out.speed, out.worse, out.took, len(s.batches))
	return out
}

func p99(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*99/100]
}

func lognormal(r *rand.Rand, median time.Duration, sigma float64) time.Duration {
	return time.Duration(float64(median) * math.Exp(sigma*r.NormFloat64()))
}

// lock makes a part of those that begin during a batch wait for its end.
func lock(share float64) func(*simulated, time.Duration) time.Duration {
	return func(s *simulated, _ time.Duration) time.Duration {
		if left := time.Until(s.until); left > 0 && s.r.Float64() < share {
			return left
		}
		return 0
	}
}

// contend makes all slower by as much as we use of the machine.
func contend(by float64) func(*simulated, time.Duration) time.Duration {
	return func(s *simulated, took time.Duration) time.Duration {
		return time.Duration(by * s.used() * float64(took))
	}
}

func TestAPaceIsWhatOthersBear(t *testing.T) {
	t.Parallel()
	const row = 5 * time.Microsecond
	for _, c := range []struct {
		name  string
		s     *simulated
		speed float64 // at least
		worse float64 // at most
	}{
		{"alone", &simulated{perRow: row, commit: time.Millisecond, total: 1_000_000, others: func(time.Duration) bool { return false }}, 0.95, 1},
		{"others do not feel it", &simulated{perRow: row, commit: time.Millisecond, total: 1_000_000}, 0.78, 1},
		{"others feel it a little", &simulated{perRow: row, commit: time.Millisecond, total: 1_000_000, hurt: contend(0.15)}, 0.7, 1.2},
		{"others get as slow as it is busy", &simulated{perRow: row, commit: time.Millisecond, total: 500_000, hurt: contend(1)}, 0.05, 1.5},
		{"others wait for its locks", &simulated{perRow: row, commit: time.Millisecond, total: 500_000, hurt: lock(0.3)}, 0.05, 1.6},
		{"hardly anybody waits for its locks", &simulated{perRow: row, commit: time.Millisecond, total: 1_000_000, hurt: lock(0.004)}, 0.7, 1.2},
		{"others are slow now and then by themselves", &simulated{perRow: row, commit: time.Millisecond, total: 1_000_000, base: spikes}, 0.7, 1},
		{"others are slow for some seconds by themselves", &simulated{perRow: row, commit: time.Millisecond, total: 1_000_000, bursts: true}, 0.5, 1},
		{"others' load is slow", &simulated{perRow: row, commit: 10 * time.Millisecond, total: 1_000_000, base: func(r *rand.Rand) time.Duration {
			return lognormal(r, 20*time.Millisecond, 0.4)
		}}, 0.3, 1},
		{"rows are slow", &simulated{perRow: 2 * time.Millisecond, commit: time.Millisecond, total: 5_000}, 0.8, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := simulate(t, c.s)
			if got.err != nil || c.s.done != c.s.total {
				t.Fatalf("%d of %d rows are done: %v", c.s.done, c.s.total, got.err)
			}
			if got.speed < c.speed {
				t.Errorf("it has %.2f of a single statement's speed, want %.2f", got.speed, c.speed)
			}
			if got.worse > c.worse {
				t.Errorf("others' p99 is %.2f times what it was, want %.2f", got.worse, c.worse)
			}
		})
	}
}

func spikes(r *rand.Rand) time.Duration {
	if r.Float64() < 0.02 {
		return lognormal(r, 30*time.Millisecond, 0.5)
	}
	return lognormal(r, time.Millisecond, 0.7)
}

func TestNothingIsBegunWhileTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	s := &simulated{perRow: 5 * time.Microsecond, commit: time.Millisecond, total: 2_000_000, stall: [2]time.Duration{3 * time.Second, 13 * time.Second}}
	got := simulate(t, s)
	if got.err != nil {
		t.Fatal(got.err)
	}
	within, after := 0, 0
	for _, b := range s.batches {
		if b.at >= s.stall[0] && b.at < s.stall[1] {
			within++
		}
		if b.at >= s.stall[1]+3*time.Second {
			after = max(after, b.rows)
		}
	}
	if within > 1 {
		t.Errorf("%d batches were begun while nothing was answered", within)
	}
	if after < 500 {
		t.Errorf("three seconds later a batch has %d rows at most", after)
	}
	if got.took > 28*time.Second {
		t.Errorf("it took %v, 10 s of which were the stall", got.took)
	}
}

func TestItGoesSlowerWhenOthersComeAndFasterWhenTheyGo(t *testing.T) {
	t.Parallel()
	s := &simulated{perRow: 5 * time.Microsecond, commit: time.Millisecond, total: 4_000_000, hurt: contend(2)}
	s.others = func(at time.Duration) bool { return at > 5*time.Second && at < 20*time.Second }
	if got := simulate(t, s); got.err != nil {
		t.Fatal(got.err)
	}
	rows := func(from, to time.Duration) (n int) {
		for _, b := range s.batches {
			if b.at >= from && b.at < to {
				n += b.rows
			}
		}
		return n
	}
	before, among, after := rows(0, 4*time.Second)/4, rows(8*time.Second, 18*time.Second)/10, rows(21*time.Second, 22*time.Second)
	if among > before/2 || after < before*3/4 {
		t.Errorf("rows a second: %d, then with others %d, then without them %d", before, among, after)
	}
}

func TestItWaitsForReplicas(t *testing.T) {
	t.Parallel()
	// The replica does 100,000 rows a second, and was 3 s behind before.
	s := &simulated{perRow: 5 * time.Microsecond, commit: time.Millisecond, total: 1_000_000, others: func(time.Duration) bool { return false }}
	worst := time.Duration(0)
	s.lag = func(s *simulated) time.Duration {
		behind := 3*time.Second + max(0, time.Duration(s.done)*time.Second/100_000-time.Since(s.began))
		worst = max(worst, behind)
		return behind
	}
	got := simulate(t, s)
	if got.err != nil || worst > 6*time.Second {
		t.Errorf("a replica was %v behind: %v", worst, got.err)
	}
	if !slices.ContainsFunc(got.told, func(p Progress) bool { return strings.Contains(p.Waiting, "a replica is ") }) {
		t.Error("it did not tell what it waits for")
	}
}

func TestAfterAConflictBatchesAreSmallerForSomeTime(t *testing.T) {
	t.Parallel()
	s := &simulated{perRow: 5 * time.Microsecond, commit: time.Millisecond, total: 200_000, patience: 10 * time.Second}
	s.fail = func(rows int) error { // somebody holds a row for 3 s
		if at := time.Since(s.began); at > time.Second && at < 4*time.Second && rows > 3 {
			return errPassing
		}
		return nil
	}
	got := simulate(t, s)
	if got.err != nil || s.failures == 0 || s.failures > 40 {
		t.Errorf("%d failures: %v", s.failures, got.err)
	}
	if got.took > 12*time.Second {
		t.Errorf("it took %v", got.took)
	}
}

func TestItGivesUpIfNothingSucceeds(t *testing.T) {
	t.Parallel()
	s := &simulated{perRow: time.Microsecond, total: 1000, patience: 20 * time.Second, fail: func(int) error { return errPassing }}
	got := simulate(t, s)
	if !errors.Is(got.err, errPassing) || got.took < 20*time.Second || got.took > 23*time.Second {
		t.Errorf("after %v: %v", got.took, got.err)
	}
}

func TestProgressIsToldTenTimesASecondAtMost(t *testing.T) {
	t.Parallel()
	s := &simulated{perRow: 5 * time.Microsecond, commit: time.Millisecond, total: 2_000_000}
	got := simulate(t, s)
	if most := int(got.took/tellEvery) + 2; len(got.told) > most {
		t.Errorf("%d times in %v", len(got.told), got.took)
	}
	half := got.told[len(got.told)/2]
	left := time.Duration(float64(got.took) / 2)
	if half.Left < left*2/3 || half.Left > left*3/2 || half.Rate < 100_000 || half.Total != 2_000_000 {
		t.Errorf("at half time: %+v of %v", half, got.took)
	}
	if end := got.told[len(got.told)-1]; end.Rows != 2_000_000 || end.Left != 0 {
		t.Errorf("at the end: %+v", end)
	}
}
