package proxy

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// instance is one running copy of a service, alive from the table that brings
// it to the end of its drain.
type instance struct {
	Instance
	service  *service
	protocol string
	token    string // what a sticky client's cookie says
	stats    *releaseStats
	literal  bool // Addr needs no look-up
	pool     pool
	h2       *http.Transport // for H2C
	farewell farewell

	inflight atomic.Int64
	routed   atomic.Bool
	settled  bell // rings when an unrouted instance has lost a request or connection

	requests, failures, answers5xx atomic.Int64
	refusals                       atomic.Int32 // in a row
	asideUntil                     atomic.Int64 // nanoseconds of clock

	strikes   atomic.Int32 // failures in a row, for Outlier
	outUntil  atomic.Int64 // ejected until then, of clock
	ejections int          // the last ones; guarded by service.ejecting
	grace     grace        // guarded by service.budget
}

// claim takes an instance for one request that writes nothing: it counts as in
// flight from here on, until release. It is nil when none can be chosen, or the
// service is paused or closed.
//
// A drain cannot miss a claim: both the claim (count, then look at the table
// again) and Apply (store the table, then look at the count) write before they
// read, so at least one of the two sees the other.
func (p *proxy) claim(service string, tried []*instance) (*instance, *target) {
	return p.claimFor(&wish{lot: drawLot()}, service, tried)
}

// wish is what a request asks of the instance that it is to get. It stays as it is
// while the request is held and when it is repeated: the table in force at that
// moment decides, and the same table decides the same.
type wish struct {
	write  bool        // it counts among the service's writes, too
	lot    uint32      // below lots: its number among a Split's clients
	token  string      // of the instance that its sticky client would rather have; "" any
	stay   string      // the release that its page is of; "" any
	listen string      // key of the listener that it came by
	header http.Header // nil where there is none to look at
}

// release ends a claim that was made for the wish.
func (w *wish) release(in *instance) {
	if w.write {
		in.service.writes.Add(-1)
	}
	in.release()
}

// claimFor is claim with a wish, whose release ends it.
func (p *proxy) claimFor(w *wish, service string, tried []*instance) (*instance, *target) {
	for {
		t := p.table.Load()
		target := t.targets[service]
		if target == nil {
			return nil, nil
		}
		now := p.clock()
		if target.closed(now, w.write) || target.paused(now) > 0 {
			return nil, target
		}
		in := target.choose(w, now, tried)
		if in == nil {
			return nil, target
		}
		in.inflight.Add(1)
		if w.write {
			target.writes.Add(1)
		}
		if p.table.Load() == t {
			return in, target
		}
		w.release(in)
	}
}

// release ends a claim without a wish.
func (in *instance) release() {
	if in.inflight.Add(-1) == 0 && !in.routed.Load() {
		in.settle()
	}
}

// probes bounds the cost of a choice in a large service.
const probes = 8

// choice is what may be taken, the better before the worse; nil none.
type choice struct {
	best  *instance
	again *instance // was tried before
	out   *instance // was ejected
}

func (c choice) any() *instance { return cmp.Or(c.best, c.again, c.out) }

// or takes from d what c has not.
func (c choice) or(d choice) choice {
	return choice{cmp.Or(c.best, d.best), cmp.Or(c.again, d.again), cmp.Or(c.out, d.out)}
}

// pick chooses among all of the target's instances.
func (t *target) pick(now int64, tried []*instance) *instance {
	return pick(t.instances, now, tried).any()
}

// pick gives the instance with the fewest requests in flight, a random one
// among equals: of all when they are few, else of some neighbours at a random
// place. It passes over those put aside, and prefers those not in tried. One that
// was ejected is better than none.
func pick(list []*instance, now int64, tried []*instance) (c choice) {
	n := len(list)
	if n == 0 {
		return c
	}
	var least int64
	start := 0
	if n > 1 {
		start = int(rand.Uint32N(uint32(n)))
	}
	seen := 0
	for i := 0; i < n && seen < probes; i++ {
		in := list[(start+i)%n]
		if in.asideUntil.Load() > now {
			continue
		}
		if in.outUntil.Load() > now {
			c.out = in
			continue
		}
		if len(tried) > 0 && slices.Contains(tried, in) {
			c.again = in
			continue
		}
		seen++
		if load := in.inflight.Load(); c.best == nil || load < least {
			c.best, least = in, load
		}
	}
	return c
}

const (
	asideFirst = 50 * time.Millisecond
	asideMost  = time.Second
)

// aside keeps an instance that refuses connections from being chosen for a
// moment, which doubles with each refusal in a row.
func (in *instance) aside(now int64) {
	n := in.refusals.Add(1)
	d := asideMost
	if n < 6 {
		d = min(asideFirst<<(n-1), asideMost)
	}
	in.asideUntil.Store(now + int64(d))
}

func (in *instance) accepted() {
	if in.refusals.Load() != 0 {
		in.refusals.Store(0)
		in.asideUntil.Store(0)
	}
}

// retire ends the choosing of an instance; it is called after the table
// without it was stored.
func (in *instance) retire() {
	in.routed.Store(false)
	in.pool.shut()
	if in.inflight.Load() == 0 {
		in.settle()
	}
}

// revive undoes retire; it is called before the table with it is stored.
func (in *instance) revive() {
	in.farewell.callOff()
	in.pool.open()
	in.asideUntil.Store(0)
	in.refusals.Store(0)
	in.outUntil.Store(0)
	in.strikes.Store(0)
	in.routed.Store(true)
}

// settle closes what an unrouted instance keeps without need, and tells those
// who wait for it.
func (in *instance) settle() {
	in.pool.shut()
	if in.h2 != nil {
		in.h2.CloseIdleConnections()
	}
	in.settled.ring()
}

const resettle = 50 * time.Millisecond

// waitIdle returns when an unrouted instance has no request in flight and no
// connection open, or when ctx ends; it gives the requests left.
func (in *instance) waitIdle(ctx context.Context) int {
	for {
		wait := in.settled.wait()
		n := int(in.inflight.Load())
		if in.routed.Load() || n == 0 && in.pool.count() == 0 {
			return n
		}
		if n == 0 {
			in.settle()
			if in.pool.count() == 0 {
				return 0
			}
		}
		select {
		case <-wait:
		case <-time.After(resettle): // an HTTP/2 connection turns idle without telling
		case <-ctx.Done():
			return int(in.inflight.Load())
		}
	}
}

// bell wakes everybody who waits.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait gives a channel that the next ring closes. Take it before looking at
// what the bell is about.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
