package drill

import (
	"net"
	"net/http"
	"time"
)

// job is one request that is due.
type job struct {
	n      int64         // from 1
	due    time.Duration // since the drill's start
	late   time.Duration // how long after that the drill began with it
	phase  int
	mode   Mode
	target *target
	id     string
}

// outcome is what became of a job.
type outcome struct {
	class      Class // "" is OK
	why        error
	status     int
	retryAfter string
	segueError string
	release    string
	proto      string
	bytesRead  int64
	conn       connUse
	retried    bool          // repeated by RFC 9113 §8.7
	took       time.Duration // since it was due
}

// connUse is the connection of a request, as it was when the request began.
type connUse struct {
	id    int64
	age   time.Duration
	ordin int      // which request on this connection, from 1
	local net.Addr // nil when there was never a connection
}

func (u connUse) reused() bool { return u.ordin > 1 }

func (o *outcome) lose(c Class, why error) { o.class, o.why = c, why }

// take fills in what a response says about itself.
func (o *outcome) take(status int, h http.Header) {
	o.status = status
	o.retryAfter = clean(h.Get("Retry-After"), 64)
	o.segueError = clean(h.Get("Segue-Error"), 200)
}

// text is an error that needs no type of its own.
type text string

func (t text) Error() string { return string(t) }

// finish judges a complete answer, and finds the release it came from.
func (d *Drill) finish(o *outcome, t *target, a answer) {
	o.take(a.status, a.header)
	o.release = d.releaseOf(a)
	if class, why := t.expect.judge(a); class != "" {
		o.lose(class, text(why))
	}
}

func (d *Drill) releaseOf(a answer) string {
	re := d.plan.ReleaseFromBody
	if re == nil {
		return clean(a.header.Get(d.plan.ReleaseHeader), 64)
	}
	m := re.FindSubmatch(a.body.kept)
	switch {
	case m == nil:
		return ""
	case len(m) > 1:
		return clean(string(m[1]), 64)
	default:
		return clean(string(m[0]), 64)
	}
}
