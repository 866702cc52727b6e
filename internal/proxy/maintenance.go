package proxy

import (
	"cmp"
	"strings"
	"time"
)

// Maintenance keeps requests from a service while work is done on it. Those
// refused get 503 with Retry-After (RFC 9110 §15.6.4, §10.2.3): JSON for
// programs, a page that asks again by itself for people.
//
// What is in flight when it begins goes on for as long as in a drain, and is
// then asked to end likewise.
type Maintenance struct {
	// Writes refuses only what may change something: requests of methods that
	// are not safe (RFC 9110 §9.2.1), and upgrades, since nobody sees what is
	// sent after them.
	Writes     bool          `json:"writes,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"` // told to clients; 30 s
	Page       string        `json:"page,omitempty"`        // HTML in place of our own page
	Why        string        `json:"why,omitempty"`         // told to clients; "" tells nothing
	// Hold parks requests so long before they are refused, so that a short work
	// is only felt as a pause; 0 refuses at once. The service's HoldMax bounds them.
	Hold time.Duration `json:"hold,omitempty"`
	// Until is when it ends by itself; zero is never.
	Until time.Time `json:"until,omitzero"`
}

// isSafe tells the methods that are registered as safe: those of RFC 9110
// §9.2.1, QUERY, and those of WebDAV (RFC 3253 §3.6, RFC 4918 §9.1, RFC 5323 §2).
// Methods are case-sensitive.
func isSafe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH":
		return true
	}
	return false
}

// close puts the end of the configured maintenance into the table's own time.
func (t *target) close(now int64) {
	if m := t.cfg.Maintenance; m != nil && !m.Until.IsZero() {
		t.opensAt = max(now+int64(time.Until(m.Until)), 1)
	}
}

// closed tells whether maintenance keeps a request out.
func (t *target) closed(now int64, write bool) bool {
	m := t.cfg.Maintenance
	return m != nil && (write || !m.Writes) && (t.opensAt == 0 || now < t.opensAt)
}

// closedTo names what maintenance keeps out, for Status; "" nothing.
func (t *target) closedTo(now int64) string {
	switch {
	case t.closed(now, false):
		return "all"
	case t.closed(now, true):
		return "writes"
	}
	return ""
}

// closedFor is the time for which maintenance holds a request; 0 when it does
// not keep it out, below when it does at once.
func (t *target) closedFor(now int64, write bool) time.Duration {
	if !t.closed(now, write) {
		return 0
	}
	return cmp.Or(max(t.cfg.Maintenance.Hold, 0), -1)
}

// closedStill is how long a request that is kept out may wait on.
func (t *target) closedStill(now int64, so *waits) time.Duration {
	if so.closed == 0 {
		so.closed = max(now, 1)
	}
	left := so.closed + int64(t.cfg.Maintenance.Hold) - now
	if t.opensAt != 0 {
		left = min(left, t.opensAt-now)
	}
	return time.Duration(left)
}

// sayClosed has what is in flight asked to end, where the new table closes its
// service; p.mu is held.
func (p *proxy) sayClosed(t *table) {
	now := max(p.clock(), 1)
	for _, in := range t.instances {
		tg := t.targets[in.service.name]
		if tg == nil || !tg.closed(now, true) {
			in.farewell.reopen()
			continue
		}
		timeout := max(cmp.Or(tg.cfg.DrainTimeout, p.drainTimeout), 0)
		in.farewell.close(leaving{since: now, time: timeout, spread: tg.cfg.DrainSpread}, !tg.cfg.Maintenance.Writes)
	}
}

// close announces that writes are to end, and with reads all exchanges; not anew
// when that is known.
func (w *farewell) close(l leaving, reads bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.since != 0 && w.reads == reads {
		return
	}
	w.closed, w.reads = l, reads
	w.announced.Store(true)
	w.round()
}

// reopen takes that back.
func (w *farewell) reopen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.since == 0 {
		return
	}
	w.closed, w.reads = leaving{}, false
	w.announced.Store(w.drained.since != 0 || w.replaced.since != 0)
	for f := w.first; f != nil; f = f.next {
		f.alone = false
	}
}

// isClosed tells whether the request is to be refused before its body is read.
func (x *exchange) isClosed() bool {
	return x.target.closedFor(x.p.clock(), x.wish.write) < 0
}

// refuseClosed tells the client of the maintenance that keeps its request out.
func (x *exchange) refuseClosed() {
	m := x.target.cfg.Maintenance
	if m == nil { // it has just ended
		x.refuse(refuseNoInstance)
		return
	}
	f := refusal{503, wordMaintenance, "The service is under maintenance.", x.target.comeBack(x.p.clock())}
	if m.Writes {
		f.text = "The service is under maintenance: it can be read, and takes no changes."
	}
	if why := strings.TrimSpace(m.Why); why != "" {
		f.text += " " + why
	}
	x.refuse(f)
}

// comeBack is the Retry-After of maintenance, in seconds: no later than its end.
func (t *target) comeBack(now int64) int {
	d := t.cfg.Maintenance.RetryAfter
	orDefault(&d, 30*time.Second)
	if t.opensAt != 0 {
		d = min(d, time.Duration(t.opensAt-now))
	}
	return max(seconds(d), 1)
}
