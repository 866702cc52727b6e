package analysis

import (
	"math"
	"slices"
	"time"
)

// A share is one of the things that are compared: its test, and what it was
// fed, for people.
type share struct {
	name  string
	kind  kind
	alpha float64 // of Alpha
	excess
	scatter scatter
	seen    tally // all of it
	run     tally // since it began to speak against the new release
	score   float64
}

// kind says what is counted in a block; ok is false if it cannot be said yet.
type kind interface {
	sample(a *Analysis, b *block) (s sample, ok bool)
	words(a *Analysis, t *share) []string // for people: what speaks against the new release
}

// tally adds up samples.
type tally struct {
	n, x, m, y float64
	allowed    float64 // what y may be, going by the old release's own share in each block
	last       sample
	blocks     int
}

func (t *tally) add(s sample) {
	limit := s.guess
	if !s.fixed {
		limit = s.x / s.n
	}
	t.n, t.x, t.m, t.y = t.n+s.n, t.x+s.x, t.m+s.m, t.y+s.y
	t.allowed += s.m * (limit + s.within)
	t.last = s
	t.blocks++
}

// test feeds the block to the test.
func (t *share) test(a *Analysis, b *block) {
	s, ok := t.kind.sample(a, b)
	if !ok || s.m == 0 || (s.n == 0 && !s.fixed) {
		return
	}
	s.design = t.scatter.design(s)
	before := t.odds()
	t.add(s)
	t.scatter.learn(s, a.known.requests)
	t.seen.add(s)
	if t.score += math.Log(t.odds() / before); t.score <= 0 {
		t.score, t.run = 0, tally{}
		return
	}
	t.run.add(s)
}

// doubtful says whether the new release looks worse, if only by chance.
func (t *share) doubtful() bool { return t.seen.y > t.seen.allowed || t.odds() >= 3 }

// comparing says whether there is more to come.
func (t *share) comparing(a *Analysis) bool {
	_, times := t.kind.(slow)
	return !times || !a.gone
}

// failing counts errors; within is tolerated beyond the old release's.
type failing struct{ within float64 }

func (k failing) sample(a *Analysis, b *block) (sample, bool) {
	h := &a.known
	s := sample{n: float64(b.old.Requests), x: float64(b.old.Errors), m: float64(b.new.Requests), y: float64(b.new.Errors),
		guess: (h.errors + 0.1) / (h.requests + 1), within: k.within}
	if s.n == 0 {
		s.guess, s.fixed = upper(h.errors, h.requests), true
		return s, h.requests >= settled
	}
	return s, h.requests >= calibrate
}

// absolute counts errors against a bound of their own.
type absolute float64

func (k absolute) sample(_ *Analysis, b *block) (sample, bool) {
	return sample{m: float64(b.new.Requests), y: float64(b.new.Errors), guess: float64(k), fixed: true}, true
}

// slow counts the requests that took longer than a quantile of the old
// release's times, and of new's, those that took scale times longer. A block
// without requests of the old release tells nothing: the machine may be slow.
type slow struct{ quantile, scale float64 }

// slack is the share that may be beyond in addition, so that a spell of a busy
// machine is none of a release's.
const slack = 0.02

func (k slow) sample(a *Analysis, b *block) (sample, bool) {
	bucket, beyondIt, n := a.known.near(k.quantile)
	limit, ok := k.limit(a.bounds, bucket)
	if !ok {
		return sample{}, false
	}
	s := sample{n: float64(total(b.old.Histogram)), x: float64(beyond(b.old.Histogram, bucket)),
		m: float64(total(b.new.Histogram)), y: float64(beyond(b.new.Histogram, limit)), guess: (beyondIt + 0.5) / (n + 1)}
	// Where many times share a bucket, fewer than 1-quantile are beyond it. The
	// quantile is what is judged, not what is above it.
	s.within = max(1-k.quantile-s.guess, 0) + slack
	return s, n >= calibrate
}

// absoluteTime counts the requests that took longer than a bound of their own,
// which a share of tail may.
type absoluteTime time.Duration

const tail = 0.05

func (k absoluteTime) sample(a *Analysis, b *block) (sample, bool) {
	bucket, _ := slices.BinarySearch(a.bounds, time.Duration(k))
	return sample{m: float64(total(b.new.Histogram)), y: float64(beyond(b.new.Histogram, bucket)), guess: tail, fixed: true}, bucket < len(a.bounds)
}

// limit is the bucket beyond which a request of the new release is slow, if the
// old one's quantile is in bucket.
func (k slow) limit(bounds []time.Duration, bucket int) (int, bool) {
	if bucket >= len(bounds) {
		return 0, false
	}
	least := max(time.Duration(k.scale*float64(bounds[bucket])), bounds[bucket]+harmless)
	for i := bucket; i < len(bounds); i++ {
		if bounds[i] >= least {
			return i, true
		}
	}
	return 0, false
}

// upper is the upper end of what a share may be that was seen as x of n: three
// standard errors by Wilson's score interval, which is right for x = 0, too.
func upper(x, n float64) float64 {
	const z2 = 9
	if n == 0 {
		return 1
	}
	p := x / n
	return min((p+z2/(2*n)+math.Sqrt(z2*(p*(1-p)/n+z2/(4*n*n))))/(1+z2/n), 1)
}

// scatter learns how much more the old release's share varies from block to
// block than it would if requests were independent: the correlation of two
// requests of a block, by the method of moments.
type scatter struct{ excess, pairs float64 }

// outlying bounds what one block says about it.
const outlying = 50

func (c *scatter) learn(s sample, known float64) {
	if s.n < 2 || known < settled {
		return
	}
	c.excess += min((s.x-s.n*s.guess)*(s.x-s.n*s.guess)/(s.n*s.guess*(1-s.guess)), outlying) - 1
	c.pairs += s.n - 1
}

// design is the design effect (Kish) on a difference of the sample's two
// shares, whose size is the harmonic one.
func (c *scatter) design(s sample) float64 {
	size := s.m
	if !s.fixed {
		size = s.n * s.m / (s.n + s.m)
	}
	if c.excess <= 0 || c.pairs == 0 || size <= 1 {
		return 1
	}
	return 1 + (size-1)*min(c.excess/c.pairs, 1)
}
