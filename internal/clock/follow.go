package clock

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Follow returns a clock that shows what a Leader at the Unix socket addr says,
// and follow, which keeps it so until ctx ends or the leader has gone; the clock
// then stands still.
func Follow(ctx context.Context, addr string) (c *Fake, follow func(context.Context), err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("the clock to follow: %w", err)
	}
	from := bufio.NewReader(conn)
	now, err := hear(from)
	if err != nil {
		return nil, nil, fmt.Errorf("the clock to follow: %w", err)
	}
	c = NewFake(now)
	return c, func(ctx context.Context) {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		defer conn.Close()
		for {
			// The answer says that the time before it has arrived.
			if _, err := fmt.Fprintln(conn); err != nil {
				return
			}
			now, err := hear(from)
			if err != nil {
				return
			}
			c.Set(now)
		}
	}, nil
}

func hear(r *bufio.Reader) (time.Time, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, line[:len(line)-1])
}

// A Leader is a clock that those show who Follow it. Use Lead.
type Leader struct {
	l net.Listener

	mu        sync.Mutex
	now       time.Time
	followers map[net.Conn]*bufio.Reader
	accepting sync.WaitGroup
}

// Lead listens at the Unix socket addr, for tests. Close ends it.
func Lead(addr string, now time.Time) (*Leader, error) {
	l, err := net.Listen("unix", addr)
	if err != nil {
		return nil, err
	}
	x := &Leader{l: l, now: now, followers: map[net.Conn]*bufio.Reader{}}
	x.accepting.Go(x.accept)
	return x, nil
}

func (x *Leader) accept() {
	for {
		conn, err := x.l.Accept()
		if err != nil {
			return
		}
		x.mu.Lock()
		x.followers[conn] = bufio.NewReader(conn)
		x.tell(conn)
		x.mu.Unlock()
	}
}

// tell is called with the lock held. Who does not answer has gone.
func (x *Leader) tell(conn net.Conn) {
	_, err := fmt.Fprintln(conn, x.now.Format(time.RFC3339Nano))
	if err == nil {
		_, err = x.followers[conn].ReadString('\n')
	}
	if err != nil {
		conn.Close()
		delete(x.followers, conn)
	}
}

// Now is what the clock shows.
func (x *Leader) Now() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now
}

// Set returns when all followers show now.
func (x *Leader) Set(now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = now
	for conn := range x.followers {
		x.tell(conn)
	}
}

// Advance sets it on by d.
func (x *Leader) Advance(d time.Duration) { x.Set(x.Now().Add(d)) }

// Close lets the followers' clocks stand still.
func (x *Leader) Close() {
	x.l.Close()
	x.accepting.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	for conn := range x.followers {
		conn.Close()
	}
}
