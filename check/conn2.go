package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A conn2 is one connection of a correct HTTP/2 client (RFC 9113). It repeats
// nothing and hides nothing, and opens no stream once it knows that it must not.
// Any number of goroutines may use it.
type conn2 struct {
	net.Conn
	scheme, host string
	habits

	out   sync.Mutex // held from a stream's number to its first frame, and for each frame
	fr    *http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, whenever something below has changed
	greeted bool          // the server's settings are known
	most    int           // streams that the server takes at a time
	window  int           // what it takes of a new stream's body
	room    int           // what it takes now of all bodies together
	last    uint32        // the last stream opened
	streams map[uint32]*stream2
	pongs   int
	goaways []goAway
	end     ending // how the connection ended; "" while it lasts
	endAt   time.Time

	done chan struct{} // closed when the reader has gone
}

// habits tell one correct HTTP/2 client from another.
type habits struct {
	lag   time.Duration // how long it takes until the client knows what the server has sent
	holds bool          // takes nothing of an answer's body before release: its reader is slow
	to    io.Writer     // gets the bodies of all answers; it must not fail
}

// A goAway is what a server says before it leaves (RFC 9113 §6.8).
type goAway struct {
	last uint32 // no stream above it was or will be worked on
	code http2.ErrCode
	at   time.Time
}

const (
	allStreams   = 1<<31 - 1 // the last stream of a first goodbye: none is disowned
	ownWindow    = 1 << 20   // what we take of an answer's body before more is asked for
	usualWindow  = 65535     // RFC 9113 §6.9.2
	mostFrame    = 16 << 10  // RFC 9113 §4.2: what any end must take
	usualStreams = 100       // RFC 9113 §6.5.2: a server should take as many at least
	greetingTime = 5 * time.Second
)

// speak greets a server on a connection that speaks HTTP/2 from its first byte,
// and returns when it has greeted back (RFC 9113 §3.4).
func speak(ctx context.Context, wire net.Conn, scheme, host string, h habits) (*conn2, error) {
	if h.lag > 0 {
		wire = far(wire, h.lag)
	}
	c := &conn2{Conn: wire, scheme: scheme, host: host, habits: h,
		fr:      http2.NewFramer(wire, bufio.NewReader(wire)),
		changed: make(chan struct{}), most: usualStreams, window: usualWindow, room: usualWindow,
		streams: map[uint32]*stream2{}, done: make(chan struct{})}
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.fr.SetMaxReadFrameSize(mostFrame) // an answer in HTTP/1.1 reads as a frame of millions
	c.enc = hpack.NewEncoder(&c.block)
	c.enc.SetMaxDynamicTableSize(0) // no block depends on another, and no setting of the server's matters
	if err := c.greet(); err != nil {
		wire.Close()
		return nil, err
	}
	go c.read()
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	if err := c.wait(ctx, func() bool { return c.greeted }); err != nil {
		c.Close()
		return nil, fmt.Errorf("the server does not speak HTTP/2 here: %w", err)
	}
	return c, nil
}

func (c *conn2) greet() error {
	window := http2.Setting{ID: http2.SettingInitialWindowSize, Val: ownWindow}
	if c.holds {
		window.Val = 0
	}
	if _, err := io.WriteString(c.Conn, http2.ClientPreface); err != nil {
		return err
	}
	if err := c.fr.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}, window); err != nil {
		return err
	}
	return c.fr.WriteWindowUpdate(0, ownWindow)
}

// Close ends the connection, and returns when nobody reads it any more.
func (c *conn2) Close() error {
	err := c.Conn.Close()
	<-c.done
	return err
}

// wait returns when it is so, or an error if the connection or ctx ends first.
// It asks with c.mu held.
func (c *conn2) wait(ctx context.Context, so func() bool) error {
	for {
		c.mu.Lock()
		is, end, changed := so(), c.end, c.changed
		c.mu.Unlock()
		switch {
		case is:
			return nil
		case end != "":
			return errors.New(string(end))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// change does something to what mu guards, and wakes those who wait.
func (c *conn2) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	close(c.changed)
	c.changed = make(chan struct{})
}

// ping returns when the server has read all that was sent before, as it reads
// frames in their order.
func (c *conn2) ping(ctx context.Context) error {
	c.mu.Lock()
	before := c.pongs
	c.mu.Unlock()
	c.out.Lock()
	err := c.fr.WritePing(false, [8]byte{'c', 'h', 'e', 'c', 'k'})
	c.out.Unlock()
	if err != nil {
		return err
	}
	return c.wait(ctx, func() bool { return c.pongs > before })
}

// told reports whether the client knows that it must open no more streams.
// c.mu is held.
func (c *conn2) told() bool { return len(c.goaways) > 0 || c.end != "" }

// now is when what is read at this moment has come.
func (c *conn2) now() time.Time { return time.Now().Add(-c.lag) }

// goodbye waits for the server's word, or for the end without one; ok is false
// if neither came while ctx lasted.
func (c *conn2) goodbye(ctx context.Context) (ok bool) {
	return c.wait(ctx, c.told) == nil
}

// farewell is all that the server has said and done to end the connection.
func (c *conn2) farewell() (said []goAway, end ending, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.goaways, c.end, c.endAt
}
