package proxy

import (
	"context"
	"time"
)

// drain is the proxy's own leaving. Its copies of the listening sockets are
// closed first: whoever else holds them accepts from here on. Then every
// answer carries "one more message" (RFC 9112 §9.6), HTTP/2 connections get
// their GOAWAY, and idle connections stay open, since a request may be on its
// way. What is still there after timeout is closed.
func (p *proxy) drain(timeout time.Duration) {
	p.leaving.Store(true)
	p.closeListeners()
	close(p.gone)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	p.waitConns(ctx)
	for {
		open := p.conns.all()
		if len(open) == 0 {
			break
		}
		for _, c := range open {
			c.cut()
		}
		cut, cancel := context.WithTimeout(context.Background(), time.Second)
		p.waitConns(cut)
		cancel()
	}
	p.closeUpstreams()
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
	for _, in := range p.table.Load().instances {
		in.cut()
	}
	for _, in := range p.retired {
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
