package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
)

// copies is the goroutines that send copies. Its zero value is ready.
type copies struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
	ended  bool
	group  sync.WaitGroup
}

// start runs f beside the request that it serves, unless the proxy ends.
func (c *copies) start(f func(ctx context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancel(context.Background())
	}
	c.group.Go(func() { f(c.ctx) })
	return true
}

// close breaks off what is under way and waits for it.
func (c *copies) close() {
	c.mu.Lock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	c.group.Wait()
}

// copy claims an instance of the service to and sends it a copy of the request,
// in a goroutine of its own. It is false when that cannot be begun. Either way
// the copy's place in the log is given back.
func (x *exchange) copy(t *twin, to string) bool {
	p := x.p
	w := &wish{write: x.wish.write, lot: drawLot()}
	in, tg := p.claimFor(w, to, nil)
	if in != nil && in.protocol == TCP {
		w.release(in)
		in = nil
	}
	if in == nil {
		t.log.leave()
		return false
	}
	head, body := x.copied()
	ok := p.copies.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, copyTimeout)
		defer cancel()
		defer t.end()
		defer t.log.leave()
		defer w.release(in)
		in.requests.Add(1)
		send := in.copyHTTP1
		if in.protocol == H2C {
			send = in.copyH2C
		}
		err := send(ctx, tg, t, head, body)
		in.countCopy(&t.theirs, err, ctx.Err())
		if err != nil {
			t.theirs.failed = true
			p.log.Debug("a copy was not answered", "instance", in.ID, "error", err)
		}
	})
	if !ok {
		t.log.leave()
		w.release(in)
	}
	return ok
}

// copied gives the header and body of the copy. The exchange's own are used
// again as soon as it ends; a kept body is never.
func (x *exchange) copied() (head, body []byte) {
	if len(x.head) > 0 {
		head = append(head, x.head...)
	} else { // its instances speak HTTP/2
		head = appendHead(nil, x.r, x.target, &x.conn.sender, x.length, "")
	}
	head = appendField(head[:len(head)-len("\r\n")], mirrorHeader, "1")
	return append(head, "\r\n"...), x.body
}

func (in *instance) copyHTTP1(ctx context.Context, tg *target, t *twin, head, body []byte) error {
	c, err := in.pool.get(ctx, true)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.abort)
	a, whole, err := t.overConn(c, head, body)
	if stop() && whole && !a.close && c.r == c.w {
		c.giveBack(tg.cfg.UpstreamIdle, a)
	} else {
		c.Close()
	}
	return err
}

// overConn does the exchange of a copy on one connection; whole tells that its
// answer was read to the end.
func (t *twin) overConn(c *upConn, head, body []byte) (a *answer, whole bool, err error) {
	c.onBlock = nil
	c.noDeadline() // the context has one
	bufs := net.Buffers{head, body}
	t.theirs.sentAt = c.pool.clock()
	if _, err := bufs.WriteTo(c.Conn); err != nil {
		return nil, false, err
	}
	h := http.Header{}
	a = &answer{}
	for a.status < 200 {
		clear(h)
		if err := c.readHead(h, a); err != nil {
			return nil, false, err
		}
		if a.status == http.StatusSwitchingProtocols {
			return nil, false, malformed("101 that nobody asked for")
		}
	}
	t.theirs.begin(a.status, h, c.pool.clock())
	b := c.body(a, t.method == http.MethodHead)
	defer c.dropBig()
	for t.theirs.size < mostCompared {
		piece, err := b.next()
		t.theirs.take(piece)
		if err == io.EOF {
			return a, true, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return a, false, nil
}

func (in *instance) copyH2C(ctx context.Context, _ *target, t *twin, head, body []byte) error {
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader(body))))
	if err != nil {
		return err
	}
	r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", in.Addr
	if in.Addr[0] == '/' {
		r.URL.Host = "instance"
	}
	t.theirs.sentAt = in.pool.clock()
	res, err := in.h2.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	t.theirs.begin(res.StatusCode, res.Header, in.pool.clock())
	buf := copyBuffers.Get().(*copyBuffer)
	defer copyBuffers.Put(buf)
	for t.theirs.size < mostCompared {
		n, err := res.Body.Read(buf[:])
		t.theirs.take(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
