package check

import (
	"net"
	"os"
	"sync"
	"time"
)

// A distant connection is one whose client is far away: what the server sends
// becomes known a while after it has come. What the client sends meanwhile was on
// its way, as far as the server is concerned, and no clock need be hit to have it
// so.
type distant struct {
	net.Conn
	lag      time.Duration
	deadline time.Time // of Read; zero for none. For the one goroutine that reads

	mu     sync.Mutex
	pieces []piece
	writes int
	least  int // see mustCross

	changed chan struct{} // holds one if something above has changed since Read looked
	closed  chan struct{}
	close   func() error
}

// A piece is what one read gave.
type piece struct {
	bytes  []byte
	err    error
	at     time.Time
	writes int // before it
}

const (
	// leastCrossing is how many frames a client that must cross sends before it
	// learns of what has come, however slow it is to send them: three requests,
	// or more.
	leastCrossing = 6
	// longestWay is for how long nothing is known at the most.
	longestWay = time.Second
)

// far makes a connection distant. Close ends it, and returns when nobody reads
// it any more.
func far(c net.Conn, lag time.Duration) *distant {
	d := &distant{Conn: c, lag: lag, changed: make(chan struct{}, 1), closed: make(chan struct{})}
	done := make(chan struct{})
	d.close = sync.OnceValue(func() error {
		close(d.closed)
		err := c.Close()
		<-done
		return err
	})
	go func() {
		defer close(done)
		d.receive()
	}()
	return d
}

func (d *distant) Close() error { return d.close() }

// mustCross says how many frames are to be sent, at the least, between the
// arrival of something and its being known. It is for as long as somebody goes on
// sending.
func (d *distant) mustCross(frames int) {
	d.mu.Lock()
	d.least = frames
	d.mu.Unlock()
	d.wake()
}

func (d *distant) Write(b []byte) (int, error) {
	d.mu.Lock()
	d.writes++
	d.mu.Unlock()
	d.wake()
	return d.Conn.Write(b)
}

func (d *distant) wake() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

func (d *distant) receive() {
	for {
		b := make([]byte, 16<<10)
		n, err := d.Conn.Read(b)
		d.mu.Lock()
		d.pieces = append(d.pieces, piece{b[:n], err, time.Now(), d.writes})
		d.mu.Unlock()
		d.wake()
		if err != nil {
			return
		}
	}
}

// SetReadDeadline is for the goroutine that calls Read.
func (d *distant) SetReadDeadline(t time.Time) error {
	d.deadline = t
	return nil
}

// Read gives what has come, once it may be known.
func (d *distant) Read(b []byte) (int, error) {
	for {
		wait := d.due()
		if wait == 0 {
			return d.give(b)
		}
		if !d.deadline.IsZero() {
			left := time.Until(d.deadline)
			if left <= 0 {
				return 0, os.ErrDeadlineExceeded
			}
			wait = min(wait, left)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-d.changed:
		case <-d.closed:
			timer.Stop()
			return 0, net.ErrClosed
		}
		timer.Stop()
	}
}

// due is how long it takes until the first piece may be known, if nothing
// changes before; 0 if it may.
func (d *distant) due() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pieces) == 0 {
		return time.Hour // until something comes
	}
	p := d.pieces[0]
	way := d.lag
	if d.writes-p.writes < d.least {
		way = longestWay
	}
	return max(0, time.Until(p.at.Add(way)))
}

// give takes from the first piece. An error stays, for the next read.
func (d *distant) give(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &d.pieces[0]
	n := copy(b, p.bytes)
	p.bytes = p.bytes[n:]
	switch {
	case len(p.bytes) > 0 || p.err != nil && n > 0:
		return n, nil
	case p.err != nil:
		return 0, p.err
	default:
		d.pieces = d.pieces[1:]
		return n, nil
	}
}
