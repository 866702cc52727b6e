package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pool keeps an instance's HTTP/1.1 connections: the open ones, to be cut, and
// among them the idle ones, to be used again, the newest first.
type pool struct {
	in     *instance
	clock  func() int64
	dialer net.Dialer

	mu     sync.Mutex
	closed bool // nothing is kept any more
	idle   []*upConn
	all    map[*upConn]struct{}
	others map[net.Conn]struct{} // of the HTTP/2 transport

	loops  func(func(*loop)) // has every loop do something
	looped atomic.Int64      // connections of the loops, or on their way from them
	cuts   atomic.Int64      // how often cut was called
}

// upConn is a connection to an instance. One goroutine uses it at a time; abort
// and cut may be called by others.
type upConn struct {
	net.Conn
	pool    *pool
	raw     syscall.RawConn
	buf     []byte // what was read and not yet taken is buf[r:w]
	r, w    int
	reused  bool
	idleAt  int64         // when it was put into the pool
	maxIdle time.Duration // the shorter of our bound and the instance's Keep-Alive
	readBy  int64         // the read deadline that is set, 0 none

	peekFn  func(fd uintptr) bool
	peekOK  bool
	recvFn  func(fd uintptr) bool
	recvBuf []byte
	recvN   int
	recvErr error
	lazy    int          // read up to so much into a pooled buffer, taken when there is something to read
	big     *copyBuffer  // that buffer
	onBlock http.Flusher // flushed once when a read is about to wait; nil none
}

// freshIdle is how long a connection may have been idle and still carry a
// request that must not be repeated: a peer that closes idle connections
// sooner than this says so in its answers, or is met by the peek.
const freshIdle = time.Second

const upBuffer = 4 << 10

// get gives a connection: a pooled one if a good one is there, else a new one.
// A request that is not safe to repeat (once) only gets one that was used a
// moment ago and is seen to be open.
func (p *pool) get(ctx context.Context, once bool) (*upConn, error) {
	for {
		c := p.take(once)
		if c == nil {
			return p.dial(ctx)
		}
		if !once || c.isOpen() {
			c.reused = true
			return c, nil
		}
		c.Close()
	}
}

func (p *pool) take(once bool) *upConn {
	now := p.clock()
	var stale []*upConn
	p.mu.Lock()
	defer func() {
		p.mu.Unlock()
		closeAll(stale)
	}()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	age := time.Duration(now - c.idleAt)
	if age >= c.maxIdle { // the newest may have a shorter bound than others
		stale = append(stale, c)
		p.idle = p.idle[:n-1]
		return nil
	}
	if once && age >= freshIdle {
		return nil
	}
	p.idle = p.idle[:n-1]
	return c
}

// put gives back a connection that can carry another request.
func (p *pool) put(c *upConn) {
	c.idleAt = p.clock()
	p.mu.Lock()
	if keep := !p.closed && c.maxIdle > 0; keep {
		p.idle = append(p.idle, c)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	c.Close()
}

func (p *pool) dial(ctx context.Context) (*upConn, error) {
	nc, err := p.dialNet(ctx)
	if err != nil {
		return nil, err
	}
	return p.adopt(nc, nil), nil
}

// adopt makes a connection one of the pool's. read is what was read from it
// already.
func (p *pool) adopt(nc net.Conn, read []byte) *upConn {
	c := &upConn{Conn: nc, pool: p, buf: make([]byte, max(upBuffer, len(read)))}
	c.w = copy(c.buf, read)
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	c.peekFn, c.recvFn = c.peek, c.recv
	p.mu.Lock()
	p.all[c] = struct{}{}
	p.mu.Unlock()
	return c
}

func (p *pool) dialNet(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(p.in.Addr, "/") {
		network = "unix"
	}
	return p.dialer.DialContext(ctx, network, p.in.Addr)
}

// Close closes the connection and takes it off its pool's list.
func (c *upConn) Close() error {
	err := c.Conn.Close()
	c.pool.mu.Lock()
	delete(c.pool.all, c)
	c.pool.mu.Unlock()
	c.pool.left()
	return err
}

// unloop counts a connection out that was a loop's.
func (p *pool) unloop() {
	p.looped.Add(-1)
	p.left()
}

func (p *pool) left() {
	if !p.in.routed.Load() {
		p.in.settled.ring()
	}
}

// shut closes the idle connections, and from now on those given back.
func (p *pool) shut() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	closeAll(idle)
	if p.looped.Load() > 0 {
		p.loops(func(l *loop) { l.retire(p.in) })
	}
}

func (p *pool) open() {
	p.mu.Lock()
	p.closed = false
	p.mu.Unlock()
}

// cut closes every connection, whatever is on it.
func (p *pool) cut() {
	p.cuts.Add(1)
	p.mu.Lock()
	p.closed = true
	p.idle = nil
	all := make([]net.Conn, 0, len(p.all)+len(p.others))
	for c := range p.all {
		all = append(all, c)
	}
	for c := range p.others {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
	if p.looped.Load() > 0 {
		p.loops(func(l *loop) { l.cut(p.in) })
	}
}

func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all) + len(p.others) + int(p.looped.Load())
}

// expire closes connections that were idle for too long.
func (p *pool) expire() {
	now := p.clock()
	var stale []*upConn
	p.mu.Lock()
	keep := p.idle[:0]
	for _, c := range p.idle {
		if time.Duration(now-c.idleAt) >= c.maxIdle {
			stale = append(stale, c)
		} else {
			keep = append(keep, c)
		}
	}
	clear(p.idle[len(keep):])
	p.idle = keep
	p.mu.Unlock()
	closeAll(stale)
}

func closeAll(conns []*upConn) {
	for _, c := range conns {
		c.Close()
	}
}

// isOpen looks whether the peer has neither closed the connection nor sent
// anything unasked, without waiting.
func (c *upConn) isOpen() bool {
	if c.raw == nil {
		return false
	}
	c.peekOK = false
	err := c.raw.Read(c.peekFn)
	return err == nil && c.peekOK
}

func (c *upConn) peek(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.peekOK = err == syscall.EAGAIN
	return true
}

// read reads into p, flushing onBlock first (once) if there is nothing to be
// read at this moment: that is when what was passed on so far is flushed.
func (c *upConn) read(p []byte) (int, error) {
	if c.onBlock == nil || c.raw == nil {
		if c.onBlock != nil {
			c.onBlock.Flush()
		}
		return c.Conn.Read(p)
	}
	c.recvBuf = p
	err := c.raw.Read(c.recvFn)
	c.recvBuf = nil
	if err != nil {
		return 0, err
	}
	if c.recvErr != nil {
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: c.recvErr}
	}
	if c.recvN == 0 {
		return 0, io.EOF
	}
	return c.recvN, nil
}

func (c *upConn) recv(fd uintptr) bool {
	for {
		b := c.recvBuf
		if c.lazy > 0 {
			b = c.takeBig()
		}
		n, err := syscall.Read(int(fd), b)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			c.dropBig() // an idle stream costs no buffer
			if f := c.onBlock; f != nil {
				c.onBlock = nil
				f.Flush()
			}
			return false
		}
		c.recvN, c.recvErr = n, err
		return true
	}
}

// copyBuffer is for bodies on their way through.
type copyBuffer [64 << 10]byte

var copyBuffers = sync.Pool{New: func() any { return new(copyBuffer) }}

func (c *upConn) takeBig() []byte {
	if c.big == nil {
		c.big = copyBuffers.Get().(*copyBuffer)
	}
	return c.big[:min(c.lazy, len(c.big))]
}

func (c *upConn) dropBig() {
	if c.big != nil {
		copyBuffers.Put(c.big)
		c.big = nil
	}
}

// readBig reads up to most bytes of a body; they stay valid until the next
// call, or dropBig.
func (c *upConn) readBig(most int64) ([]byte, error) {
	c.lazy = int(min(most, int64(len(copyBuffer{}))))
	defer func() { c.lazy = 0 }()
	var p []byte
	if c.onBlock == nil || c.raw == nil {
		p = c.takeBig()
	}
	n, err := c.read(p)
	if n == 0 {
		return nil, err
	}
	return c.big[:n], err
}

// fill reads more into buf, which grows up to limit.
func (c *upConn) fill(limit int) error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else {
			if len(c.buf) >= limit {
				return errHeadTooLarge
			}
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
	}
	n, err := c.read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// answerBy sets the deadline for the answer's header. It is moved only when it
// would come a tenth too early, as moving it costs more than looking.
func (c *upConn) answerBy(now int64, d time.Duration) {
	if d == 0 {
		c.noDeadline()
		return
	}
	if want := now + int64(d); c.readBy == 0 || want-c.readBy > int64(d)/10 || c.readBy > want {
		c.readBy = want
		c.SetReadDeadline(time.Now().Add(d))
	}
}

func (c *upConn) noDeadline() {
	if c.readBy != 0 {
		c.readBy = 0
		c.SetReadDeadline(time.Time{})
	}
}

// abort ends the connection under whoever uses it, who then calls Close. (A
// deadline in the past would not do: the user may just be setting his own.)
func (c *upConn) abort() { c.Conn.Close() }
