package drill

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pool2 keeps the HTTP/2 connections to one origin: one, as browsers do, as
// long as it takes new streams; another when it is full or going away.
type pool2 struct {
	mu      sync.Mutex
	conns   []*conn2
	dialing *dial2
}

// dial2 is a connection being opened, for all who wait for it.
type dial2 struct {
	done chan struct{}
	err  error
	id   int64
}

// http2 sends j as a stream. What the server declares unprocessed is repeated
// once on another connection or stream, as RFC 9113 §8.7 allows.
func (d *Drill) http2(j job) (o outcome) {
	for try := range 2 {
		o = outcome{retried: try > 0, proto: "HTTP/2.0"}
		d.stream(j, &o)
		if o.class != StreamRefused {
			break
		}
	}
	return o
}

func (d *Drill) stream(j job, o *outcome) {
	deadline := d.deadline(j)
	for {
		c, id, err := d.connect2(j)
		if err != nil {
			o.conn.id = id
			o.lose(classOfDial(err), err)
			return
		}
		s, err := c.open(j, newSink(j.target.expect, j.target.keepBody))
		if err == nil {
			c.await(s, j.target.body, deadline)
			d.conclude(c, s, j, o)
			return
		}
		// The connection closed or filled up since it was chosen; nothing was
		// sent, so another is as good as the first.
		if time.Now().After(deadline) {
			o.lose(Timeout, text("no HTTP/2 connection stayed open long enough to take the request"))
			return
		}
	}
}

// conclude tells what became of a stream that has ended.
func (d *Drill) conclude(c *conn2, s *stream2, j job, o *outcome) {
	o.conn, o.bytesRead = s.use, s.got
	if s.err == nil {
		d.finish(o, j.target, answer{s.status, s.header, s.body})
		return
	}
	o.take(s.status, s.header)
	o.release = clean(s.header.Get(d.plan.ReleaseHeader), 64)
	o.lose(c.classOf(s), s.err)
}

// connect2 finds a connection with room, or opens one, or waits for the one
// that somebody else is opening.
func (d *Drill) connect2(j job) (*conn2, int64, error) {
	p := d.pools2[j.target.origin]
	deadline := d.deadline(j)
	for {
		c, w, mine := p.find()
		if c != nil {
			return c, c.id, nil
		}
		if mine {
			d.dial2(p, w, j.target.origin, deadline)
		}
		if id, err := w.wait(deadline); err != nil {
			return nil, id, err
		}
	}
}

// find returns a connection with room, or the dial to wait for; mine is
// whether the caller has to do it.
func (p *pool2) find() (c *conn2, w *dial2, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := p.conns[:0]
	for _, k := range p.conns {
		room, ended := k.room()
		if c == nil && room {
			c = k
		}
		if !ended {
			live = append(live, k)
		}
	}
	clear(p.conns[len(live):])
	p.conns = live
	if c == nil && p.dialing == nil {
		p.dialing, mine = &dial2{done: make(chan struct{})}, true
	}
	return c, p.dialing, mine
}

func (d *Drill) dial2(p *pool2, w *dial2, o origin, deadline time.Time) {
	nc, id, err := d.dialer.dial(o, "h2", deadline)
	var c *conn2
	if err == nil {
		c, err = newConn2(nc, id, d.plan.Timeout)
	}
	if err == nil {
		d.readers.Go(c.readLoop)
	}
	w.err, w.id = err, id
	p.mu.Lock()
	if c != nil && err == nil {
		p.conns = append(p.conns, c)
	}
	p.dialing = nil
	p.mu.Unlock()
	close(w.done)
}

func (w *dial2) wait(deadline time.Time) (id int64, err error) {
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-w.done:
		return w.id, w.err
	case <-t.C:
		return 0, fmt.Errorf("waiting for an HTTP/2 connection: %w", context.DeadlineExceeded)
	}
}

// close ends all connections; their readers end soon after.
func (p *pool2) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.goodbye()
	}
}
