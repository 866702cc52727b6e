package analysis

import (
	"slices"
	"time"
)

// Counts are of one release: since a beginning, or between two looks.
type Counts struct {
	Requests  int64
	Errors    int64   // of them, failed by the release's fault
	Histogram []int64 // of them, by the time they took; one bucket more than there are bounds
}

// Add adds other's counts.
func (c *Counts) Add(other Counts) {
	c.Requests += other.Requests
	c.Errors += other.Errors
	if c.Histogram == nil && other.Histogram != nil {
		c.Histogram = make([]int64, len(other.Histogram))
	}
	for i := range min(len(c.Histogram), len(other.Histogram)) {
		c.Histogram[i] += other.Histogram[i]
	}
}

// since is what has come since before. A counter that began anew, since its
// process did, counts from zero.
func (c Counts) since(before Counts) Counts {
	if c.Requests < before.Requests || c.Errors < before.Errors {
		before = Counts{}
	}
	d := Counts{Requests: c.Requests - before.Requests, Errors: c.Errors - before.Errors, Histogram: make([]int64, len(c.Histogram))}
	for i, n := range c.Histogram {
		if i < len(before.Histogram) {
			n -= before.Histogram[i]
		}
		d.Histogram[i] = max(n, 0)
	}
	return d
}

// A Meter turns counts that only grow, told by several sources of which some
// come and go, into what was added between two looks. Its zero value is ready.
type Meter struct{ last map[string]Counts }

// Since returns what source has counted since it was last asked about; all of
// it, if it never was. Errors that came after their requests were told (an answer
// that was broken off) are put off to the next requests.
func (m *Meter) Since(source string, now Counts) Counts {
	if m.last == nil {
		m.last = map[string]Counts{}
	}
	d := now.since(m.last[source])
	late := max(d.Errors-d.Requests, 0)
	d.Errors -= late
	m.last[source] = Counts{Requests: now.Requests, Errors: now.Errors - late, Histogram: slices.Clone(now.Histogram)}
	return d
}

// block is what happened between two tests.
type block struct {
	old, new Counts
	looks    int
}

// clear empties it, and keeps its memory.
func (b *block) clear() {
	for _, c := range []*Counts{&b.old, &b.new} {
		clear(c.Histogram)
		c.Requests, c.Errors = 0, 0
	}
	b.looks = 0
}

// total is the number of times in a histogram, which are fewer than the
// requests while some were not timed.
func total(histogram []int64) (n int64) {
	for _, k := range histogram {
		n += k
	}
	return n
}

// beyond is how many are above the bucket.
func beyond(histogram []int64, bucket int) int64 {
	return total(histogram[min(bucket+1, len(histogram)):])
}

// Quantile is the upper bound of the bucket that the q-th part of the times
// ends in; ok is false without times, or if it is beyond the last bound.
func Quantile(histogram []int64, bounds []time.Duration, q float64) (d time.Duration, ok bool) {
	n := total(histogram)
	var sum int64
	for i, k := range histogram {
		if sum += k; n > 0 && float64(sum) >= q*float64(n) && i < len(bounds) {
			return bounds[i], true
		}
	}
	return 0, false
}

// history is what is known of the old release from before the block, the older
// the fainter, so that it follows the day.
type history struct {
	bounds           []time.Duration
	requests, errors float64
	histogram        []float64
}

func newHistory(bounds []time.Duration) history {
	return history{bounds: bounds, histogram: make([]float64, len(bounds)+1)}
}

func (h *history) add(c Counts) {
	h.requests += float64(c.Requests)
	h.errors += float64(c.Errors)
	for i, n := range c.Histogram {
		if i < len(h.histogram) {
			h.histogram[i] += float64(n)
		}
	}
}

func (h *history) age() {
	if h.requests < settled*growth {
		return // there is not too much of it
	}
	h.requests *= memory
	h.errors *= memory
	for i := range h.histogram {
		h.histogram[i] *= memory
	}
}

// near is the bucket whose upper bound is next to the q-th quantile of the
// times, how many are beyond it, and how many there are at all. The bound below
// is taken as long as it is not far from the quantile: any time may be compared
// at, and the lower one is the sharper.
func (h *history) near(q float64) (bucket int, beyond, n float64) {
	for _, k := range h.histogram {
		n += k
	}
	sum := 0.0
	for i, k := range h.histogram {
		if i > 0 && sum+k >= q*n && n-sum <= 1.5*(1-q)*n {
			return i - 1, n - sum, n
		}
		if sum += k; sum >= q*n {
			return i, max(n-sum, 0), n
		}
	}
	return len(h.histogram) - 1, 0, n
}
