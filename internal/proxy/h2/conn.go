package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

const (
	// streamWindow is what a client may send ahead of a stream's handler, and
	// connWindow of all handlers of a connection, so that a few that do not
	// read do not stop the others.
	streamWindow = 512 << 10
	connWindow   = 1 << 20
)

// conn is one connection. Its reader is the goroutine that Serve was called
// on. Whoever has something to write puts it into out and then writes all that
// is there, unless somebody is at it already: see write.go.
type conn struct {
	srv    *Server
	nc     net.Conn
	ctx    context.Context
	remote string
	tls    *tls.ConnectionState
	in     reader
	block  block

	mu      sync.Mutex
	streams map[uint32]*stream
	broken  []*stream // by the connection's end; their contexts are cancelled with it
	active  uint32    // streams, those too that are closed while their handler runs
	done    []closing // the last that were closed, the oldest overwritten
	doneAt  int
	maxID   uint32 // the highest stream id that a client has opened
	settled bool   // the client's first SETTINGS has come
	err     error  // why nothing can be written any more
	empty   sync.Cond

	sendWindow  int64 // of the connection, to the client
	firstWindow int64 // of the client's new streams
	recvWindow  int64 // of the connection, from the client
	credit      int   // taken from recvWindow and not yet given back

	out      *buffer // nil when nothing is to be written
	enc      *hpack.Encoder
	writing  bool // somebody is at it
	queue    sendQueue
	blocked  int // streams that wait for room
	unread   int // control frames in out
	parting  bool
	grace    time.Duration
	farewell *time.Timer // until step two of a goodbye
	step     uint8       // of the goodbye
	final    bool        // to be closed when out is written
	shut     bool        // our side is closed

	headSince  int64 // since when something of a header is missing; 0 none
	idleSince  int64 // 0 with streams
	writeSince int64 // 0 while nobody writes
	idleFrames budget
	resets     budget
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		srv: s, nc: nc, ctx: s.cfg.Context(nc), remote: nc.RemoteAddr().String(),
		block: newBlock(s.cfg.MaxHeader), streams: map[uint32]*stream{},
		sendWindow: defaultWindow, firstWindow: defaultWindow, recvWindow: connWindow,
		idleFrames: newBudget(mostNoise), resets: newBudget(mostResets),
	}
	c.in.nc = nc
	c.empty.L = &c.mu
	c.enc = hpack.NewEncoder((*blockWriter)(c))
	c.headSince = s.tick.Load()
	c.idleSince = c.headSince
	if t, ok := nc.(*tls.Conn); ok {
		state := t.ConnectionState()
		c.tls = &state
	}
	return c
}

func (c *conn) serve() {
	defer c.end()
	c.greet()
	err := c.readPreface()
	for err == nil {
		err = c.readFrames()
		var ce connError
		if errors.As(err, &ce) {
			c.fail(ce)
			err = nil // what the client still sends is read and dropped
		}
	}
	if err != io.EOF && !errors.Is(err, net.ErrClosed) {
		c.log("connection ended", err)
	}
}

func (c *conn) log(what string, err error) {
	c.srv.cfg.Log.LogAttrs(c.ctx, slog.LevelDebug, "h2: "+what, slog.String("client", c.remote), slog.Any("error", err))
}

// greet sends our preface (RFC 9113 §3.4).
func (c *conn) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.appendOut(func(b []byte) []byte {
		b = appendSettings(b,
			[2]uint32{settingStreams, c.srv.cfg.MaxStreams},
			[2]uint32{settingWindow, streamWindow},
			[2]uint32{settingHeaderList, uint32(c.srv.cfg.MaxHeader)},
			[2]uint32{settingNoPriorities, 1})
		return appendWindow(b, 0, connWindow-defaultWindow)
	})
	if c.parting {
		c.goodbyeSoon()
	}
	c.kick()
}

var errPreface = errors.New("h2: client preface is missing")

// readPreface reads the client's (RFC 9113 §3.4). What does not begin so is
// not HTTP/2, and gets no answer in it.
func (c *conn) readPreface() error {
	for seen := 0; ; {
		have := c.in.buf[c.in.r:c.in.w]
		n := min(len(have), len(preface))
		if string(have[seen:n]) != preface[seen:n] {
			return errPreface
		}
		if seen = n; seen == len(preface) {
			c.in.r += seen
			return nil
		}
		if err := c.in.fill(); err != nil {
			return err
		}
	}
}

// readFrames deals with the frames that are there, and then waits for more.
func (c *conn) readFrames() error {
	for {
		f, p, ok, err := c.in.next()
		if err != nil {
			c.in.r = c.in.w
			return err
		}
		if !ok {
			break
		}
		if err := c.take(f, p); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.kick()
	c.mu.Unlock()
	return c.in.fill()
}

// take deals with one frame.
func (c *conn) take(f frame, p []byte) error {
	if c.isFinal() {
		return nil
	}
	err := c.dispatch(f, p)
	var se streamError
	if errors.As(err, &se) {
		return c.breakStream(se)
	}
	return err
}

func (c *conn) isFinal() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.final
}

func (c *conn) dispatch(f frame, p []byte) error {
	if c.block.open && (f.kind != frameContinuation || f.id != c.block.id) {
		return connError{codeProtocol, "header block is interrupted"}
	}
	if !c.settled && f.kind != frameSettings {
		return connError{codeProtocol, "preface without SETTINGS"}
	}
	switch f.kind {
	case frameData:
		return c.takeData(f, p)
	case frameHeaders:
		return c.takeHeaders(f, p)
	case frameContinuation:
		return c.takeContinuation(f, p)
	case frameWindow:
		return c.takeWindow(f, p)
	case frameReset:
		return c.takeReset(f, p)
	case frameSettings:
		return c.takeSettings(f, p)
	case framePing:
		return c.takePing(f, p)
	case framePriority:
		return c.takePriority(f, p)
	case frameGoAway:
		return c.takeGoAway(f, p)
	case framePush:
		return connError{codeProtocol, "PUSH_PROMISE of a client"}
	}
	c.mu.Lock() // RFC 9113 §5.5
	defer c.mu.Unlock()
	return c.noise()
}

// end closes the connection, breaks off what is on it, and waits for that.
func (c *conn) end() {
	c.mu.Lock()
	broken := c.breakOff(net.ErrClosed)
	c.mu.Unlock()
	c.nc.Close()
	for _, s := range broken {
		s.ctx.cancel()
	}
	c.mu.Lock()
	for c.active > 0 || c.writing {
		c.empty.Wait()
	}
	c.dropOut()
	c.mu.Unlock()
	c.in.release()
}

// breakOff notes that nothing can be written any more, and ends every stream;
// c.mu is held. The reader's end cancels their contexts.
func (c *conn) breakOff(err error) []*stream {
	if c.err == nil {
		c.err = err
	}
	if c.farewell != nil {
		c.farewell.Stop()
	}
	c.broken = append(c.broken, c.breakStreams(err)...)
	return c.broken
}

// check looks at the bounds on time.
func (c *conn) check(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := &c.srv.cfg
	pace := int32(max(c.srv.pace(), time.Millisecond) / time.Millisecond)
	c.idleFrames.earn(max(noisePerSecond*pace/1000, 1))
	c.resets.earn(max(resetsPerSecond*pace/1000, 1))
	switch {
	case late(now, c.writeSince, cfg.WriteTimeout):
		c.cut("client takes nothing of what is written")
	case late(now, c.headSince, cfg.HeaderTimeout):
		c.cut("client does not end a header")
	case late(now, c.idleSince, cfg.IdleTimeout) && c.step == 0:
		c.sayGoodbye(time.Second)
		c.kick()
	case c.blocked > 0 && cfg.WriteTimeout > 0:
		c.checkBlocked(now)
	}
}

// cut ends a connection that cannot be spoken with; c.mu is held.
func (c *conn) cut(why string) {
	c.log("connection cut", errors.New(why))
	nc := c.nc
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn() // closing the other would wait for its writer
	}
	nc.Close()
}
