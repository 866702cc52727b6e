package proxy

import (
	"syscall"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// head goes on with the beginning of an answer. Whatever is not a plain answer
// is left to the general path, which the client has then not heard of yet.
func (t *trip) head() {
	u, l := t.up, t.c.loop
	b := u.buf[u.r:u.w]
	end, next, err := wire.HeadEnd(b, u.scanned)
	if u.scanned = next; err == nil && end == 0 {
		return
	}
	r := &l.response
	if err != nil || r.Parse(b[:end]) != nil || !isPlainAnswer(r, view(t.method) == "HEAD") || r.Status == 404 && t.mayBeKept() {
		t.handOver(&resumed{})
		return
	}
	u.r += end
	u.state, u.pass = answering, u.r
	t.began, t.status = true, r.Status
	t.in.stats.users.answered(r.Status, u.since, l.now)
	t.last = t.last || l.p.leaving.Load() && !t.c.sentMore()
	t.closing, t.maxIdle = r.Close, keepAliveOf(t.target, r)
	switch {
	case r.Bodiless(view(t.method) == "HEAD"):
		t.whole = true
	case r.Chunked:
		t.chunked = true
	default:
		t.left = r.Length
		t.whole = t.left == 0
	}
	l.out = t.appendHead(l.out[:0], r, b)
	t.sendHead(l.out)
}

// tooLarge deals with a header or trailer section beyond the buffer.
func (t *trip) tooLarge() {
	if t.up.state == awaiting {
		t.handOver(&resumed{})
		return
	}
	t.cutOff()
}

func isPlainAnswer(r *wire.Response, head bool) bool {
	return r.Minor == 1 && r.Status >= 200 && !r.Events && (r.Length >= 0 || r.Chunked || r.Bodiless(head))
}

// appendHead writes an answer's header for the client: as it came, but for what
// ends here.
func (t *trip) appendHead(b []byte, r *wire.Response, head []byte) []byte {
	from, to := 0, r.Line
	for i := range r.Fields {
		f := &r.Fields[i]
		if endsHere(f.Kind, r.Status) || t.target.cfg.Skew != nil && isReleaseName(f.Name) || r.Nominated != nil && f.Kind == wire.Other && r.Ends(f.Name) {
			continue
		}
		if f.From != to {
			b = append(b, head[from:to]...)
			from = f.From
		}
		to = f.To
	}
	b = append(b, head[from:to]...)
	if !r.Dated {
		b = append(append(append(b, "Date: "...), t.c.loop.httpDate()...), "\r\n"...)
	}
	if t.drill || t.target.cfg.Skew != nil {
		b = append(append(append(b, releaseName+": "...), t.in.Release...), "\r\n"...)
	}
	if t.drill {
		b = append(append(append(b, "Segue-Instance: "...), t.in.ID...), "\r\n"...)
	}
	if t.last {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, "\r\n"...)
}

// endsHere tells the answer's fields that are between the instance and us.
func endsHere(k wire.Kind, status int) bool {
	switch k {
	case wire.Connection, wire.KeepAlive, wire.ProxyField, wire.TE, wire.Upgrade:
		return true
	case wire.ContentLength, wire.TransferEncoding: // RFC 9110 §8.6, RFC 9112 §6.1
		return status == 204
	}
	return false
}

// copyBelow is how much of a body is copied behind its header rather than
// gathered by the kernel.
const copyBelow = 4 << 10

// sendHead sends the header together with what is there of the body.
func (t *trip) sendHead(head []byte) {
	u := t.up
	if !t.follow() {
		return
	}
	body := u.buf[u.r:u.pass]
	var n int
	var errno syscall.Errno
	switch {
	case len(body) == 0:
		n, errno = transmit(t.c.fd, head)
	case len(body) <= copyBelow:
		t.c.loop.out = append(head, body...)
		n, errno = transmit(t.c.fd, t.c.loop.out)
	default:
		n, errno = transmitBoth(t.c.fd, head, body)
	}
	if errno != 0 && errno != syscall.EAGAIN {
		t.lose("client-gone")
		return
	}
	if n < len(head) {
		t.pending = append(t.pending[:0], head[n:]...)
		n = len(head)
	}
	t.sent(n - len(head))
	t.goOn()
}

// sent counts what the client has taken of the body.
func (t *trip) sent(n int) {
	t.up.r += n
	if t.c.full = len(t.pending) > 0 || t.up.r < t.up.pass; t.c.full {
		t.c.since = t.c.loop.now
	}
}

// pump passes on what is in the buffer, and reads more when the client has
// taken it.
func (t *trip) pump() {
	if t.up.state != answering || !t.follow() {
		return
	}
	if len(t.pending) > 0 && !t.pumpPending() {
		return
	}
	u := t.up
	if u.r < u.pass {
		n, errno := transmit(t.c.fd, u.buf[u.r:u.pass])
		if errno != 0 && errno != syscall.EAGAIN {
			t.lose("client-gone")
			return
		}
		t.sent(n)
	}
	t.goOn()
}

// pumpPending sends the rest of the header; false says that there is still some,
// or that the client has gone.
func (t *trip) pumpPending() bool {
	n, errno := transmit(t.c.fd, t.pending)
	if errno != 0 && errno != syscall.EAGAIN {
		t.lose("client-gone")
		return false
	}
	t.pending = t.pending[:copy(t.pending, t.pending[n:])]
	t.sent(0)
	return len(t.pending) == 0
}

// goOn ends the trip if all was sent, or waits for whoever is slower. It is the
// caller's last act.
func (t *trip) goOn() {
	u, c := t.up, t.c
	switch {
	case c.full: // until it takes more
	case t.whole:
		t.arrive()
	case u.readable && !u.reading:
		u.read()
	default:
		u.dropBuf()
	}
}

// follow finds out how much of the buffer is the answer's body. false says that
// it is malformed, and the trip has ended.
func (t *trip) follow() bool {
	u := t.up
	have := u.buf[u.pass:u.w]
	if t.whole || len(have) == 0 {
		return true
	}
	if !t.chunked {
		n := min(int64(len(have)), t.left)
		t.left -= n
		t.out += n
		u.pass += int(n)
		t.whole = t.left == 0
		return true
	}
	before := t.chunks.Data
	n, last, err := t.chunks.Scan(have)
	t.out += t.chunks.Data - before
	u.pass += n
	if err != nil {
		t.cutOff()
		return false
	}
	return !last || t.followTrailer()
}

// followTrailer waits for the whole trailer section and drops from it what must
// not come so late.
func (t *trip) followTrailer() bool {
	u, l := t.up, t.c.loop
	rest := u.buf[u.pass:u.w]
	end, _, err := wire.HeadEnd(rest, 0)
	if err != nil {
		t.cutOff()
		return false
	}
	if end == 0 {
		return true
	}
	if l.trailer, err = wire.ParseTrailer(l.trailer, rest[:end]); err != nil {
		t.cutOff()
		return false
	}
	t.whole = true
	if wire.AllTrail(l.trailer) {
		u.pass += end
		return true
	}
	t.closing = t.closing || end < len(rest)
	for _, f := range l.trailer { // written over itself, without some of its lines
		if f.Kind.Trails() {
			u.pass += copy(u.buf[u.pass:], rest[f.From:f.To])
		}
	}
	u.pass += copy(u.buf[u.pass:], "\r\n")
	u.w = u.pass
	return true
}

// arrive ends a trip whose answer the client has taken whole.
func (t *trip) arrive() {
	c, u := t.c, t.up
	end, last := t.end, t.last
	clean := !t.closing && u.r == u.w
	maxIdle := t.maxIdle
	t.up = nil
	u.trip = nil
	if clean {
		u.rest(maxIdle)
	} else {
		u.close()
	}
	t.close()
	c.r += end
	if last {
		c.partWith()
		return
	}
	c.next()
}
