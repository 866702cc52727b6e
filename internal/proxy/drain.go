package proxy

import (
	"context"
	"math"
	"slices"
	"time"
)

// drain is the proxy's own leaving. Its copies of the listening sockets are
// closed first: whoever else holds them accepts from here on. Then every
// answer carries "one more message" (RFC 9112 §9.6), HTTP/2 connections get
// their GOAWAY, and idle connections stay open for a while, since a request may
// be on its way; or they are hung up at once, as their listeners' services want
// it. Exchanges are asked to end when their time is up, which begins with the end
// of a pause where there is one; what is still there after the longest of these
// times, and the goodbyes, is closed.
func (p *proxy) drain() {
	p.leaving.Store(true)
	p.closeListeners()
	close(p.gone)
	renewing := make(chan struct{})
	p.tasks.Go(func() {
		defer close(renewing)
		p.certs.acme.stop() // the next proxy renews
	})
	defer func() { <-renewing }()
	timeout, spread := p.sayLastCall()
	ctx, cancel := context.WithTimeout(context.Background(), timeout+p.longestPause())
	defer cancel()
	p.waitGoodbyes(ctx)
	p.hangUp(math.MaxInt64)
	ctx, cancel = context.WithTimeout(context.Background(), spread+goodbyeTime)
	defer cancel()
	p.waitConns(ctx)
	for {
		if n, _ := p.conns.count(); n == 0 {
			break
		}
		p.everyLoop((*loop).closeClients)
		for _, c := range p.conns.all() {
			c.cut()
		}
		cut, cancel := context.WithTimeout(context.Background(), time.Second)
		p.waitConns(cut)
		cancel()
	}
	p.closeUpstreams()
}

// waitGoodbyes waits until no client connection is left or ctx ends, and
// meanwhile hangs up idle ones, each listener's when it is their time.
func (p *proxy) waitGoodbyes(ctx context.Context) {
	t, began := p.table.Load(), time.Now()
	for _, after := range t.goodbyes() {
		until, cancel := context.WithDeadline(ctx, began.Add(after))
		p.waitConns(until)
		cancel()
		if ctx.Err() == nil {
			p.hangUp(after)
		}
	}
	p.waitConns(ctx)
}

// goodbyes gives after how long idle connections are to be hung up, in order.
func (t *table) goodbyes() (list []time.Duration) {
	for _, v := range t.listeners {
		if v.goodbye >= 0 && !slices.Contains(list, v.goodbye) {
			list = append(list, v.goodbye)
		}
	}
	slices.Sort(list)
	return list
}

// addGoodbye adds what a service wants to what a listener does: the one more
// message, if any of its services waits for that, and for as long as the most
// patient does.
func (v *vhosts) addGoodbye(s *Service) {
	after := s.GoodbyeAfter
	switch {
	case s.Goodbye == HangUp:
		after = 0
	case after == 0:
		after = never
	}
	if v.goodbye != never && (after == never || after > v.goodbye) {
		v.goodbye = after
	}
}

// never is a time that does not come.
const never time.Duration = -1

// hangUp closes idle HTTP/1.1 connections of the listeners whose goodbyes are said
// after as long or less, and none on which a byte of a new request has arrived.
// One that becomes idle later notices by itself.
func (p *proxy) hangUp(after time.Duration) {
	p.hungUp.Store(int64(after))
	p.everyLoop((*loop).hangUp)
	for _, c := range p.conns.all() {
		if g := c.gate.Load(); g != nil {
			g.hangUp()
		}
	}
}

// isOver tells whether the listener's idle connections have been hung up.
func (l *listener) isOver() bool {
	reached := l.p.hungUp.Load()
	if reached == int64(never) || reached == math.MaxInt64 {
		return reached == math.MaxInt64
	}
	v := l.p.table.Load().listeners[l.key]
	return v != nil && v.goodbye >= 0 && int64(v.goodbye) <= reached
}

// waitConns returns when no client connection is left, or when ctx ends.
func (p *proxy) waitConns(ctx context.Context) {
	for {
		wait := p.conns.empty.wait()
		if n, _ := p.conns.count(); n == 0 {
			return
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
	}
}

func (p *proxy) closeUpstreams() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.known() {
		in.farewell.stop()
		in.cut()
	}
}

// cut closes whatever is open to an instance.
func (in *instance) cut() {
	in.pool.cut()
	if in.h2 != nil {
		in.h2.CloseIdleConnections()
	}
}
