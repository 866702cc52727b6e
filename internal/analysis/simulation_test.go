package analysis

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// bounds are log-linear: four to a doubling. The proxy has more of them on
// either side, where the releases of these tests never come.
var bounds = func() (out []time.Duration) {
	for octave := 4 * time.Millisecond; octave < 250*time.Millisecond; octave *= 2 {
		for quarter := range time.Duration(4) {
			out = append(out, octave+octave*quarter/4)
		}
	}
	return out
}()

// A release answers requests by chance.
type release struct {
	errors float64
	times  [1 << 12]uint8 // buckets, equally likely
}

// answering makes a release whose times are log-normal around the median, with
// the spread sigma of their logarithm.
func answering(errors float64, median time.Duration, sigma float64) *release {
	r := &release{errors: errors}
	for i := range r.times {
		z := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/float64(len(r.times))-1)
		d := time.Duration(float64(median) * math.Exp(sigma*z))
		for int(r.times[i]) < len(bounds) && d > bounds[r.times[i]] {
			r.times[i]++
		}
	}
	return r
}

// slower is the same on a machine that has become five times as slow.
func (r *release) slower() *release {
	const longer = 9 // buckets: a little less than five times
	out := *r
	for i, bucket := range r.times {
		out.times[i] = min(bucket+longer, uint8(len(bounds)))
	}
	return &out
}

// do fills c with n requests, which fail with the probability errors.
func (r *release) do(c *Counts, rng *rand.Rand, n int, errors float64) {
	if c.Histogram == nil {
		c.Histogram = make([]int64, len(bounds)+1)
	}
	clear(c.Histogram)
	c.Requests, c.Errors = int64(n), 0
	for i := 0; i < n; i += 4 {
		v := rng.Uint64()
		for k := i; k < min(i+4, n); k++ {
			c.Histogram[r.times[v&0xfff]]++
			v >>= 16
		}
	}
	// Errors are few: skip from one to the next.
	for at := skip(rng, errors); at < n; at += 1 + skip(rng, errors) {
		c.Errors++
	}
}

// skip is how many successes come before the next error.
func skip(rng *rand.Rand, p float64) int {
	if p <= 0 {
		return math.MaxInt32
	}
	if p >= 1 {
		return 0
	}
	return int(min(math.Log(1-rng.Float64())/math.Log1p(-p), math.MaxInt32))
}

// A world is the two of them, and how many requests each gets in a look.
type world struct {
	limits     Limits
	old, new   *release
	nOld, nNew int
	share      func(look int) (old, new int) // in place of nOld and nNew
	looks      int
	rates      func(rng *rand.Rand, look int) (old, new float64) // of errors; nil: the releases'
	past       int                                               // requests of old before it begins
	slow       int                                               // from this look on both take five times as long; 0: never
	alone      bool
}

// run tells what becomes of it, after how many requests of the new release, and
// whether there was a look that would have let it pass before.
func (w world) run(seed uint64) (state State, n int64, passed bool) {
	rng := rand.New(rand.NewPCG(seed, 1))
	a := New(w.limits, bounds)
	var old, new Counts
	if w.past > 0 {
		w.old.do(&old, rng, w.past, w.old.errors)
		a.Past(old)
	}
	if w.alone {
		a.Alone()
	}
	for look := range w.looks {
		p, q := w.old.errors, w.new.errors
		if w.rates != nil {
			p, q = w.rates(rng, look)
		}
		if w.share != nil {
			w.nOld, w.nNew = w.share(look)
		}
		if w.slow > 0 && look == w.slow {
			w.old, w.new = w.old.slower(), w.new.slower()
		}
		w.old.do(&old, rng, w.nOld, p)
		w.new.do(&new, rng, w.nNew, q)
		if state = a.Look(old, new); state == Worse {
			break
		}
		passed = passed || state == NotWorse
	}
	return state, a.new.Requests, passed
}

// after lists after how many requests the condemned ones were, of so many runs.
func (w world) after(runs int) []int64 {
	after, _ := w.outcomes(runs)
	return after
}

// outcomes is after, and how many would have passed at the first look that let them.
func (w world) outcomes(runs int) (after []int64, passed int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for p := range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for seed := p; seed < runs; seed += runtime.GOMAXPROCS(0) {
				state, n, pass := w.run(uint64(seed))
				mu.Lock()
				if state == Worse {
					after = append(after, n)
				}
				if pass {
					passed++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return after, passed
}
