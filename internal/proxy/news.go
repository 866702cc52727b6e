package proxy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// newsState is what the streams of a service share. A stream is of server-sent
// events (HTML §9.2), by which pages learn what has become of their service. The
// first one comes at once, and then one for each change:
//
//	event: release      data: {"release":"8","breaking":"6"}
//	event: flags        data: {"etag":"…"}
//	event: message      data: {"type":"refetchEvaluation"}   with it: OFREP's name for the same
//	event: maintenance  data: {"closed":"all","why":"…","retry_after":30}
//
// Maintenance is told of when it begins, changes and ends ("closed":""), flags when
// they change. A stream is no request of any instance's. When the proxy leaves, or
// the service does, it ends, within the service's DrainSpread; the browser comes
// back to whoever is there by then.
type newsState struct {
	changed bell // rings when the news have changed, or the service is gone
	streams atomic.Int64
}

// news is what a table has to tell to pages.
type news struct {
	release, breaking string
	flags             string // an entity tag; "" none
}

// newsNow is what the pages of the service are to know.
func (t *target) newsNow() (n news) {
	if s := t.cfg.Skew; s != nil {
		n.release, n.breaking = s.Current, s.Breaking
	}
	if t.flags != nil {
		n.flags = tagOf(string(t.flags.definitions))
	}
	return n
}

// mostStreams bounds the streams of a service: each takes a connection's memory.
const mostStreams = 20_000

// stillHere is how often a silent stream says something, as middlemen close what
// is silent for long; and how often it looks by itself.
const stillHere = 15 * time.Second

var refuseStreams = refusal{503, "too-many-streams", "Too many pages listen for news.", 10}

// closure is what pages are told of maintenance.
type closure struct {
	Closed string `json:"closed"` // "all", "writes" or ""
	Why    string `json:"why,omitempty"`
	Retry  int    `json:"retry_after,omitempty"` // seconds
}

// closure tells of the maintenance that the service is in.
func (t *target) closure(now int64) (c closure) {
	if c.Closed = t.closedTo(now); c.Closed != "" {
		c.Why, c.Retry = t.cfg.Maintenance.Why, t.comeBack(now)
	}
	return c
}

// serveNews is one stream, to its end.
func (x *exchange) serveNews(w http.ResponseWriter, _ *http.Request) {
	s := x.target.service
	if s.pages.streams.Add(1) > mostStreams {
		s.pages.streams.Add(-1)
		x.refuse(refuseStreams)
		return
	}
	defer s.pages.streams.Add(-1)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep the events for itself
	w.WriteHeader(http.StatusOK)
	if x.r.Method == http.MethodHead {
		return
	}
	n := &newsStream{x: x, w: w}
	n.write("retry: %d\n\n", 1000+rand.IntN(4000)) // not all in the same second
	n.run(s)
	if x.p.leaving.Load() && x.r.ProtoMajor == 1 && n.err == nil {
		x.hangUp()
	}
}

// newsStream is a stream under way.
type newsStream struct {
	x    *exchange
	w    http.ResponseWriter
	told bool // something
	last news
	shut closure
	err  error // of writing: the client has gone
}

// run tells the news until the client has gone, or is to go elsewhere.
func (n *newsStream) run(s *service) {
	silence := time.NewTimer(stillHere)
	defer silence.Stop()
	gone := n.x.p.gone
	var leave <-chan time.Time
	for {
		changed := s.pages.changed.wait()
		t := n.x.p.table.Load().targets[s.name]
		if t == nil || t.service != s || !t.hasOwn {
			return
		}
		spoke := n.tell(t)
		n.x.flush()
		if n.err != nil {
			return
		}
		if spoke {
			silence.Reset(stillHere)
		}
		select {
		case <-changed:
		case <-silence.C:
			n.write(":\n\n")
			silence.Reset(stillHere)
		case <-gone: // they come back at once: not all together
			gone = nil
			leave = time.After(rand.N(max(t.cfg.DrainSpread, 1)))
		case <-leave:
			return
		case <-n.x.r.Context().Done():
			return
		}
	}
}

// tell says what has changed since it was told.
func (n *newsStream) tell(t *target) (spoke bool) {
	now := t.news
	if t.cfg.Skew != nil && (!n.told || now.release != n.last.release || now.breaking != n.last.breaking) {
		n.event("release", map[string]string{"release": now.release, "breaking": now.breaking})
		spoke = true
	}
	if now.flags != n.last.flags {
		n.event("flags", map[string]string{"etag": now.flags})
		n.event("message", map[string]string{"type": "refetchEvaluation"}) // OFREP's, for OpenFeature's providers
		spoke = true
	}
	shut := t.closure(n.x.p.clock())
	if shut.Closed != n.shut.Closed || shut.Why != n.shut.Why {
		n.event("maintenance", shut)
		spoke = true
	}
	n.told, n.last, n.shut = true, now, shut
	return spoke
}

func (n *newsStream) event(name string, data any) {
	b, _ := json.Marshal(data) // strings and numbers: it cannot fail, and has no line break
	n.write("event: %s\ndata: %s\n\n", name, b)
}

func (n *newsStream) write(format string, args ...any) {
	if n.err == nil {
		_, n.err = fmt.Fprintf(n.w, format, args...)
	}
}
