package drill

import (
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds on what a drill remembers, however long it lasts and whatever the
// server says. Counts are never bounded.
const (
	maxFailures         = 10_000 // in detail
	maxFailuresOfClass  = 2_500  // so that many of one do not hide another
	maxNotSentInDetail  = 100
	maxMarks            = 1_000
	maxPhases           = 32
	maxReleases         = 64
	releasesBeyond      = "(others)"
	releaseUnnamed      = "(unnamed)"
	longestLatency      = int64(time.Hour / time.Microsecond)
	significantFigures  = 3
	timelineFigures     = 1 // within 6 %
	maxTimelineLatency  = int64(10 * time.Minute / time.Microsecond)
	maxTimelineBuckets  = 3_000
	finestTimelineWidth = 100 * time.Millisecond
)

// recorder counts. One lock is enough: it is held for less than a microsecond.
type recorder struct {
	mu       sync.Mutex
	all      tally
	modes    map[Mode]*tally
	phases   []*phaseTally
	classes  map[Class]int64
	releases names
	line     timeline
	late     *hdr.Histogram
	retried  int64
	failures []Failure
	detailed map[Class]int
	marks    []Mark
}

// tally is the count and latency of some of the requests.
type tally struct {
	Count
	latency *hdr.Histogram
	max     time.Duration
}

type phaseTally struct {
	tally
	name  string
	start time.Duration
}

func newRecorder() *recorder {
	return &recorder{
		all: newTally(), modes: map[Mode]*tally{}, classes: map[Class]int64{},
		late: hdr.New(1, longestLatency, significantFigures), detailed: map[Class]int{},
		line: timeline{width: finestTimelineWidth},
	}
}

func newTally() tally {
	return tally{latency: hdr.New(1, longestLatency, significantFigures)}
}

// add accounts for one request; it is called exactly once for each.
func (r *recorder) add(j job, o *outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.modes[j.mode] == nil {
		t := newTally()
		r.modes[j.mode] = &t
	}
	r.all.add(o)
	r.modes[j.mode].add(o)
	if j.phase >= 0 {
		r.phases[j.phase].add(o)
	}
	r.late.RecordValue(micros(j.late, longestLatency))
	if o.retried {
		r.retried++
	}
	release := -1
	if o.class == "" {
		release = r.releases.count(o.release)
	} else {
		r.classes[o.class]++
		r.keep(j, o)
	}
	r.line.add(j.due, o, release)
}

func (t *tally) add(o *outcome) {
	t.Count.add(o.class)
	if o.class == "" {
		t.latency.RecordValue(micros(o.took, longestLatency))
		t.max = max(t.max, o.took)
	}
}

func (c *Count) add(class Class) {
	switch class {
	case "":
		c.Sent, c.OK = c.Sent+1, c.OK+1
	case NotSent:
		c.NotSent++
	default:
		c.Sent, c.Lost = c.Sent+1, c.Lost+1
	}
}

func micros(d time.Duration, most int64) int64 {
	return min(max(int64(d/time.Microsecond), 1), most)
}

func (r *recorder) keep(j job, o *outcome) {
	most := maxFailuresOfClass
	if o.class == NotSent {
		most = maxNotSentInDetail
	}
	if len(r.failures) >= maxFailures || r.detailed[o.class] >= most {
		return
	}
	r.detailed[o.class]++
	f := newFailure(j, o)
	if j.phase >= 0 {
		f.Phase = r.phases[j.phase].name
	}
	r.failures = append(r.failures, f)
}

func (r *recorder) mark(m Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.marks) < maxMarks {
		r.marks = append(r.marks, m)
	}
}

func (r *recorder) phase(name string, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.phases) < maxPhases {
		r.phases = append(r.phases, &phaseTally{tally: newTally(), name: name, start: at})
	}
}

// phaseAt is the index of the phase of a request due then, -1 for none.
func (r *recorder) phaseAt(due time.Duration) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.phases) - 1; i >= 0; i-- {
		if r.phases[i].start <= due {
			return i
		}
	}
	return -1
}

// names are the releases, in the order of their first answer.
type names struct {
	list   []string
	index  map[string]int
	counts []int64
}

func (n *names) count(name string) int {
	if name == "" {
		name = releaseUnnamed
	}
	i, known := n.index[name]
	if !known {
		i = n.learn(name)
	}
	n.counts[i]++
	return i
}

func (n *names) learn(name string) int {
	if len(n.list) >= maxReleases-1 {
		name = releasesBeyond
		if i, known := n.index[name]; known {
			return i
		}
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[name] = len(n.list)
	n.list = append(n.list, name)
	n.counts = append(n.counts, 0)
	return n.index[name]
}

func (n *names) byName() map[string]int64 {
	m := map[string]int64{}
	for i, name := range n.list {
		m[name] = n.counts[i]
	}
	return m
}
