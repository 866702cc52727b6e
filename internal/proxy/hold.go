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
	queue    queue
	stats    *serviceStats
	budget   budget
	rates    limiter
	mirrors  mirrorLog
	ejecting sync.Mutex
}

// queue holds the requests that wait for an instance, in order of arrival.
type queue struct {
	mu      sync.Mutex
	waiting list.List // of *waiter
}

type waiter struct {
	token  string         // the sticky client's
	handed chan *instance // buffered; nil means look at the table again
}

var (
	errHoldFull    = errors.New("too many requests wait for an instance")
	errHoldTimeout = errors.New("no instance came within the hold time")
	errNoService   = errors.New("the service has left the table")
)

// obtain claims an instance for a request (of the sticky client that token
// stands for, or ""), waiting for one within the
// service's hold bounds, and for the end of a pause. deadline is of clock and is set at the first wait, so
// that a request's retries share one hold time.
func (p *proxy) obtain(ctx context.Context, service, token string, tried []*instance, deadline *int64) (*instance, *target, error) {
	for {
		in, t := p.claimFor(token, service, tried)
		if in != nil {
			return in, t, nil
		}
		if t == nil {
			return nil, nil, errNoService
		}
		left := t.patience(p.clock(), deadline)
		if left <= 0 {
			return nil, t, errHoldTimeout
		}
		in, err := p.hold(ctx, t, token, left)
		if err != nil || in != nil {
			return in, t, err
		}
	}
}

// hold waits once: until an instance is handed over (it is then claimed), or
// until it is time to look again (nil, nil).
func (p *proxy) hold(ctx context.Context, t *target, token string, left time.Duration) (*instance, error) {
	w := &waiter{token: token, handed: make(chan *instance, 1)}
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
	if in, _ := p.claimFor(token, t.name, nil); in != nil {
		if given := q.leave(place, w); given != nil {
			given.release()
		}
		return in, nil
	}
	look := left
	if len(t.instances) > 0 && t.paused(p.clock()) == 0 { // all put aside: they come back by themselves
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
			in.release()
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

// callUp hands instances to those who wait, first come first served; without
// an instance to hand over, all but those who still may hope stay.
func (p *proxy) callUp(s *service) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	for e := s.queue.waiting.Front(); e != nil; e = s.queue.waiting.Front() {
		w := e.Value.(*waiter)
		in, t := p.claimFor(w.token, s.name, nil)
		if in == nil && t != nil {
			return
		}
		s.queue.waiting.Remove(e)
		w.handed <- in
	}
}
