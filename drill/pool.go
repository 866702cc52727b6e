package drill

import (
	"sync"
	"sync/atomic"
)

// pool keeps the persistent HTTP/1.1 connections to one origin.
type pool struct {
	size  int
	peeks bool

	mu    sync.Mutex
	idle  []*conn1 // least recently used first
	total int      // idle and busy
	spare int      // fewest that were idle at once since the last shrink

	stale *atomic.Int64 // connections found closed before use
}

// take returns the least recently used idle connection. It returns nil when a
// new one is to be opened: as long as there are fewer than size, and when all
// are busy. A nil, too, must be given back. What is opened beyond size is
// closed when it has not been needed for a while (see shrink).
func (p *pool) take() *conn1 {
	for {
		c := p.pop()
		if c == nil || !p.peeks || !c.stale() {
			return c
		}
		p.stale.Add(1)
		p.give(c, false)
	}
}

func (p *pool) pop() *conn1 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total < p.size || len(p.idle) == 0 {
		p.total++
		return nil
	}
	c := p.idle[0]
	p.idle = append(p.idle[:0], p.idle[1:]...)
	p.spare = min(p.spare, len(p.idle))
	return c
}

// give takes a connection back; keep says whether it may be used again.
func (p *pool) give(c *conn1, keep bool) {
	p.mu.Lock()
	if keep {
		p.idle = append(p.idle, c)
	} else {
		p.total--
	}
	p.mu.Unlock()
	if !keep && c != nil {
		c.close()
	}
}

// sweep closes idle connections that the server has closed, as clients do that
// have a reader on each, so that a server which waits for that (nginx's
// lingering close, say) is not kept waiting.
func (p *pool) sweep() {
	if !p.peeks {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	live := p.idle[:0]
	for _, c := range p.idle {
		if c.stale() {
			p.stale.Add(1)
			p.total--
			c.close()
			continue
		}
		live = append(live, c)
	}
	p.idle = live
}

// shrink closes connections beyond size that nobody needed since the last
// call. To close them as soon as they are idle would, at the limit of what the
// server can do, cost more than it saves.
func (p *pool) shrink() {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := max(min(p.spare, p.total-p.size, len(p.idle)), 0)
	for _, c := range p.idle[:n] {
		c.close()
	}
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.total -= n
	p.spare = len(p.idle)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.close()
	}
	p.idle, p.total = nil, 0
}

// kept sends j on a persistent connection.
func (d *Drill) kept(j job) (o outcome) {
	p := d.pools[j.target.origin]
	c := p.take()
	if c == nil {
		var ok bool
		if c, ok = d.connect1(j, &o); !ok {
			p.give(nil, false)
			return o
		}
	}
	keep := d.exchange(c, j, j.target.kept, &o)
	p.give(c, keep)
	return o
}
