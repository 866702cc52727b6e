package proxy

import (
	"math"
	"time"
)

// load is how a service with Shedding does, as the proxy measures it from step to
// step.
type load struct {
	throttle throttle
	at       int64 // of the last step, of clock; 0 there was none

	because  string
	inflight int
	most     int
	p95      window
	errors   window
	shed     [sheddable]shedLately
}

// shedLately tells whether anybody of a rank came to be turned away.
type shedLately struct {
	n  int64
	at int64 // of clock, when it last grew
}

// measure is a pressure's numerator as people read it: nanoseconds, or a share.
type measure float64

func (m measure) duration() time.Duration { return time.Duration(m) }
func (m measure) percent() float64        { return math.Round(float64(m)*1e4) / 100 }

// window is the time over which a measure is taken. It lasts for at least
// windowLeast and until there is enough to judge by, but no longer than windowMost;
// so few requests are no load.
type window struct {
	began int64  // of clock
	from  Counts // as they were then
	value measure
}

const (
	windowLeast = 500 * time.Millisecond
	windowMost  = 10 * time.Second
	// p95Least requests have one in their slowest 5 %.
	p95Least = 20
	// errorsLeast errors must there be at the bound for it to be one.
	errorsLeast = 5
)

// watchLoad measures the services with Shedding until stop is closed.
func (p *proxy) watchLoad(stop <-chan struct{}) {
	t := time.NewTicker(shedEvery)
	defer t.Stop()
	running := true
	for {
		select {
		case <-stop:
			return
		case <-p.shedBell:
			if !running {
				t.Reset(shedEvery)
				running = true
			}
		case <-t.C:
			if running = p.measureLoad(); !running {
				t.Stop()
			}
		}
	}
}

// measureLoad does a step for each service, and tells whether there was any.
func (p *proxy) measureLoad() (any bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	for _, t := range p.table.Load().targets {
		if t.cfg.Shedding != nil {
			any = true
			t.measure(now)
		}
	}
	return any
}

// wakeLoad has services that have come to have Shedding measured, and lets everybody
// in where it was taken away; p.mu is held.
func (p *proxy) wakeLoad(t *table) {
	for _, tg := range t.targets {
		if tg.cfg.Shedding == nil && tg.shedder.load.at != 0 {
			tg.shedder.load = load{}
			tg.shedder.dial.Store(0)
		}
	}
	select {
	case p.shedBell <- struct{}{}:
	default:
	}
}

// measure takes a reading and turns the dial.
func (t *target) measure(now int64) {
	s, l := t.cfg.Shedding, &t.shedder.load
	took := shedEvery
	if l.at != 0 {
		took = time.Duration(now - l.at)
	}
	l.at = max(now, 1)
	r := reading{inflight: t.crowding(now), idle: l.isIdle(&t.shedder, now)}
	highest, because := r.inflight, "in flight"
	c := t.stats.users()
	if s.P95 > 0 && l.p95.over(now, &c, p95Least) {
		r.p95 = l.p95.end(now, &c, float64(s.P95), func(d *Counts) measure { return measure(quantile(&d.Times, 0.95)) }, p95Least)
	}
	if s.Errors > 0 && l.errors.over(now, &c, int64(errorsLeast*100/s.Errors)) {
		r.errors = l.errors.end(now, &c, s.Errors/100, func(d *Counts) measure {
			if d.Errors < errorsLeast {
				return 0
			}
			return measure(float64(d.Errors) / float64(d.Requests))
		}, 1)
	}
	t.shedder.dial.Store(int32(math.Ceil(l.throttle.step(r, took) * dialRank / pointsRank)))
	if l.throttle.p95 > highest {
		highest, because = l.throttle.p95, "p95"
	}
	if l.throttle.errors > highest {
		because = "errors"
	}
	l.because = because
}

// crowding is the pressure in flight. Instances that are put aside have no capacity.
func (t *target) crowding(now int64) float64 {
	var n, instances int64
	for _, in := range t.instances {
		if in.outUntil.Load() > now || in.asideUntil.Load() > now {
			continue
		}
		instances++
		n += max(in.inflight.Load()-in.farewell.lasting.Load(), 0)
	}
	l := &t.shedder.load
	l.inflight, l.most = int(n), t.cfg.Shedding.InFlight*int(instances)
	if l.most == 0 {
		return 0
	}
	return float64(n) / float64(l.most)
}

// isIdle tells whether the rank whose end the dial stands at had nobody to turn away
// of late: its end has then nothing to take effect on.
func (l *load) isIdle(s *shedder, now int64) bool {
	for r := range l.shed {
		if n := s.shed[r].Load(); n != l.shed[r].n {
			l.shed[r] = shedLately{n, now}
		}
	}
	r := int(l.throttle.dial/pointsRank) - 1
	return r >= 0 && (l.shed[r].at == 0 || now-l.shed[r].at > int64(standFor))
}

// over tells whether the window has enough in it, or has lasted for as long as it may.
func (w *window) over(now int64, c *Counts, least int64) bool {
	if w.began == 0 {
		w.began, w.from = max(now, 1), *c
		return false
	}
	took := time.Duration(now - w.began)
	return took >= windowMost || took >= windowLeast && c.Requests-w.from.Requests >= least
}

// end gives the window's pressure and begins the next one.
func (w *window) end(now int64, c *Counts, bound float64, value func(*Counts) measure, least int64) *float64 {
	d := c.since(&w.from)
	w.began, w.from = max(now, 1), *c
	if w.value = 0; d.Requests >= least {
		w.value = value(&d)
	}
	pressure := float64(w.value) / bound
	return &pressure
}

// since is what was counted since c was what from is. A release that was forgotten
// meanwhile took its counts along.
func (c *Counts) since(from *Counts) (d Counts) {
	d.Requests, d.Errors = max(c.Requests-from.Requests, 0), max(c.Errors-from.Errors, 0)
	for i := range c.Times {
		d.Times[i] = max(c.Times[i]-from.Times[i], 0)
	}
	return d
}

// users adds up what the service's instances have answered, of all releases.
func (s *serviceStats) users() (sum Counts) {
	for _, r := range s.known() {
		c := r.users.counts()
		sum.Requests += c.Requests
		sum.Errors += c.Errors
		for i, n := range c.Times {
			sum.Times[i] += n
		}
	}
	return sum
}

// quantile is the time below which the share q of those counted are, as if they
// were spread evenly in their bucket; 0 when there are none.
func quantile(h *Histogram, q float64) time.Duration {
	var all int64
	for _, n := range h {
		all += n
	}
	limits := Bounds()
	left := q * float64(all)
	for i, n := range h {
		if n == 0 || left > float64(n) {
			left -= float64(n)
			continue
		}
		low, high := time.Duration(0), limits[len(limits)-1]
		if i > 0 {
			low = limits[i-1]
		}
		if i < len(limits) {
			high = limits[i]
		}
		return low + time.Duration(left/float64(n)*float64(high-low))
	}
	return 0
}
