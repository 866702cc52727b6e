package proxy

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// parted notes when exchanges were asked to end.
type parted struct {
	began time.Time
	w     farewell
	mu    sync.Mutex
	at    []time.Duration
}

func newParted() *parted {
	p := &parted{began: time.Now()}
	p.w.clock = func() int64 { return int64(time.Since(p.began)) + 1 }
	return p
}

// flight lets an exchange come.
func (p *parted) flight(k kind, own time.Duration) *exchange {
	x := &exchange{r: &http.Request{Method: "GET"}, seams: &seams{parts: seamless{}}}
	x.cancel = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.at = append(p.at, time.Since(p.began))
	}
	x.flight.enter(x, &p.w, own, waiting)
	if k != waiting {
		x.flight.become(k, nil)
	}
	return x
}

func (p *parted) drain(after, spread time.Duration) {
	p.w.begin(drained, leaving{since: p.w.clock(), time: after, spread: spread})
}

func (p *parted) times() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+time.Millisecond {
		t.Errorf("%s after %s, want %s", what, got, want)
	}
}

// Whoever comes, before or after the announcement or its end, is asked at the
// time that its route or service grants.
func TestAskedWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParted()
		p.flight(waiting, 0)
		p.flight(download, 5*time.Second)
		gone := p.flight(waiting, 0)
		p.drain(2*time.Second, 0)
		gone.flight.leave()
		p.flight(download, time.Second)
		time.Sleep(10 * time.Second)
		p.flight(waiting, 0)
		synctest.Wait()
		got := p.times()
		if len(got) != 4 {
			t.Fatalf("asked at %v", got)
		}
		for i, d := range []time.Duration{1, 2, 5, 10} {
			near(t, "asked", got[i], d*time.Second)
		}
	})
}

// A request that comes to a leaving proxy on a connection that was idle has its
// time like any other, although that of those before it is over.
func TestLateToALeavingProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParted()
		p.w.begin(replaced, leaving{since: p.w.clock(), time: 2 * time.Second})
		time.Sleep(10 * time.Second)
		p.flight(waiting, 0)
		time.Sleep(time.Minute)
		near(t, "asked", p.times()[0], 12*time.Second)
	})
}

// The second of two announcements can only bring the end forward.
func TestEndIsNotPutOff(t *testing.T) {
	for _, c := range []struct{ first, second, want time.Duration }{{3, 10, 3}, {10, 3, 4}} {
		synctest.Test(t, func(t *testing.T) {
			p := newParted()
			p.flight(download, 0)
			p.drain(c.first*time.Second, 0)
			time.Sleep(time.Second)
			p.drain(c.second*time.Second, 0)
			time.Sleep(time.Minute)
			near(t, "asked", p.times()[0], c.want*time.Second)
		})
	}
}

// An instance that is routed again keeps its exchanges.
func TestCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParted()
		p.flight(download, 0)
		p.drain(time.Second, 0)
		p.w.callOff()
		time.Sleep(time.Minute)
		if got := p.times(); len(got) != 0 {
			t.Errorf("asked at %v", got)
		}
	})
}

// The sooner of the instance's end and the proxy's counts, once.
func TestSoonerOfTwoCauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParted()
		x := p.flight(download, 0)
		p.drain(5*time.Second, 0)
		p.w.begin(replaced, leaving{since: p.w.clock(), time: time.Second})
		time.Sleep(time.Minute)
		if got := p.times(); len(got) != 1 || x.flight.why() != replaced {
			t.Fatalf("asked at %v, why %d", got, x.flight.why())
		}
		near(t, "asked", p.times()[0], time.Second)
	})
}

// A request that may not be repeated is left to its instance, and a stream that
// it turns into is ended.
func TestLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParted()
		x := p.flight(waiting, 0)
		x.once = true
		y := p.flight(waiting, 0)
		y.once = true
		p.drain(time.Second, 0)
		time.Sleep(2 * time.Second)
		if len(p.times()) != 0 {
			t.Fatal("it was asked")
		}
		x.flight.become(download, nil)
		time.Sleep(time.Second)
		if len(p.times()) != 0 {
			t.Fatal("an answer in the last moment was cut")
		}
		y.flight.become(stream, nil)
		synctest.Wait()
		if len(p.times()) != 1 {
			t.Fatal("the stream was not ended")
		}
		p.w.begin(replaced, leaving{since: p.w.clock(), time: time.Second})
		time.Sleep(2 * time.Second)
		if len(p.times()) != 2 {
			t.Error("the proxy leaves without it")
		}
	})
}

// Those who come back at once are asked evenly over the spread, others at once.
func TestSpread(t *testing.T) {
	for _, c := range []struct {
		n     int
		first time.Duration // gap between the first two
		last  time.Duration // at which the last is asked, at most
	}{{1, 0, 0}, {2, 100 * time.Millisecond, 100 * time.Millisecond}, {50, 100 * time.Millisecond, 5 * time.Second}, {1000, 0, 5 * time.Second}, {3000, 0, 5 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			p := newParted()
			for range c.n {
				p.flight(stream, 0)
			}
			p.drain(time.Second, 5*time.Second)
			time.Sleep(time.Second + time.Millisecond)
			if len(p.times()) == 0 {
				t.Fatal("the first was not asked at once")
			}
			time.Sleep(time.Minute)
			got := p.times()
			if len(got) != c.n {
				t.Fatalf("%d of %d were asked", len(got), c.n)
			}
			if c.first > 0 {
				near(t, "the second", got[1]-got[0], c.first)
			}
			last := got[c.n-1] - time.Second
			if last > c.last+time.Millisecond || last < c.last*9/10 {
				t.Errorf("the last of %d after %s, want %s", c.n, last, c.last)
			}
			half := got[c.n/2] - time.Second
			if c.n > 10 && (half < c.last*4/10 || half > c.last*6/10) {
				t.Errorf("half of %d after %s", c.n, half)
			}
		})
	}
}
