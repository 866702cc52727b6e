package backfill

import (
	"math"
	"slices"
	"time"
)

// A window holds the last samples of a latency.
type window struct {
	most    int // samples that it holds
	samples []time.Duration
	next    int
}

func (w *window) add(d time.Duration) {
	if len(w.samples) < w.most {
		w.samples = append(w.samples, d)
		return
	}
	w.samples[w.next] = d
	w.next = (w.next + 1) % w.most
}

func (w *window) clear()   { w.samples, w.next = w.samples[:0], 0 }
func (w *window) len() int { return len(w.samples) }

// quantile is what so much of the samples do not exceed; 0 if there are none.
func (w *window) quantile(q float64) time.Duration {
	if len(w.samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(w.samples))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// exceeds says whether among samples there are more beyond factor times the
// quantile q of the window than there may be. deviations says how sure that has to
// be: both are a choice by chance. A few that are slow for their own reasons do not
// tell, as they would with a mean.
func (w *window) exceeds(samples []time.Duration, q, factor, deviations float64) bool {
	high := q + deviations*math.Sqrt(q*(1-q)/float64(max(1, w.len())))
	bound := time.Duration(factor * float64(w.quantile(high)))
	beyond := 0
	for _, d := range samples {
		if d > bound {
			beyond++
		}
	}
	expected := (1 - q) * float64(len(samples))
	return float64(beyond) > expected+deviations*math.Sqrt(expected)
}

// recent are the last samples, n at most.
func (w *window) recent(n int) []time.Duration {
	if len(w.samples) < w.most {
		return w.samples[max(0, len(w.samples)-n):]
	}
	var last []time.Duration
	for i := range min(n, w.most) {
		last = append(last, w.samples[(w.next-1-i+w.most)%w.most])
	}
	return last
}
