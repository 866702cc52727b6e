package drill

import (
	"maps"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Result is all that a drill found out. It can be written as JSON and read
// back. Durations in JSON are whole nanoseconds, and their names end in _ns.
type Result struct {
	ID      string        `json:"id"` // begins every request's Segue-Drill-Id
	Label   string        `json:"label,omitempty"`
	Start   time.Time     `json:"start"`
	End     time.Time     `json:"end"`        // when the last answer was in
	Sending time.Duration `json:"sending_ns"` // from the first request to the last

	// Count of all requests. Sent = OK + Lost; NotSent come on top.
	Count
	// Retried counts requests that were repeated once because the server had
	// declared them unprocessed (RFC 9113 §8.7). They are in OK or Lost, too.
	Retried int64 `json:"retried"`

	// ByRelease counts the OK answers by release; they sum up to OK. A key in
	// parentheses is no name: "(unnamed)" for answers that named none.
	ByRelease map[string]int64 `json:"by_release"`
	// Releases in the order of their first answer.
	Releases []string `json:"releases"`
	// ByClass counts what was lost or not sent.
	ByClass map[Class]int64    `json:"by_class"`
	ByMode  map[Mode]ModeStats `json:"by_mode"`

	// Latency of the OK answers, each from the instant at which the request
	// was due to the last byte of its response.
	Latency Latency `json:"latency"`
	// Lateness is how late the drill itself was in starting requests. It is
	// contained in Latency.
	Lateness Latency `json:"lateness"`
	Phases   []Phase `json:"phases,omitempty"`
	Marks    []Mark  `json:"marks,omitempty"`

	// Timeline has a Moment for each TimelineWidth, by when requests were due.
	TimelineWidth time.Duration `json:"timeline_width_ns"`
	Timeline      []Moment      `json:"timeline"`

	// Failures in the order in which they were due. FailuresCut more are
	// counted but not listed.
	Failures    []Failure `json:"failures"`
	FailuresCut int64     `json:"failures_cut,omitempty"`

	Connections Connections `json:"connections"`
	Plan        PlanSummary `json:"plan"`
	Environment Environment `json:"environment"`
}

// Count is what became of some requests: Sent = OK + Lost.
type Count struct {
	Sent    int64 `json:"sent"`
	OK      int64 `json:"ok"`
	Lost    int64 `json:"lost"`
	NotSent int64 `json:"not_sent"` // due, but the drill itself could not send them
}

// Latency is a distribution of durations, exact to three digits (in a Moment:
// to 6 %); the maximum is exact.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// ModeStats are the requests of one Mode.
type ModeStats struct {
	Count
	Latency Latency `json:"latency"`
}

// Phase is a named part of the drill; a request belongs to the one in which it
// was due.
type Phase struct {
	Name  string        `json:"name"`
	Start time.Duration `json:"start_ns"` // since the drill's start
	End   time.Duration `json:"end_ns"`
	Count
	Latency Latency `json:"latency"`
}

// Mark is a named instant.
type Mark struct {
	At    time.Duration `json:"at_ns"` // since the drill's start
	Label string        `json:"label"`
}

// Moment is one step of the timeline.
type Moment struct {
	At time.Duration `json:"at_ns"` // since the drill's start; of its beginning
	Count
	ByRelease map[string]int64 `json:"by_release,omitempty"`
	ByClass   map[Class]int64  `json:"by_class,omitempty"`
	Latency   Latency          `json:"latency"`
}

// Connections counts what the drill did with connections.
type Connections struct {
	Opened int64 `json:"opened"` // attempts included that failed
	// ClosedIdle are kept-alive ones that the server closed between requests,
	// and that the drill noticed before it used them.
	ClosedIdle int64 `json:"closed_idle"`
}

// result closes the account. All requests have ended.
func (d *Drill) result(sending, cpu time.Duration) *Result {
	r := d.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &Result{
		ID: d.id, Label: d.plan.Label, Start: d.start, End: time.Now(), Sending: sending,
		Count: r.all.Count, Retried: r.retried,
		ByRelease: r.releases.byName(), Releases: append([]string{}, r.releases.list...),
		ByClass: r.classes, ByMode: map[Mode]ModeStats{},
		Latency: r.all.quantiles(), Lateness: quantiles(r.late, 0), Marks: r.marks,
		TimelineWidth: r.line.width, Timeline: r.line.moments(r.releases.list),
		Connections: Connections{Opened: d.dialer.opened.Load(), ClosedIdle: d.stale.Load()},
		Plan:        summarize(d.plan), Environment: environment(cpu),
	}
	for m, t := range r.modes {
		res.ByMode[m] = ModeStats{t.Count, t.quantiles()}
	}
	res.Phases = r.phasesUntil(sending)
	res.Failures = explained(r.failures, res)
	res.FailuresCut = res.Lost + res.NotSent - int64(len(res.Failures))
	return res
}

func (r *recorder) phasesUntil(end time.Duration) (list []Phase) {
	for i, p := range r.phases {
		until := max(end, p.start)
		if i+1 < len(r.phases) {
			until = r.phases[i+1].start
		}
		list = append(list, Phase{p.name, p.start, until, p.Count, p.quantiles()})
	}
	return list
}

func (t *tally) quantiles() Latency { return quantiles(t.latency, t.max) }

// quantiles reads h, in microseconds; exact is the exact maximum, 0 if unknown.
func quantiles(h *hdr.Histogram, exact time.Duration) Latency {
	if h == nil || h.TotalCount() == 0 {
		return Latency{}
	}
	most := exact
	if most == 0 {
		most = time.Duration(h.Max()) * time.Microsecond
	}
	v := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9})
	at := func(i int) time.Duration { return min(time.Duration(v[i])*time.Microsecond, most) }
	return Latency{at(0), at(1), at(2), at(3), most}
}

// Snapshot is a drill's live numbers.
type Snapshot struct {
	Elapsed  time.Duration `json:"elapsed_ns"`
	Phase    string        `json:"phase,omitempty"` // "" when there are none
	Count                  // so far
	InFlight int64         `json:"in_flight"`
	// Of the last second: answers per second that were OK, and lost ones;
	// their latency; by release.
	Rate     float64          `json:"rate"`
	LossRate float64          `json:"loss_rate"`
	Latency  Latency          `json:"latency"`
	Recent   map[string]int64 `json:"recent"`
	// ByRelease counts all OK answers so far; Releases orders them.
	ByRelease map[string]int64 `json:"by_release"`
	Releases  []string         `json:"releases"`
	// ByClass counts what was lost or not sent so far.
	ByClass map[Class]int64 `json:"by_class,omitempty"`
}

// Snapshot returns live numbers. It costs some microseconds.
func (d *Drill) Snapshot() Snapshot {
	now := d.since()
	r := d.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	recent, over := r.line.last(now)
	s := Snapshot{
		Elapsed: now, Count: r.all.Count, InFlight: d.inFlight.Load(),
		Latency:   quantiles(recent.latency, recent.max),
		ByRelease: r.releases.byName(), Releases: append([]string{}, r.releases.list...),
		Recent: map[string]int64{}, ByClass: maps.Clone(r.classes),
	}
	if len(r.phases) > 0 {
		s.Phase = r.phases[len(r.phases)-1].name
	}
	if over > 0 {
		s.Rate, s.LossRate = float64(recent.OK)/over.Seconds(), float64(recent.Lost)/over.Seconds()
	}
	for i, n := range recent.releases {
		if n > 0 {
			s.Recent[r.releases.list[i]] = n
		}
	}
	return s
}
