package rabbitmq

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A line is a connection that is made again when it has broken.
type line struct {
	turn chan struct{} // has an element while somebody uses what follows
	conn *amqp.Connection
	wire net.Conn // what it is over
	flow *flow
}

func newLine() line { return line{turn: make(chan struct{}, 1)} }

// connection is the one there is, or a new one.
func (l *line) connection(ctx context.Context, b *Broker) (*amqp.Connection, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.finished.Err() != nil {
		return nil, errClosed
	}
	if l.conn != nil && !l.conn.IsClosed() {
		return l.conn, nil
	}
	c, wire, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	f := &flow{}
	if told := c.NotifyBlocked(make(chan amqp.Blocking, 1)); !b.begin(func() { f.follow(told) }) {
		return nil, errors.Join(errClosed, c.Close())
	}
	l.conn, l.wire, l.flow = c, wire, f
	return c, nil
}

// close says goodbye to the server, if it is there.
func (l *line) close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.conn == nil {
		return nil
	}
	// The library's own deadline does not end it: a server that holds back those who
	// publish goes on to send heartbeats, and does not answer.
	late := time.AfterFunc(farewell, func() { _ = l.wire.Close() })
	err := l.conn.Close()
	if !late.Stop() || errors.Is(err, amqp.ErrClosed) {
		return nil // the server knows by that
	}
	return err
}

// dial connects to the first node that answers.
func (b *Broker) dial(ctx context.Context) (*amqp.Connection, net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.finished, cancel)()
	var failed []error
	for _, url := range b.set.urls {
		c, wire, err := b.set.dial(ctx, url)
		if err == nil {
			return c, wire, nil
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		failed = append(failed, err)
	}
	return nil, nil, errors.Join(failed...)
}

func (set *settings) dial(ctx context.Context, url string) (_ *amqp.Connection, wire net.Conn, _ error) {
	hangUp := func() bool { return true }
	c, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat:  heartbeat,
		Properties: amqp.Table{"connection_name": set.name, "product": "segue"},
		Dial: func(network, addr string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: set.timeout}
			var err error
			if wire, err = dialer.DialContext(ctx, network, addr); err != nil {
				return nil, err
			}
			hangUp = context.AfterFunc(ctx, func() { _ = wire.Close() })
			return patient{wire}, wire.SetDeadline(time.Now().Add(set.timeout)) // the library lifts it when it is connected
		},
	})
	if !hangUp() && err == nil {
		_ = c.Close()
		return nil, nil, ctx.Err()
	}
	return c, wire, err
}

// heartbeat is how often each side shows that it lives: three times without, and
// the connection is given up.
const heartbeat = 5 * time.Second

// patient is a connection that gives up when the other side takes nothing for long:
// a server that is short of memory does not read from who publishes.
type patient struct{ net.Conn }

const stalled = 30 * time.Second

func (p patient) Write(data []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(stalled)); err != nil {
		return 0, err
	}
	return p.Conn.Write(data)
}

// A flow knows whether the server wants to be sent messages.
type flow struct {
	mu     sync.Mutex
	open   chan struct{} // closed when it wants; nil: it wants
	reason string
}

// follow listens to the server until the connection ends.
func (f *flow) follow(told <-chan amqp.Blocking) {
	for t := range told {
		f.set(t)
	}
	f.set(amqp.Blocking{}) // who waits finds out that the connection is gone
}

func (f *flow) set(t amqp.Blocking) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reason = t.Reason
	switch {
	case t.Active && f.open == nil:
		f.open = make(chan struct{})
	case !t.Active && f.open != nil:
		close(f.open)
		f.open = nil
	}
}

// wait waits until the server wants messages.
func (f *flow) wait(ctx context.Context) error {
	f.mu.Lock()
	open := f.open
	f.mu.Unlock()
	if open == nil {
		return nil
	}
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// blocked is why the server wants none, empty if it does.
func (f *flow) blocked() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return ""
	}
	return f.reason
}
