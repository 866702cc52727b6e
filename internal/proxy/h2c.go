package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the opening of a connection to an instance, which is on
// this machine or near it.
const dialTimeout = 3 * time.Second

// transport gives the HTTP/2 side of a pool, for instances that speak it. Its
// connections are on the pool's list, so that a drain sees them.
func (p *pool) transport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	p.others = map[net.Conn]struct{}{}
	return &http.Transport{
		Protocols:          protocols,
		DisableCompression: true,
		IdleConnTimeout:    90 * time.Second,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := p.dialNet(ctx)
			if err != nil {
				return nil, &notDialled{err}
			}
			h := &h2Conn{Conn: c, pool: p}
			p.mu.Lock()
			p.others[h] = struct{}{}
			p.mu.Unlock()
			return h, nil
		},
	}
}

// notDialled marks an error before anything was sent.
type notDialled struct{ error }

func (e *notDialled) Unwrap() error { return e.error }

type h2Conn struct {
	net.Conn
	pool *pool
}

func (c *h2Conn) Close() error {
	err := c.Conn.Close()
	c.pool.mu.Lock()
	delete(c.pool.others, c)
	c.pool.mu.Unlock()
	c.pool.left()
	return err
}

// tryH2 does the exchange with an instance that speaks HTTP/2.
func (x *exchange) tryH2() bool {
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	var timer *time.Timer
	if d := x.target.cfg.AnswerTimeout; d > 0 && x.length >= 0 {
		timer = time.AfterFunc(d, cancel)
		defer timer.Stop()
	}
	body := x.sentBody()
	if x.length == 0 || x.body != nil {
		x.sentAt = x.p.clock()
	}
	if why := x.flight.become(waiting, func() { x.cancel = cancel }); why != stays {
		return x.takenBack(why)
	}
	res, err := x.in.h2.RoundTrip(x.h2Request(ctx, body))
	if err != nil {
		return x.h2Failed(err, body)
	}
	defer x.endH2(body, res.Body, cancel)
	x.in.accepted()
	if x.sentAt == 0 {
		x.sentAt = body.wholeAt.Load()
	}
	if timer != nil {
		timer.Stop()
	}
	if f := x.findAsset(res.StatusCode); f != nil {
		x.serveAsset(f)
		return true
	}
	h := x.w.Header()
	passFields(h, res.Header)
	for k := range res.Trailer {
		h.Add("Trailer", k)
		if x.r.ProtoMajor == 1 {
			delete(h, "Content-Length") // only a chunked answer has room for a trailer
		}
	}
	if why := x.beginAnswer(nil, x.r.Method == http.MethodHead); why != stays {
		clear(h)
		return x.takenBack(why)
	}
	a := answer{status: res.StatusCode, hasType: h["Content-Type"] != nil}
	x.passHead(&a)
	x.passH2Body(res)
	x.judgeGRPC(res)
	return true
}

// endH2 ends an exchange that was answered, or broken off by a panic.
func (x *exchange) endH2(body *sentBody, answer io.Closer, cancel func()) {
	answer.Close()
	if x.word == "" && !body.eof.Load() && x.r.ProtoMajor == 1 {
		x.flush()
	}
	cancel()
	whole := body.end()
	x.rcv = body.count.Load()
	if !whole && x.word == "" && x.r.ProtoMajor == 1 {
		x.hangUp()
	}
}

func passFields(to, from http.Header) {
	for k, v := range from {
		switch k {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Trailer":
		default:
			to[k] = v
		}
	}
}

func (x *exchange) passH2Body(res *http.Response) {
	buf := copyBuffers.Get().(*copyBuffer)
	defer copyBuffers.Put(buf)
	if res.ContentLength != 0 && x.r.Method != http.MethodHead {
		x.flush()
	}
	for {
		n, err := res.Body.Read(buf[:])
		piece, over := x.pastSeam(buf[:n])
		if len(piece) > 0 {
			x.compareBody(piece)
			m, werr := x.w.Write(piece)
			x.out += int64(m)
			if werr != nil {
				x.clientGone()
				panic(http.ErrAbortHandler)
			}
			if x.out != res.ContentLength {
				x.flush()
			}
		}
		if over || err != nil && err != io.EOF && x.flight.why() != stays {
			if x.lastWords() != errSaidGoodbye {
				panic(http.ErrAbortHandler)
			}
			return
		}
		if err == io.EOF {
			x.passTrailer(res.Trailer)
			return
		}
		if err != nil {
			x.bodyBroke()
			panic(http.ErrAbortHandler)
		}
	}
}

// h2Failed deals with an exchange that has no answer; see notConnected and noHead.
func (x *exchange) h2Failed(err error, body *sentBody) bool {
	var nd *notDialled
	gone := x.r.Context().Err() != nil
	if body.began.Load() {
		body.end()
		x.rcv = body.count.Load()
	}
	failure := body.failure.Load()
	switch {
	case failure != nil:
		x.refuse(*failure)
	case gone:
		x.broken("client-gone")
	case x.flight.why() != stays:
		return x.takenBack(x.flight.why())
	case errors.As(err, &nd):
		x.failed()
		x.in.aside(x.p.clock())
		return false
	case errors.Is(err, context.Canceled):
		x.failed()
		x.refuse(refuseTimeout)
	case repeatable(x.r) && !body.began.Load() && x.repeats < mostRepeats:
		return !x.spendRepeat()
	default:
		x.failed()
		x.p.log.Warn("no answer from an instance", "instance", x.in.ID, "error", err)
		x.refuse(refuseReset)
	}
	return true
}

func (x *exchange) h2Request(ctx context.Context, body *sentBody) *http.Request {
	r := x.r.Clone(ctx)
	r.URL.Scheme, r.URL.Host = "http", x.in.Addr
	if x.in.Addr[0] == '/' {
		r.URL.Host = "instance"
	}
	if x.length != 0 {
		r.Body = body
	} else {
		r.Body = nil
	}
	h := r.Header
	trailers := hasToken(h["Te"], "trailers")
	for _, k := range nominated(x.r) {
		delete(h, k)
	}
	passOn := appendForwarded(nil, x.r, x.target, &x.conn.sender)
	for k := range h {
		if hopByHop(k) {
			delete(h, k)
		}
	}
	setFields(h, string(passOn))
	if trailers {
		h["Te"] = []string{"trailers"}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = nil // or net/http sends its own
	}
	r.RequestURI = ""
	r.Trailer = x.r.Trailer // filled while the body is read
	r.Close = false
	return r
}

// setFields puts lines as appendField writes them into h.
func setFields(h http.Header, lines string) {
	for lines != "" {
		var line string
		line, lines = cutLine(lines)
		if k, v, err := parseField(line); err == nil {
			h[k] = []string{v}
		}
	}
}

// sentBody is a request's body on its way to an HTTP/2 instance. It is not
// closed by the transport, so that it can still be sent elsewhere if it was
// not touched. The transport may go on reading after the exchange has ended,
// so it holds nothing of that, and end sees the last read out.
type sentBody struct {
	body  io.Reader
	clock func() int64
	pause time.Duration // between reads; 0 none
	most  int64         // 0 none

	patience *patience

	mu      sync.Mutex // held while reading
	ended   atomic.Bool
	count   atomic.Int64
	began   atomic.Bool
	eof     atomic.Bool
	wholeAt atomic.Int64            // when its end was read, of clock
	failure atomic.Pointer[refusal] // what the client did wrong
}

func (x *exchange) sentBody() *sentBody {
	b := &sentBody{body: x.r.Body, patience: x.readsBody(), clock: x.p.clock, most: x.target.cfg.MaxBody}
	if x.body != nil { // kept for an instance that speaks HTTP/1.1
		b.body = bytes.NewReader(x.body)
	}
	if x.length >= 0 { // a stream may rest for as long as it likes
		b.pause = x.target.cfg.BodyTimeout
	}
	if x.length == 0 {
		b.eof.Store(true)
	} else if x.r.ProtoMajor == 1 {
		b.patience.rc.EnableFullDuplex()
	}
	return b
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	b.began.Store(true)
	b.patience.lengthen(b.pause)
	n, err := b.body.Read(p)
	if total := b.count.Add(int64(n)); b.most > 0 && total > b.most {
		b.failure.Store(&refuseBody)
		return 0, errors.New(refuseBody.text)
	}
	if err == io.EOF {
		b.wholeAt.CompareAndSwap(0, b.clock())
		b.eof.Store(true)
	} else if errors.Is(err, os.ErrDeadlineExceeded) && !b.ended.Load() {
		b.failure.Store(&refuseSlowBody)
	}
	return n, err
}

func (b *sentBody) Close() error { return nil }

// end stops the reading and tells whether the body was read whole.
func (b *sentBody) end() (whole bool) {
	b.ended.Store(true)
	if !b.eof.Load() {
		b.patience.end()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.eof.Load()
}
