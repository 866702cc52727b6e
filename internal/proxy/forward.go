package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// drillHeader asks for the name of the release and instance that answered.
const drillHeader = "Segue-Drill"

// exchange is one request and its answer.
type exchange struct {
	p      *proxy
	w      http.ResponseWriter
	r      *http.Request
	conn   *clientConn
	target *target
	in     *instance // claimed, or the last that was
	start  int64

	head     []byte // the request as sent to the instance, kept from request to request
	body     []byte // its body, when it is kept
	length   int64  // of the body; -1 chunked, 0 none
	stream   bool   // the body is passed on as it comes, not kept
	once     bool   // not safe to repeat
	upgrade  string
	upload   *upload // a body that is passed on as it comes
	patience *patience
	sender   *bodySender
	former   []*bodySender // whose connections were given up
	unhook   func() bool

	resumed *resumed // what the fast path has begun; nil nothing
	wish    wish     // what the choice of an instance looks at
	newLot  bool     // the client is to be told its lot

	document bool // a page is loaded

	// How the exchange is asked to end. What askedToEnd uses is set under the
	// farewell's lock.
	flight flight
	own    time.Duration // to end in, by its route; 0 by its service
	up     *upConn
	peer   net.Conn // the client of an upgrade
	cancel func()   // of an exchange over HTTP/2
	moving *bodySender
	seams  *seams // of the answer; nil none

	tried    []*instance
	waits    waits
	sentAt   int64 // when the instance had the whole request, of clock; 0 not yet, or not known
	began    bool  // the answer has begun
	status   int
	out, rcv int64
	word     string // why it was refused or broken off
	repeats  int
	mirrored bool  // it was decided whether a copy is sent
	twin     *twin // and its answer is compared; nil: none
}

// keepBody is the largest body that is read before it is sent, so that it can
// be sent again.
const keepBody = 64 << 10

// mostRepeats bounds how often a request is sent again after a connection
// ended without an answer.
//
// Once is enough for the death of an instance, since the second attempt goes on
// a connection that is known to be open; and a request that kills whoever
// answers it is not handed from instance to instance.
const mostRepeats = 1

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// ServeHTTP is the one room that a request passes.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	*x = exchange{p: p, w: w, r: r, start: p.clock(), head: x.head[:0], tried: x.tried[:0]}
	x.conn, _ = r.Context().Value(connKey{}).(*clientConn)
	defer x.end()
	x.serve()
}

func (x *exchange) serve() {
	x.p.general.Add(1)
	x.resumed = x.conn.takeResumed()
	shed := x.resumed.isShed()
	if shed {
		x.resumed = nil
	}
	if x.target = x.conn.listener.match(x.p.table.Load(), x.r); x.target == nil {
		x.refuse(refuseNoRoute)
		return
	}
	x.own = x.target.drain
	if x.resumed == nil {
		x.target.requests.Add(1)
	}
	if !isSound(x.r) {
		x.refuse(refuseBadRequest)
		return
	}
	if x.resumed == nil && !x.withinRate() {
		return
	}
	if rest, own := x.target.ownPart(x.r.URL.Path); own && x.resumed == nil {
		x.answerOwn(rest)
		return
	}
	x.wish.listen, x.wish.header = x.conn.listener.key, x.r.Header
	x.unstick()
	x.draw()
	x.findPage()
	x.upgrade = upgradeOf(x.r)
	x.wish.write = !isSafe(x.r.Method) || x.upgrade != ""
	if x.resumed == nil && x.isClosed() {
		x.refuseClosed()
		return
	}
	if x.resumed == nil && x.target.cfg.Shedding != nil && (shed || x.target.sheds(x.r.URL.Path)) {
		x.refuseShed()
		return
	}
	if most := x.target.cfg.MaxBody; most > 0 && x.r.ContentLength > most {
		x.refuse(refuseBody)
		return
	}
	if x.prepare() {
		x.attempts()
	}
}

// prepare decides how the body travels and writes the header for the instance.
func (x *exchange) prepare() bool {
	r := x.r
	x.length = r.ContentLength
	if r.Body == nil || r.Body == http.NoBody {
		x.length = 0
	}
	x.stream = x.length < 0 || x.length > keepBody || x.length > 0 && (r.Header["Expect"] != nil || x.target.mixed)
	x.once = !repeatable(r) || x.stream
	if x.target.cfg.Protocol == H2C && !x.target.mixed {
		return true
	}
	if x.length > 0 && !x.stream && !x.keep() {
		return false
	}
	x.head = appendHead(x.head, r, x.target, &x.conn.sender, x.length, x.upgrade)
	if int64(len(x.head)) > x.target.cfg.MaxHeader && x.target.cfg.MaxHeader > 0 {
		x.refuse(refuseHeader)
		return false
	}
	return true
}

// repeatable tells whether a request that may have reached an instance can be
// sent to another: its method is idempotent (RFC 9110 §9.2.2), or its client
// says so by draft-ietf-httpapi-idempotency-key-header.
func repeatable(r *http.Request) bool {
	return isIdempotent(r.Method) || r.Header["Idempotency-Key"] != nil
}

func isIdempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// attempts claims instances and sends the request until one has answered.
func (x *exchange) attempts() {
	if x.resumed != nil && x.resume() {
		return
	}
	for {
		var err error
		x.in, x.target, err = x.obtain()
		if err != nil {
			x.refuseHeld(err)
			return
		}
		x.mirror()
		if x.tryOne() {
			return
		}
		x.tried = append(x.tried, x.in)
		x.target.service.retries.Add(1)
	}
}

func (x *exchange) obtain() (*instance, *target, error) {
	in, t, err := x.p.obtain(x.r.Context(), x.target.name, &x.wish, x.tried, &x.waits)
	if t == nil {
		t = x.target
	}
	return in, t, err
}

// tryOne sends the request to the claimed instance and releases it, whatever
// comes. It gives false when another should be tried.
func (x *exchange) tryOne() (done bool) {
	in := x.in
	defer x.wish.release(in)
	x.up, x.cancel, x.peer, x.moving, x.sentAt = nil, nil, nil, nil, 0
	x.flight.write = x.wish.write
	x.flight.enter(x, &in.farewell, x.own, waiting)
	defer x.flight.leave()
	in.requests.Add(1)
	if in.protocol == H2C {
		return x.tryH2()
	}
	if len(x.head) == 0 { // prepared for a table that knew only h2c instances
		x.stream = x.length != 0
		x.head = appendHead(x.head, x.r, x.target, &x.conn.sender, x.length, x.upgrade)
	}
	c, err := in.pool.get(x.r.Context(), x.once || x.repeats > 0)
	if err != nil {
		return x.notConnected(err)
	}
	in.accepted()
	if why := x.flight.become(waiting, func() { x.up = c }); why != stays {
		c.Close()
		return x.takenBack(why)
	}
	return x.overConn(c)
}

// notConnected deals with a connection that could not be opened: nothing was
// sent, so any request goes to another instance.
func (x *exchange) notConnected(err error) bool {
	if x.r.Context().Err() != nil {
		x.broken("client-gone")
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		x.missed()
		x.p.log.Warn("no descriptor or port for a connection to an instance", "instance", x.in.ID, "error", err)
	} else {
		x.failed()
	}
	x.in.aside(x.p.clock())
	return false
}

// overConn does the exchange on one connection.
func (x *exchange) overConn(c *upConn) bool {
	x.watch(c)
	return x.receive(c, x.send(c))
}

// receive passes on what comes back. Even when the sending failed, the answer may
// have come before: an instance may refuse a body without reading it.
func (x *exchange) receive(c *upConn, sendErr error) bool {
	var a answer
	err := x.receiveHead(c, &a)
	if err != nil {
		gone := !x.unwatch(c) // before joinSender, which ends the request's context
		c.Close()
		if !gone && x.replay(err) {
			return false
		}
		x.joinSender()
		if f := x.senderFailure(); f != nil {
			x.refuse(*f)
			return true
		}
		if gone {
			x.broken("client-gone")
		}
		if why := x.flight.why(); why != stays {
			return x.takenBack(why)
		}
		return x.noHead(c, err)
	}
	if f := x.findAsset(a.status); f != nil {
		x.unwatch(c)
		c.Close()
		x.serveAsset(f)
		return true
	}
	if a.status == http.StatusSwitchingProtocols {
		if x.unwatch(c) {
			x.serveUpgrade(c, &a)
		} else {
			c.Close()
			x.broken("client-gone")
		}
		return true
	}
	a.close = a.close || sendErr != nil
	if why := x.beginAnswer(c, a.length >= 0 || x.r.Method == http.MethodHead); why != stays {
		gone := !x.unwatch(c)
		c.Close()
		x.joinSender()
		if gone {
			x.broken("client-gone")
		}
		clear(x.w.Header())
		return x.takenBack(why)
	}
	x.answer(c, &a)
	return true
}

// send writes the header and the kept body, or starts to stream the body.
func (x *exchange) send(c *upConn) error {
	c.onBlock = nil
	if !x.stream {
		x.sentAt = x.p.clock()
	}
	if len(x.body) > 0 {
		bufs := net.Buffers{x.head, x.body}
		_, err := bufs.WriteTo(c.Conn)
		return err
	}
	if _, err := c.Write(x.head); err != nil {
		return err
	}
	if x.stream {
		c.noDeadline()
		x.startSender(c)
	}
	return nil
}

// receiveHead reads the final answer's header, passing on interim ones
// (RFC 9110 §15.2).
func (x *exchange) receiveHead(c *upConn, a *answer) error {
	h := x.w.Header()
	if x.sender == nil { // else the time runs from the end of the body
		c.answerBy(x.p.clock(), x.target.cfg.AnswerTimeout)
	}
	for {
		if err := c.readHead(h, a); err != nil {
			return err
		}
		switch {
		case a.status == http.StatusSwitchingProtocols && x.upgrade == "":
			return malformed("101 that nobody asked for")
		case a.status >= 200 || a.status == http.StatusSwitchingProtocols:
			x.headArrived(c)
			return nil
		case a.status == http.StatusContinue:
			x.continueSender()
		case x.r.ProtoAtLeast(1, 1):
			x.w.WriteHeader(a.status)
		}
		clear(h)
	}
}

// noHead deals with an exchange that failed before an answer's header.
func (x *exchange) noHead(c *upConn, err error) bool {
	var m malformed
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.failed()
		x.refuse(refuseTimeout)
	case !errors.Is(err, errNoAnswer), errors.As(err, &m):
		x.failed()
		x.p.log.Warn("bad answer from an instance", "instance", x.in.ID, "error", err)
		x.refuse(refuseBroken)
	case !x.once && x.repeats < mostRepeats:
		if !x.spendRepeat() {
			return true
		}
		if !c.reused {
			x.failed()
		}
		return false
	case x.in.farewell.over(): // it was left alone, and its instance did not answer in time
		x.said("refused")
		x.refuse(refuseDrained)
	default:
		x.failed()
		x.refuse(refuseReset)
	}
	return true
}

func (x *exchange) refuseHeld(err error) {
	switch {
	case errors.Is(err, errClosed), errors.Is(err, errHoldFull) && x.target.closed(x.p.clock(), x.wish.write):
		x.refuseClosed()
	case errors.Is(err, errHoldFull):
		x.refuse(x.target.holdFull(x.p.clock()))
	case errors.Is(err, errHoldTimeout), errors.Is(err, errNoService):
		x.refuse(refuseNoInstance)
	default:
		x.broken("client-gone")
	}
}

// broken ends an exchange that has nobody to answer any more. It does not
// return: a handler that returned would answer 200.
func (x *exchange) broken(word string) {
	x.word, x.status = word, 499
	if x.in != nil && !x.began {
		x.in.stats.users.left(x.sentAt, x.p.clock())
	}
	panic(http.ErrAbortHandler)
}

// watch breaks off the exchange on c when the client goes away, until unwatch.
func (x *exchange) watch(c *upConn) {
	if x.r.ProtoMajor == 1 && !x.conn.tls {
		x.conn.watch(c)
		return
	}
	x.unhook = context.AfterFunc(x.r.Context(), c.abort)
}

// unwatch tells whether c is still sound, that is, was not aborted.
func (x *exchange) unwatch(c *upConn) bool {
	if x.unhook == nil {
		return x.conn.unwatch()
	}
	return x.unhook()
}

// end records the exchange; it runs on panics too.
func (x *exchange) end() {
	x.endUpload()
	x.resumed.drop()
	x.record()
	if cap(x.head) <= 16<<10 {
		head, tried := x.head, x.tried
		clear(tried)
		*x = exchange{head: head, tried: tried}
		exchanges.Put(x)
	}
}
