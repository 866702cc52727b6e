package proxy

import (
	"context"
	"errors"
	"math/bits"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A Histogram counts times by how long they are. Its buckets grow with them,
// four to each power of two, from 66 µs to 137 s: a time is known to within a
// fifth. Counters of several proxies may be added up, bucket by bucket.
type Histogram [Buckets]int64

// Buckets are those of a Histogram: one for what is shorter than the first
// bound, one for what is longer than the last.
const Buckets = bucketsPerPower*(longestTime-shortestTime) + 2

const (
	shortestTime    = 16 // the first bound is 1<<16 ns
	longestTime     = 37 // the last one 1<<37 ns
	bucketsPerPower = 4
)

// Bounds gives the upper bounds of a Histogram's buckets, in order. A time that
// is equal to a bound is beyond it; the last bucket has none.
func Bounds() (bounds [Buckets - 1]time.Duration) {
	for i := range bounds {
		power, quarter := i/bucketsPerPower, i%bucketsPerPower
		bounds[i] = time.Duration((bucketsPerPower + quarter) << (shortestTime + power) / bucketsPerPower)
	}
	return bounds
}

// bucket finds the one for a time in nanoseconds.
func bucket(took int64) int {
	switch {
	case took < 1<<shortestTime:
		return 0
	case took >= 1<<longestTime:
		return Buckets - 1
	}
	power := bits.Len64(uint64(took)) - 1
	quarter := int(took>>(power-2)) % bucketsPerPower
	return 1 + (power-shortestTime)*bucketsPerPower + quarter
}

// Counts are what tells a good release from a bad one, since the proxy began or
// got to know the release. They look at instances only: what a client or the
// proxy itself did wrong is not in them, nor how fast a client reads.
type Counts struct {
	// Requests are those that an instance has answered or should have; one that
	// was sent again to another instance counts for both.
	Requests int64 `json:"requests"`
	// Errors are those of the requests that were answered 500 or above, not at
	// all, or not to the end, by the instance's fault; with gRPC, by a status that
	// says so. They never exceed Requests.
	Errors int64 `json:"errors"`
	// Gone are those of the requests whose client left before the answer began.
	// They are no errors.
	Gone int64 `json:"gone,omitempty"`
	// Times run from the end of the request's sending to the header of the answer,
	// or until the client left. There are none of requests without an answer,
	// answered before they were sent whole, or of other protocols than HTTP.
	Times Histogram `json:"times"`
}

// tally is Counts as they are counted.
type tally struct {
	times   [Buckets]atomic.Int64
	untimed atomic.Int64
	errors  atomic.Int64
	gone    atomic.Int64
}

// request counts one that was sent whole at a time of clock, or of which that is
// not known (0), and for which its instance is done now.
func (c *tally) request(sentAt, now int64) {
	if sentAt == 0 {
		c.untimed.Add(1)
		return
	}
	c.times[bucket(now-sentAt)].Add(1)
}

// answered counts a request whose answer begins.
func (c *tally) answered(status int, sentAt, now int64) {
	c.request(sentAt, now)
	if status >= 500 {
		c.errors.Add(1)
	}
}

// unanswered counts a request that the instance should have answered.
func (c *tally) unanswered() {
	c.untimed.Add(1)
	c.errors.Add(1)
}

// cut counts the end, too early, of an answer that was counted.
func (c *tally) cut(status int) {
	if status < 500 {
		c.errors.Add(1)
	}
}

// left counts a request whose client did not wait for the answer.
func (c *tally) left(sentAt, now int64) {
	if sentAt != 0 { // else the instance was not asked yet
		c.request(sentAt, now)
		c.gone.Add(1)
	}
}

func (c *tally) counts() (out Counts) {
	out.Errors, out.Gone = c.errors.Load(), c.gone.Load() // before the requests, which are counted first
	out.Requests = c.untimed.Load()
	for i := range c.times {
		out.Times[i] = c.times[i].Load()
		out.Requests += out.Times[i]
	}
	return out
}

// answered notes that the instance's answer begins.
func (x *exchange) answered(status int) {
	x.began, x.status = true, status
	x.in.stats.users.answered(status, x.sentAt, x.p.clock())
}

// countCopy counts a copy that has come to its end. That the proxy breaks it off
// is nobody's fault.
func (in *instance) countCopy(theirs *impression, err, brokenOff error) {
	c := &in.stats.copies
	switch {
	case theirs.beganAt != 0:
		c.answered(theirs.status, theirs.sentAt, theirs.beganAt)
		if err != nil {
			c.cut(theirs.status)
		}
	case !errors.Is(brokenOff, context.Canceled):
		c.unanswered()
	}
}

// judgeGRPC counts an answer that was passed on whole, and whose gRPC status says
// that the instance has failed: it is a 200 all the same.
func (x *exchange) judgeGRPC(res *http.Response) {
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/grpc") {
		return
	}
	status := firstOr(res.Trailer["Grpc-Status"], res.Header.Get("Grpc-Status")) // in the header when there is nothing else
	if isGRPCFault(status) {
		x.in.stats.users.cut(x.status)
	}
}

// isGRPCFault tells the statuses that OpenTelemetry's conventions for RPC call a
// server's errors; all others are about what the client asked for.
func isGRPCFault(status string) bool {
	switch status {
	case "2", "4", "12", "13", "14", "15": // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
		return true
	}
	return false
}

// ReleaseStatus is what the instances of one release have answered.
type ReleaseStatus struct {
	Release string `json:"release"`
	Counts
	Copies *Counts `json:"copies,omitempty"` // of requests, sent by a Mirror; nil when there were none
}

// status tells of the releases that were asked, in the order of their coming.
func (s *serviceStats) status() (out []ReleaseStatus) {
	for _, r := range s.known() {
		own, copies := r.users.counts(), r.copies.some()
		if own.Requests > 0 || copies != nil {
			out = append(out, ReleaseStatus{Release: r.name, Counts: own, Copies: copies})
		}
	}
	return out
}

// addCopies puts what was counted of copies beside what was of users' requests.
func addCopies(to []ReleaseStatus, from []*releaseStats) []ReleaseStatus {
	for _, r := range from {
		c := r.copies.some()
		if c == nil {
			continue
		}
		n := slices.IndexFunc(to, func(s ReleaseStatus) bool { return s.Release == r.name })
		if n < 0 {
			n = len(to)
			to = append(to, ReleaseStatus{Release: r.name})
		}
		to[n].Copies = c
	}
	return to
}

// some is the counts, nil when nothing was counted.
func (c *tally) some() *Counts {
	if n := c.counts(); n.Requests > 0 {
		return &n
	}
	return nil
}

func (s *serviceStats) known() []*releaseStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*releaseStats, 0, len(s.order))
	for _, name := range s.order {
		out = append(out, s.releases[name])
	}
	return out
}
