package proxy

import (
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// trip is one request and its answer on the fast path: what exchange is on the
// general one.
type trip struct {
	c      *client
	up     *upstream
	in     *instance // claimed until the end
	wish   wish      // for which it was
	target *target
	own    time.Duration // to end in, by its route; 0 by its service
	start  int64
	end    int // of the request, in c.in from c.r

	method, host, uri []byte // in c.in
	body              []byte // in c.in
	once              bool   // not safe to repeat
	drill             bool   // the answer is to be signed
	last              bool   // the client's connection ends with it

	began   bool // the client has been sent something, or was to be
	status  int
	out     int64 // of the answer's body
	word    string
	left    int64       // of the answer's body, when its length is known
	chunked bool        // it comes in chunks
	chunks  wire.Chunks // that were followed so far
	whole   bool        // all of it was read
	closing bool        // the instance ends the connection behind it
	maxIdle int64
	pending []byte // what the client has yet to take of the answer's header
}

func (l *loop) newTrip() *trip {
	n := len(l.trips)
	if n == 0 {
		return new(trip)
	}
	t := l.trips[n-1]
	l.trips = l.trips[:n-1]
	return t
}

// depart sends a whole and plain request, whose header ends at end, on its way;
// or leaves it to the general path.
func (c *client) depart(r *wire.Request, end int) {
	l := c.loop
	l.tick()
	target := l.route(c.listener, r)
	if target == nil || !target.plain || target.hasOwn && target.isOwn(r) || target.notices(r, &c.sender) || target.cfg.MaxBody > 0 && r.Length > target.cfg.MaxBody {
		c.leave(nil)
		return
	}
	l.out = appendRequest(l.out[:0], r, c.in[c.r:], target, &c.sender)
	if most := target.cfg.MaxHeader; most > 0 && int64(len(l.out)) > most {
		c.leave(nil)
		return
	}
	w := wish{write: !isSafe(view(r.Method)), lot: target.lotFor(&c.sender), listen: c.listener.key}
	if target.cfg.Skew != nil {
		page := pagedFast(r)
		if page.document { // it gets a cookie
			c.leave(nil)
			return
		}
		w.stay = page.release
	}
	if target.shedder.dial.Load() != 0 && target.sheds(pathOf(r)) {
		c.leave(&resumed{err: errShed})
		return
	}
	in, now := l.p.claimFor(&w, target.name, nil)
	if in == nil {
		c.leave(nil)
		return
	}
	if now != target && (!now.plain || now.division != target.division) || !in.literal { // the table has just changed
		w.release(in)
		c.leave(nil)
		return
	}
	w.stay = "" // it is in the client's buffer, and has done its work
	t := l.newTrip()
	whole := end + int(r.Length)
	*t = trip{
		c: c, in: in, wish: w, target: now, own: target.drain, start: l.now, end: whole,
		method: r.Method, host: r.Host, uri: r.Target, body: c.in[c.r+end : c.r+whole],
		last: r.Close, pending: t.pending[:0],
	}
	t.once = !isIdempotent(view(r.Method))
	for i := range r.Fields {
		switch r.Fields[i].Kind {
		case wire.IdempotencyKey:
			t.once = false
		case wire.Drill:
			t.drill = true
		}
	}
	c.trip, c.state, c.since = t, onTrip, l.now
	l.hurry()
	target.requests.Add(1)
	in.requests.Add(1)
	l.requests.Add(1)
	t.send()
}

// route gives the target for a request, or nil.
func (l *loop) route(ln *listener, r *wire.Request) *target {
	v := l.p.table.Load().listeners[ln.key]
	if v == nil {
		return nil
	}
	return v.match(view(r.Host), pathOf(r))
}

// isOwn tells the requests that the proxy itself answers.
func (t *target) isOwn(r *wire.Request) bool {
	_, own := t.ownPart(pathOf(r))
	return own
}

// pathOf is the path of a request, without escapes, for as long as the request is.
func pathOf(r *wire.Request) string { return unescaped(r.Path) }

func unescaped(b []byte) string {
	path := view(b)
	if strings.IndexByte(path, '%') >= 0 {
		path = unescape(path)
	}
	return path
}

// view is b as a string, for as long as b stays as it is.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// unescape undoes the escapes of a path, which were found sound.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			c, i = byte(n), i+2
		}
		b = append(b, c)
	}
	return string(b)
}

// appendRequest writes a request's header for an instance as appendHead does,
// with the fields that pass through copied as they came.
func appendRequest(b []byte, r *wire.Request, head []byte, t *target, s *sender) []byte {
	b = append(append(b, r.Method...), ' ')
	b = append(b, r.Origin...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(append(b, r.Host...), "\r\n"...)
	from, to := 0, 0 // of lines to be copied
	for i := range r.Fields {
		f := &r.Fields[i]
		if !passesOn(f.Kind) || t.cfg.Skew != nil && isReleaseName(f.Name) || r.Nominated != nil && r.Ends(f.Name) {
			continue
		}
		if f.From != to {
			b = append(b, head[from:to]...)
			from = f.From
		}
		to = f.To
	}
	b = append(b, head[from:to]...)
	b = appendPeer(b, r, t, s)
	if r.Length > 0 || r.Length == 0 && wantsLength(view(r.Method)) {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, r.Length, 10), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func wantsLength(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

// passesOn tells the request fields that hopByHop does not.
func passesOn(k wire.Kind) bool {
	switch k {
	case wire.Other, wire.IdempotencyKey, wire.ContentType, wire.Date, wire.NotTrailing:
		return true
	}
	return false
}

// appendPeer tells the instance who asked, as appendForwarded does.
func appendPeer(b []byte, r *wire.Request, t *target, s *sender) []byte {
	trusted := len(t.trusted) > 0 && s.isTrusted(t)
	b = append(b, "X-Forwarded-For: "...)
	if trusted {
		b = appendKind(b, r, wire.ForwardedFor)
	}
	b = append(b, s.text...)
	b = append(b, "\r\nX-Forwarded-Proto: "...)
	b = appendFirst(b, r, wire.ForwardedProto, trusted, s.proto)
	b = append(b, "\r\nX-Forwarded-Host: "...)
	b = appendFirst(b, r, wire.ForwardedHost, trusted, view(r.Host))
	b = append(b, "\r\nForwarded: "...)
	if trusted {
		b = appendKind(b, r, wire.Forwarded)
	}
	b = append(append(b, "for="...), s.node...)
	b = append(append(b, ";host=\""...), r.Host...)
	b = append(append(b, "\";proto="...), s.proto...)
	return append(b, "\r\n"...)
}

func appendKind(b []byte, r *wire.Request, k wire.Kind) []byte {
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Kind == k {
			b = append(append(b, f.Value...), ", "...)
		}
	}
	return b
}

func appendFirst(b []byte, r *wire.Request, k wire.Kind, trusted bool, other string) []byte {
	for i := range r.Fields {
		if f := &r.Fields[i]; trusted && f.Kind == k {
			return append(b, f.Value...)
		}
	}
	return append(b, other...)
}

// send writes header and body, which stand in the loop's out and in the
// client's buffer, to an instance.
func (t *trip) send() {
	l := t.c.loop
	u := l.takeIdle(t.in, t.once)
	if u == nil {
		var err error
		if u, err = l.connect(t.in); err != nil {
			t.handOver(&resumed{err: err, unconnected: true})
			return
		}
	}
	u.trip, t.up = t, u
	if u.state == connecting {
		u.unsent = append(append(u.unsent[:0], l.out...), t.body...)
		return
	}
	t.in.accepted()
	u.write(l.out, t.body)
}

// close releases what the trip has claimed and records it.
func (t *trip) close() {
	c, l := t.c, t.c.loop
	l.tick()
	took := l.now - t.start
	if t.status >= 500 {
		t.in.answers5xx.Add(1)
	}
	t.in.stats.observe(t.status, took)
	if l.p.logf.on.Load() {
		l.p.logf.add(func(b []byte) []byte { return t.entry(took).append(b) })
	}
	t.wish.release(t.in)
	t.drop()
	c.trip = nil
}

// drop lets go of the trip itself.
func (t *trip) drop() {
	pending := t.pending
	if cap(pending) > 4<<10 {
		pending = nil
	}
	l := t.c.loop
	*t = trip{pending: pending[:0]}
	l.trips = append(l.trips, t)
}

func (t *trip) entry(took int64) *logEntry {
	return &logEntry{
		client: t.c.sender.text, method: view(t.method), host: view(t.host), uri: view(t.uri), proto: "HTTP/1.1",
		status: t.status, out: t.out, received: int64(len(t.body)), took: took,
		service: t.target.name, answered: true, instance: t.in.ID, release: t.in.Release, word: t.word,
	}
}

// lose ends a trip whose client is to get nothing more: it has gone, or the
// answer is broken. The connection to the instance goes with it.
func (t *trip) lose(word string) {
	c := t.c
	if t.word = word; !t.began {
		t.status = 499
		if t.up != nil && t.up.state == awaiting {
			t.in.stats.users.left(t.up.since, t.c.loop.now)
		}
	}
	if t.up != nil {
		t.up.trip = nil
		t.up.close()
	}
	t.close()
	c.close()
}

// cutOff ends a trip in the middle of an answer that the instance did not end:
// the client must see that it is not whole.
func (t *trip) cutOff() {
	t.in.failures.Add(1)
	t.in.stats.users.cut(t.status)
	t.lose("answer-cut")
}
