package proxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Shedding turns requests away while a service is short of capacity, those that
// matter least first. It is short of capacity when one of InFlight, P95 and Errors is
// exceeded; what is zero is not looked at. Each proxy decides for itself.
//
// What is turned away gets 503 with Retry-After and is not sent to an instance, so
// that no release is blamed for it.
type Shedding struct {
	// InFlight is how many requests one instance may have at once; the service's
	// bound is that times the instances that may be chosen. Exchanges that stay
	// open (WebSocket, other upgrades, streams of events, lines or gRPC messages) do
	// not count once their answer has begun.
	InFlight int `json:"in_flight,omitempty"`
	// P95 is the time within which 95 of 100 answers begin, counted as in Counts.Times.
	P95 time.Duration `json:"p95,omitempty"`
	// Errors is the percentage of requests that may end in an error, as in Counts.
	Errors float64 `json:"errors,omitempty"`
	// Routes rank requests; the longest path wins. Those without a rank are Normal.
	Routes []Ranked `json:"routes,omitempty"`
}

// Ranked says how much the requests below a path matter. Path is a prefix as in
// Route, Importance one of ImportanceLow to ImportanceCritical.
type Ranked struct {
	Path       string `json:"path"`
	Importance string `json:"importance"`
}

// How much a request matters: Google's criticalities have four such classes, too
// (Site Reliability Engineering, chapter 21).
const (
	ImportanceLow      = "low"      // turned away first
	ImportanceNormal   = "normal"   // when all of those are
	ImportanceHigh     = "high"     // when all of those are, too
	ImportanceCritical = "critical" // never turned away
)

// rank is an importance as the dial has it: rank r is turned away in the part
// of it from r*dialRank on.
type rank int32

const (
	rankLow rank = iota
	rankNormal
	rankHigh
	rankCritical
	sheddable = rankCritical // as many ranks may be turned away
)

var importances = [...]string{rankLow: ImportanceLow, rankNormal: ImportanceNormal, rankHigh: ImportanceHigh, rankCritical: ImportanceCritical}

func rankOf(importance string) rank { return rank(slices.Index(importances[:], importance)) }

// dialRank is the part of the dial that one rank has: none of its requests are
// turned away at its beginning, all at its end.
const dialRank = 1000

// ranking is what of a path has which rank, the longest prefix first.
type ranking []ranked

type ranked struct {
	prefix string // without its last slash
	rank   rank
}

func (s *Shedding) ranking() (out ranking) {
	if s == nil {
		return nil
	}
	for _, r := range s.Routes {
		out = append(out, ranked{strings.TrimRight(r.Path, "/"), rankOf(r.Importance)})
	}
	slices.SortStableFunc(out, func(a, b ranked) int { return len(b.prefix) - len(a.prefix) })
	return out
}

func (l ranking) of(path string) rank {
	for _, r := range l {
		if strings.HasPrefix(path, r.prefix) && (len(path) == len(r.prefix) || path[len(r.prefix)] == '/') {
			return r.rank
		}
	}
	return rankNormal
}

// shedder is what a service's requests look at, and what came of it.
type shedder struct {
	dial atomic.Int32 // of dialRank for each rank; 0 turns nobody away
	shed [sheddable]atomic.Int64
	load load // guarded by proxy.mu
}

// sheds tells whether a request is to be turned away. While the service has
// capacity, that is one look at the dial.
func (t *target) sheds(path string) bool {
	dial := t.shedder.dial.Load()
	return dial != 0 && t.cfg.Shedding != nil && rand.Int32N(dialRank) < t.ranking.of(path).share(dial)
}

// share is how many of dialRank requests are turned away: by lot, for each request
// anew, so that nobody is always out.
func (r rank) share(dial int32) int32 {
	if r >= sheddable {
		return 0
	}
	return dial - int32(r)*dialRank
}

// wordShed names the refusal.
const wordShed = "shed"

// refuseShed turns the request away. Clients are asked to come back at various
// times: all at once they would be the next rush.
func (x *exchange) refuseShed() {
	if r := x.target.ranking.of(x.r.URL.Path); r < sheddable {
		x.target.shedder.shed[r].Add(1)
	}
	x.refuse(refusal{503, wordShed, "The service has too much to do and turns some requests away. It can be sent again in a moment.", 2 + rand.IntN(4)})
}

// errShed marks a request that the fast path leaves for being turned away, so that
// no second lot is drawn for it.
var errShed = fmt.Errorf("turned away")

func (r *resumed) isShed() bool { return r != nil && r.err == errShed }

// SheddingStatus tells how short of capacity a service is, and what came of it.
type SheddingStatus struct {
	// Level is the highest importance of which requests are turned away, Percent how
	// many of those; all below it are. "" while none are.
	Level   string `json:"level,omitempty"`
	Percent int    `json:"percent,omitempty"`
	// Because is the measure that is nearest its bound, or furthest beyond: "in
	// flight", "p95" or "errors".
	Because  string        `json:"because,omitempty"`
	InFlight int           `json:"in_flight"`
	Most     int           `json:"most,omitempty"`   // of InFlight, at the moment; 0 is not looked at
	P95      time.Duration `json:"p95,omitempty"`    // as measured last
	Errors   float64       `json:"errors,omitempty"` // percent, as measured last
	// Shed counts the requests turned away, by importance, since the proxy began.
	Shed map[string]int64 `json:"shed,omitempty"`
}

// shedding tells of the service's; nil when it has none; p.mu is held.
func (t *target) shedding() *SheddingStatus {
	if t.cfg.Shedding == nil {
		return nil
	}
	l := &t.shedder.load
	st := &SheddingStatus{Because: l.because, InFlight: l.inflight, Most: l.most, P95: l.p95.value.duration(), Errors: l.errors.value.percent(), Shed: map[string]int64{}}
	if dial := int(t.shedder.dial.Load()); dial > 0 {
		r := (dial - 1) / dialRank
		st.Level, st.Percent = importances[r], max((dial-r*dialRank)*100/dialRank, 1)
	}
	for r := range t.shedder.shed {
		if n := t.shedder.shed[r].Load(); n > 0 {
			st.Shed[importances[r]] = n
		}
	}
	return st
}

func (s *Shedding) validate() error {
	if s == nil {
		return nil
	}
	if s.InFlight < 0 || s.P95 < 0 || s.Errors < 0 || s.Errors > 100 {
		return fmt.Errorf("in flight %d, p95 %s, errors %g %%: none may be below zero, nor errors above 100 %%", s.InFlight, s.P95, s.Errors)
	}
	for _, r := range s.Routes {
		if rankOf(r.Importance) < 0 || !strings.HasPrefix(r.Path, "/") {
			return fmt.Errorf("path %q, importance %q: a path begins with a slash, and the importance is one of %s", r.Path, r.Importance, strings.Join(importances[:], ", "))
		}
	}
	return nil
}

func (m metrics) shedding(services []ServiceStatus) {
	m.head("segue_shed_total", "counter", "Requests that were turned away as the service was short of capacity.")
	each := func(f func(service string, s *SheddingStatus, r rank)) {
		for _, s := range services {
			for r := range sheddable {
				if s.Shedding != nil {
					f(s.Name, s.Shedding, r)
				}
			}
		}
	}
	each(func(service string, s *SheddingStatus, r rank) {
		m.value("segue_shed_total", float64(s.Shed[importances[r]]), "service", service, "importance", importances[r])
	})
	m.head("segue_shedding", "gauge", "Share of the requests of an importance that is turned away at the moment, from 0 to 1.")
	each(func(service string, s *SheddingStatus, r rank) {
		share := 0.0
		switch level := rankOf(s.Level); {
		case r < level:
			share = 1
		case r == level:
			share = float64(s.Percent) / 100
		}
		m.value("segue_shedding", share, "service", service, "importance", importances[r])
	})
}
