package proxy

import (
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Mirror has copies of a share of a service's requests sent elsewhere, to a new
// release say. The answers are compared and never returned; a copy neither
// delays nor fails the request that it was made of.
//
// Copied are requests of methods that are safe (RFC 9110 §9.2.1), with all
// methods if Unsafe, without a body or with one of up to MaxBody that came with
// a length; no upgrades. A copy carries the field Segue-Mirror: 1.
type Mirror struct {
	To string `json:"to,omitempty"` // a service of the table; when it is not there, nothing is copied
	// Instances get the copies in place of those of To. They speak the
	// service's protocol if they do not say otherwise, and drain like others.
	Instances []Instance `json:"instances,omitempty"`
	Percent   int        `json:"percent"`
	MaxBody   int64      `json:"max_body,omitempty"` // 64 KiB, which is also the most; negative: only requests without a body
	Unsafe    bool       `json:"unsafe,omitempty"`
}

const mirrorHeader = "Segue-Mirror"

// copiesAtOnce bounds the copies of a service that are on their way.
const copiesAtOnce = 64

// copyTimeout is how long a copy may take, with its answer.
const copyTimeout = 30 * time.Second

// mostCompared is how much of the answers' bodies is compared. A copy's answer
// is read no further.
const mostCompared = 1 << 20

func (m *Mirror) withDefaults() *Mirror {
	if m == nil {
		return nil
	}
	c := *m
	orDefault(&c.MaxBody, keepBody)
	c.MaxBody = min(c.MaxBody, keepBody)
	return &c
}

// mirrorName is the table's name for the instances that a service has for its
// copies only.
func mirrorName(service string) string { return service + " (mirror)" }

// target names where the copies go.
func (m *Mirror) target(service string) string {
	if len(m.Instances) > 0 {
		return mirrorName(service)
	}
	return m.To
}

// Results of a comparison.
const (
	mirrorSame    = iota
	mirrorStatus  // another status
	mirrorBody    // another body or content type
	mirrorFailed  // no whole answer came
	mirrorSkipped // not copied, or the original had no answer to compare with
	mirrorResults
)

var mirrorWords = [mirrorResults]string{"same", "status", "body", "failed", "skipped"}

// mirrorLog is what came of a service's copies.
type mirrorLog struct {
	underWay atomic.Int64
	counts   [mirrorResults]atomic.Int64
	mu       sync.Mutex
	last     []Difference
}

// A Difference is a request that was answered in two ways.
type Difference struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // without the query, which may hold secrets
	Status int       `json:"status"`
	Mirror int       `json:"mirror"` // the copy's status
}

const differencesKept = 10

// enter makes room for one more copy, if there is some; leave gives it back.
func (l *mirrorLog) enter() bool {
	if l.underWay.Add(1) <= copiesAtOnce {
		return true
	}
	l.leave()
	return false
}

func (l *mirrorLog) leave() { l.underWay.Add(-1) }

func (l *mirrorLog) add(result int, d Difference) {
	l.counts[result].Add(1)
	if result != mirrorStatus && result != mirrorBody {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) == differencesKept {
		l.last = append(l.last[:0], l.last[1:]...)
	}
	l.last = append(l.last, d)
}

// twin is a request and its copy, until both are answered.
type twin struct {
	log          *mirrorLog
	method, path string
	ours         impression // of the client's goroutine until it ends
	theirs       impression // of the copy's

	mu    sync.Mutex
	ended int // of the two
}

// impression is what is compared of an answer. failed is one that was not whole.
type impression struct {
	failed bool
	status int
	kind   string // Content-Type
	size   int64
	sum    maphash.Hash // of the first mostCompared bytes

	sentAt, beganAt int64 // of clock; of a copy's
}

// begin notes that a copy's answer begins.
func (i *impression) begin(status int, h http.Header, now int64) {
	i.status, i.kind, i.beganAt = status, h.Get("Content-Type"), now
}

func (i *impression) take(piece []byte) {
	if room := mostCompared - i.size; room > 0 {
		i.sum.Write(piece[:min(int64(len(piece)), room)])
	}
	i.size += int64(len(piece))
}

// end is called by each of the two; the second compares.
func (t *twin) end() {
	t.mu.Lock()
	t.ended++
	last := t.ended == 2
	t.mu.Unlock()
	if last {
		t.log.add(t.compare(), Difference{At: time.Now(), Method: t.method, Path: t.path, Status: t.ours.status, Mirror: t.theirs.status})
	}
}

func (t *twin) compare() int {
	a, b := &t.ours, &t.theirs
	switch {
	case a.failed:
		return mirrorSkipped
	case b.failed:
		return mirrorFailed
	case a.status != b.status:
		return mirrorStatus
	case a.kind != b.kind || min(a.size, mostCompared) != min(b.size, mostCompared) || a.sum.Sum64() != b.sum.Sum64():
		return mirrorBody
	}
	return mirrorSame
}

// mirror sends a copy of the request, if it is to have one. It is called when
// an instance was found for the original, and does nothing when it is called
// again for a repeat.
func (x *exchange) mirror() {
	m := x.target.cfg.Mirror
	if m == nil || x.mirrored {
		return
	}
	x.mirrored = true
	if m.Percent < 100 && rand.IntN(100) >= m.Percent || !m.Unsafe && !isSafe(x.r.Method) || x.upgrade != "" {
		return
	}
	log := &x.target.service.mirrors
	t := &twin{log: log, method: x.r.Method, path: x.r.URL.Path}
	t.theirs.sum.SetSeed(t.ours.sum.Seed())
	whole := x.length == 0 || x.body != nil && x.length <= m.MaxBody
	if whole && log.enter() && x.copy(t, m.target(x.target.name)) {
		x.twin = t
		return
	}
	log.counts[mirrorSkipped].Add(1)
}

// compareBody takes in a piece of the original's answer.
func (x *exchange) compareBody(piece []byte) {
	if x.twin != nil {
		x.twin.ours.take(piece)
	}
}

// endMirror gives the original's answer to the comparison.
func (x *exchange) endMirror() {
	t := x.twin
	if t == nil {
		return
	}
	t.ours.failed, t.ours.status = !x.began || x.word != "", x.status
	t.ours.kind = x.w.Header().Get("Content-Type")
	t.end()
}

// MirrorStatus is what came of a service's copies.
type MirrorStatus struct {
	To          string       `json:"to,omitempty"` // "" when they go to instances of their own
	Same        int64        `json:"same"`
	Status      int64        `json:"status"` // another status
	Body        int64        `json:"body"`   // another body or content type
	Failed      int64        `json:"failed"`
	Skipped     int64        `json:"skipped"`
	Differences []Difference `json:"differences,omitempty"` // the last ones
}

func (t *target) mirrorStatus() *MirrorStatus {
	m := t.cfg.Mirror
	if m == nil {
		return nil
	}
	l := &t.service.mirrors
	l.mu.Lock()
	defer l.mu.Unlock()
	n := func(result int) int64 { return l.counts[result].Load() }
	return &MirrorStatus{To: m.To, Same: n(mirrorSame), Status: n(mirrorStatus), Body: n(mirrorBody), Failed: n(mirrorFailed),
		Skipped: n(mirrorSkipped), Differences: append([]Difference(nil), l.last...)}
}
