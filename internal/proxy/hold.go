package proxy

import (
	"container/list"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// service is what lives on from table to table under one name.
type service struct {
	name     string
	requests atomic.Int64
	retries  atomic.Int64
	held     atomic.Int64 // waiting now
	writes   atomic.Int64 // in flight now
	queue    queue
	stats    *serviceStats
	budget   budget
	rates    limiter
	mirrors  mirrorLog
	shedder  shedder
	pages    newsState
	ejecting sync.Mutex
}

// queue holds the requests that wait for an instance, in order of arrival.
type queue struct {
	mu      sync.Mutex
	waiting list.List // of *waiter
}

type waiter struct {
	wish   *wish          // its request's, which leaves it alone meanwhile
	closed time.Duration  // by maintenance, which holds it for so long; 0 it waits for something else
	handed chan *instance // buffered; nil means look at the table again
}

// waits are the times of a request's waiting, which its retries share; of clock.
type waits struct {
	deadline int64 // of that for an instance; 0 it has not begun
	closed   int64 // when that for the end of maintenance began; 0 it has not
}

var (
	errHoldFull    = errors.New("too many requests wait for an instance")
	errHoldTimeout = errors.New("no instance came within the hold time")
	errNoService   = errors.New("the service has left the table")
	errClosed      = errors.New("the service is closed for maintenance")
)

// obtain claims an instance for a request, waiting for one within the service's
// hold bounds, for the end of a pause, and as long as maintenance lets it for
// the end of that. The release of the wish ends the claim.
func (p *proxy) obtain(ctx context.Context, service string, w *wish, tried []*instance, so *waits) (*instance, *target, error) {
	for {
		in, t := p.claimFor(w, service, tried)
		if in != nil {
			return in, t, nil
		}
		if t == nil {
			return nil, nil, errNoService
		}
		now := p.clock()
		left := t.patience(now, w, so)
		if left <= 0 {
			if t.closed(now, w.write) {
				return nil, t, errClosed
			}
			return nil, t, errHoldTimeout
		}
		in, err := p.hold(ctx, t, w, left)
		if err != nil || in != nil {
			return in, t, err
		}
	}
}

// hold waits once: until an instance is handed over (it is then claimed), or
// until it is time to look again (nil, nil).
func (p *proxy) hold(ctx context.Context, t *target, who *wish, left time.Duration) (*instance, error) {
	w := &waiter{wish: who, closed: t.closedFor(p.clock(), who.write), handed: make(chan *instance, 1)}
	q := &t.service.queue
	q.mu.Lock()
	if q.waiting.Len() >= t.room(p.clock()) {
		q.mu.Unlock()
		return nil, errHoldFull
	}
	place := q.waiting.PushBack(w)
	q.mu.Unlock()
	t.service.held.Add(1)
	defer t.service.held.Add(-1)

	// An Apply between the failed claim and the place in the queue is seen
	// here, one after it hands over.
	in, now := p.claimFor(who, t.name, nil)
	if in != nil {
		if given := q.leave(place, w); given != nil {
			who.release(given)
		}
		return in, nil
	}
	if now != nil && now.closedFor(p.clock(), who.write) != w.closed {
		return q.leave(place, w), nil
	}
	look := left
	if t.hasAny(who) && t.paused(p.clock()) == 0 && w.closed == 0 { // all put aside: they come back by themselves
		look = min(left, asideFirst/2+rand.N(asideFirst))
	}
	timer := time.NewTimer(look)
	defer timer.Stop()
	select {
	case in := <-w.handed:
		return in, nil
	case <-timer.C:
		return q.leave(place, w), nil
	case <-ctx.Done():
		if in := q.leave(place, w); in != nil {
			who.release(in)
		}
		return nil, ctx.Err()
	}
}

// leave gives up a place. If it was called up in the same moment, the
// instance handed over is returned and must be used or released.
func (q *queue) leave(place *list.Element, w *waiter) *instance {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case in := <-w.handed:
		return in
	default:
		q.waiting.Remove(place)
		return nil
	}
}

// callUp hands instances to those who wait, first come first served. Who gets
// none waits on, unless maintenance has changed how long.
func (p *proxy) callUp(s *service) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	var next *list.Element
	for e := s.queue.waiting.Front(); e != nil; e = next {
		next = e.Next()
		w := e.Value.(*waiter)
		in, t := p.claimFor(w.wish, s.name, nil)
		if in == nil && t != nil && w.closed == t.closedFor(p.clock(), w.wish.write) {
			continue
		}
		s.queue.waiting.Remove(e)
		w.handed <- in
	}
}
