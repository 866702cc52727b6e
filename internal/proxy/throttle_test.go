package proxy

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// crowd is a service in simulated time: so many workers, each taking hold for a
// request, and a queue without end before them. Arrivals are a Poisson process.
type crowd struct {
	workers int
	hold    time.Duration
	bound   int // in flight
	rate    [4]float64
	random  *rand.Rand

	now      time.Duration
	ends     times // of those that are served or wait
	free     times // when each worker is free
	throttle throttle
	byP95    time.Duration // 0: by what is in flight
	took     []time.Duration
	offered  [4]int
	turned   [4]int
	lately   [4]time.Duration
	slowest  time.Duration
	dials    []float64
}

type times []time.Duration

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i] < t[j] }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *times) Push(x any)        { *t = append(*t, x.(time.Duration)) }
func (t *times) Pop() any {
	old := *t
	x := old[len(old)-1]
	*t = old[:len(old)-1]
	return x
}

func newCrowd(seed uint64) *crowd {
	c := &crowd{workers: 20, hold: 100 * time.Millisecond, bound: 25, random: rand.New(rand.NewPCG(seed, 1))}
	for range c.workers {
		heap.Push(&c.free, time.Duration(0))
	}
	return c
}

// capacity is in requests a second.
func (c *crowd) capacity() float64 { return float64(c.workers) / c.hold.Seconds() }

// run offers the rates, as shares of the capacity, for some time.
func (c *crowd) run(d time.Duration, low, normal, high, critical float64) {
	c.rate = [4]float64{low, normal, high, critical}
	c.offered, c.turned, c.slowest, c.dials = [4]int{}, [4]int{}, 0, nil
	window := c.now + windowLeast
	for end := c.now + d; c.now < end; {
		c.arrivals()
		c.now += shedEvery
		for len(c.ends) > 0 && c.ends[0] <= c.now {
			heap.Pop(&c.ends)
		}
		r := reading{}
		if c.byP95 == 0 {
			r.inflight = float64(len(c.ends)) / float64(c.bound)
		} else if c.now >= window {
			window = c.now + windowLeast
			p := c.quantile()
			r.p95 = &p
		}
		left := int(c.throttle.dial/pointsRank) - 1
		r.idle = left >= 0 && (c.lately[left] == 0 || c.now-c.lately[left] > standFor)
		c.dials = append(c.dials, c.throttle.step(r, shedEvery))
	}
}

func (c *crowd) quantile() float64 {
	var h Histogram
	keep := c.took[:0]
	for n := 0; n+1 < len(c.took); n += 2 {
		if c.took[n] > c.now {
			keep = append(keep, c.took[n], c.took[n+1])
			continue
		}
		h[bucket(int64(c.took[n+1]))]++
	}
	c.took = keep
	return float64(quantile(&h, 0.95)) / float64(c.byP95)
}

// arrivals are those of a step.
func (c *crowd) arrivals() {
	dial := int32(c.throttle.dial * dialRank / pointsRank)
	for r, share := range c.rate {
		perSecond := share * c.capacity()
		for at := c.now; perSecond > 0; {
			at += time.Duration(c.random.ExpFloat64() / perSecond * float64(time.Second))
			if at > c.now+shedEvery {
				break
			}
			c.offered[r]++
			if c.random.Int32N(dialRank) < rank(r).share(dial) {
				c.turned[r]++
				c.lately[r] = at
				continue
			}
			begin := max(heap.Pop(&c.free).(time.Duration), at)
			heap.Push(&c.free, begin+c.hold)
			heap.Push(&c.ends, begin+c.hold)
			c.slowest = max(c.slowest, begin+c.hold-at)
			if c.byP95 > 0 {
				c.took = append(c.took, begin+c.hold, begin+c.hold-at)
			}
		}
	}
}

// At twice the capacity, what matters more is all served while the rest gives way, and
// afterwards everybody is served again.
func TestThrottleAtTwiceTheCapacity(t *testing.T) {
	for name, byP95 := range map[string]time.Duration{"in flight": 0, "p95": 250 * time.Millisecond} {
		for seed := range uint64(20) {
			c := newCrowd(seed)
			c.byP95 = byP95
			c.run(20*time.Second, 0.3, 0, 0.2, 0.1)
			if c.turned != [4]int{} {
				t.Errorf("%s, %d: turned away at 60 %% of the capacity: %v", name, seed, c.turned)
			}
			c.run(60*time.Second, 1.4, 0, 0.4, 0.2)
			if c.turned[rankHigh]+c.turned[rankCritical] > 0 || c.turned[rankLow] == 0 {
				t.Errorf("%s, %d: at twice the capacity, turned away: %v of %v", name, seed, c.turned, c.offered)
			}
			served := float64(c.offered[0]-c.turned[0]+c.offered[2]+c.offered[3]) / 60 / c.capacity()
			if served < 0.6 {
				t.Errorf("%s, %d: %.0f %% of the capacity is used at twice the capacity", name, seed, 100*served)
			}
			if c.slowest > 30*c.hold {
				t.Errorf("%s, %d: the slowest took %s", name, seed, c.slowest)
			}
			if n := flips(c.dials[len(c.dials)/6:]); n > 40 {
				t.Errorf("%s, %d: the dial turned round %d times in 50 s", name, seed, n)
			}
			c.run(40*time.Second, 0.3, 0, 0.2, 0.1)
			if c.throttle.dial != 0 {
				t.Errorf("%s, %d: the dial stands at %g when all is over", name, seed, c.throttle.dial)
			}
			c.run(20*time.Second, 0.3, 0, 0.2, 0.1)
			if c.turned != [4]int{} {
				t.Errorf("%s, %d: turned away when all is over: %v", name, seed, c.turned)
			}
		}
	}
}

// flips counts the times that the dial changed its direction.
func flips(dials []float64) (n int) {
	way := 0.0
	for i := 1; i < len(dials); i++ {
		d := dials[i] - dials[i-1]
		if d*way < 0 {
			n++
		}
		if d != 0 {
			way = d
		}
	}
	return n
}

// What a request pays: while there is capacity, a look at a number.
func BenchmarkSheds(b *testing.B) {
	s := &Shedding{InFlight: 100, Routes: []Ranked{{"/checkout", ImportanceCritical}, {"/account", ImportanceHigh}, {"/search", ImportanceLow}, {"/recommendations", ImportanceLow}}}
	t := target{service: &service{}, cfg: Service{Shedding: s}, ranking: s.ranking()}
	for name, dial := range map[string]int32{"off": 0, "on": 600} {
		b.Run(name, func(b *testing.B) {
			t.shedder.dial.Store(dial)
			b.ReportAllocs()
			for b.Loop() {
				t.sheds("/products/4711")
			}
		})
	}
}
