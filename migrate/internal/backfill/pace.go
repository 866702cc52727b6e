package backfill

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// What a batch may take. While nobody is there, longer ones gain nothing more, and
// whoever comes waits no longer than that. While somebody is, a batch is short: it
// is what one who wants a row of it has to wait for.
const (
	aloneTarget = 100 * time.Millisecond
	leastTarget = 2 * time.Millisecond
	fairTarget  = 4 * time.Millisecond
	mostTarget  = 25 * time.Millisecond

	leastEffort = 0.05 // with which batches take some 3 % of the time

	mostPause = 250 * time.Millisecond // it has to end some day

	fewestRows = 50 // except after a conflict: with fewer, a batch is mostly its commit
	mostRows   = 100_000
)

// A pace says how many rows the next batch is to have and how long to wait before
// it. What it knows it is told: how long batches took, what probes felt, what was
// seen. It does not look at the clock, and may be used concurrently.
//
// Among others it works for some time and rests for a little, in turn. Probes go on
// all the while. Those of the working time, batches and the pauses between them
// alike, are compared to those of the rests, which follow the load of the day. If
// others fare worse than they may, its effort is cut by a factor; if they fare well,
// it grows little by little (AIMD, as TCP does it). The first half of its effort
// goes mostly into shorter pauses, the second into longer batches.
type pace struct {
	limit float64       // how much worse others may fare
	lag   time.Duration // how far replicas may be behind
	gap   float64       // the share of pauses even when it is alone: who waits for a turn must find one
	blind bool          // there are no probes

	mu      sync.Mutex
	size    sizing
	others  bool
	turns   turns
	until   time.Time // no batch before
	paused  string    // why, if it is not a matter of course
	held    string    // why no batch is begun until that is over; empty: nothing is
	behind  time.Duration
	looked  bool
	effort  float64   // 0 to 1
	ceiling float64   // where it has hurt
	asked   time.Time // when the probe was begun that is not answered yet; zero: none

	with, without window
	fresh         int     // probes of the working time since the last decision
	grown         int     // how often, since it was cut
	slow          int     // probes that were far too slow, one after the other
	worse         float64 // by the last decision: how much worse others fare; 0: not known
}

func newPace(o Options, gap float64) *pace {
	return &pace{limit: o.Pace, lag: o.Lag, gap: gap, size: sizing{rows: o.Size}, effort: 0.65, ceiling: 1,
		with: window{most: 480}, without: window{most: 160}}
}

// A step is what to do next: to wait and ask again, or a batch of so many rows.
type step struct {
	wait time.Duration
	rows int    // 0: wait
	why  string // it does not go as fast as it could; empty: it does
}

// next says what to do.
func (p *pace) next(now time.Time) step {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.held != "":
		return step{wait: 50 * time.Millisecond, why: p.held}
	case p.hangs(now):
		return step{wait: 10 * time.Millisecond, why: "the database hardly answers"}
	case p.until.After(now):
		return step{wait: p.until.Sub(now), why: p.paused}
	case p.others && !p.blind && p.turns.rest(now, p.spacing(), p.without.len()):
		return step{wait: 2 * time.Millisecond, why: p.why()}
	}
	return step{rows: p.size.next(p.target()), why: p.why()}
}

func (p *pace) why() string {
	if !p.others || p.effort >= 0.5 {
		return ""
	}
	return fmt.Sprintf("others are spared: they take %.1f times what they take without it", p.worse)
}

// hangs says that a probe has not come back for so long that a batch would only
// make it worse.
func (p *pace) hangs(now time.Time) bool {
	return !p.asked.IsZero() && now.Sub(p.asked) > max(100*time.Millisecond, 8*p.without.quantile(0.9))
}

// target is how long a batch's statement may take. Where commits are slow, as they
// are for others, too, it is not to be mostly commits.
func (p *pace) target() time.Duration {
	if !p.others {
		return aloneTarget
	}
	fair := max(fairTarget, min(2*p.size.overhead(), mostTarget))
	if p.effort < 0.5 {
		return max(leastTarget, time.Duration(2*p.effort*float64(fair)))
	}
	most := 2 * max(mostTarget/2, fair)
	return time.Duration(float64(fair) * math.Pow(float64(most)/float64(fair), 2*p.effort-1))
}

// duty is the share of the time that batches may take.
func (p *pace) duty() float64 {
	if !p.others {
		return 1 - p.gap
	}
	return min(1-p.gap, math.Pow(0.02, max(0, 1-2*p.effort)))
}

// batch tells of a batch: how long its statement took, and all of it.
func (p *pace) batch(now time.Time, rows int, statement, all time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size.took(rows, statement, all-statement)
	all = min(all, 4*p.target()+p.size.overhead()) // if it took longer, that was not its doing
	pause := time.Duration(float64(all) * (1/p.duty() - 1))
	p.until, p.paused = now.Add(min(pause, mostPause)), p.why()
}

// conflict tells that a batch has got in somebody's way, or somebody in its own.
// The next one is smaller, and comes after a pause.
func (p *pace) conflict(now time.Time, pause time.Duration, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size.conflict()
	p.until, p.paused = now.Add(pause), why
}

// spacing is the time from one probe to the next while it works: they are to take a
// small part of the time that they measure. Of rests there is less time.
func (p *pace) spacing() time.Duration {
	return min(max(4*p.without.quantile(0.5), 5*time.Millisecond), 100*time.Millisecond)
}

// probes says whether to probe, and after how long.
func (p *pace) probes() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	spacing := p.spacing()
	if p.turns.resting {
		spacing /= 2
	}
	return spacing, p.others && !p.blind
}

// ask tells that a probe is begun.
func (p *pace) ask(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = now
}

// answer tells that the probe has come back.
func (p *pace) answer(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began, took := p.asked, now.Sub(p.asked)
	p.asked = time.Time{}
	switch {
	case p.turns.since.IsZero(), began.Before(p.turns.since): // of two turns
	case p.turns.resting:
		p.without.add(took)
	default:
		p.with.add(took)
		p.judge(took)
	}
}

// unanswered tells that a probe has failed. After the last one it goes on blind.
func (p *pace) unanswered(last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = time.Time{}
	if last {
		p.goBlind(0.4)
	}
}

// goBlind has it go with an effort of which nobody tells whether it is right.
func (p *pace) goBlind(effort float64) { p.blind, p.others, p.effort = true, true, effort }

// Samples from which on something is decided.
const (
	enough    = 40  // of the working time, since the last decision
	forTail   = 120 // to tell anything of the slowest few
	atRest    = 50  // before the first batch among others
	emergency = 3   // far too slow, one after the other
)

// judge decides whether the effort is right. What is bounded is the 99th percentile;
// so many samples as it takes to see that one are not there in time. So it looks at
// what one in ten feels, soon, and at what one in thirty feels, later.
func (p *pace) judge(took time.Duration) {
	if p.without.len() < atRest {
		return
	}
	p.fresh++
	well := p.without.quantile(0.9)
	worse := float64(took) / float64(well)
	if worse > 3*p.limit {
		p.slow++
	} else {
		p.slow = 0
	}
	if p.slow >= emergency || worse > 20 && took > 250*time.Millisecond {
		p.cut(0.4)
		p.ceiling = 1 // that was something else
		return
	}
	if p.fresh < enough {
		return
	}
	p.fresh = 0
	p.worse = float64(p.with.quantile(0.9)) / float64(well)
	inner, recent := 1+0.5*(p.limit-1), p.with.recent(3*enough)
	switch {
	case p.without.exceeds(recent, 0.9, 2*p.limit, 1):
		p.cut(0.5)
	case p.without.exceeds(recent, 0.9, p.limit, 1.2), p.feels(inner, 1.2):
		p.cut(0.75)
	case p.feels(inner, 0): // as far as it may go
	default:
		p.grow()
	}
}

// feels says whether others feel it by more than a factor. The working times since
// the last cut are compared with the rests between them: what comes and goes by
// itself within seconds is then in both.
func (p *pace) feels(factor, deviations float64) bool {
	return p.without.exceeds(p.with.samples, 0.9, factor, deviations) ||
		p.with.len() >= forTail && p.without.len() >= forTail && p.without.exceeds(p.with.samples, 0.97, factor, deviations)
}

func (p *pace) cut(factor float64) {
	p.worse = float64(p.with.quantile(0.9)) / float64(p.without.quantile(0.9))
	p.ceiling = p.effort
	p.effort = max(leastEffort, p.effort*factor)
	p.slow, p.fresh, p.grown = 0, 0, 0
	p.with.clear()
}

// grow is quick up to near where it has hurt, then careful, and quick again if that
// seems to be past.
func (p *pace) grow() {
	p.grown++
	by := 0.1
	if near := p.ceiling - p.effort; near < 0.1 {
		by = min(0.1, 0.003*float64(p.grown))
	}
	p.effort = min(1, p.effort+by)
}

// seen tells what was seen of the database.
func (p *pace) seen(v view) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v.others && !p.others { // what was measured before is of another time
		p.turns = turns{}
		p.with.clear()
		p.without.clear()
	}
	p.others = v.others || p.blind
	if !p.looked {
		p.looked, p.behind = true, v.lag
	}
	p.held = p.hold(v)
}

// hold says what has to get better first. What was bad before it began is others'.
// InnoDB fills its log to nine tenths as a matter of course; a little further on, all
// writers wait.
func (p *pace) hold(v view) string {
	most, full := max(p.lag, p.behind*3/2), 0.96
	if p.held != "" {
		most, full = most*5/6, 0.93
	}
	switch {
	case v.lag > most:
		return fmt.Sprintf("a replica is %v behind", v.lag.Round(100*time.Millisecond))
	case v.full > full && v.others:
		return fmt.Sprintf("the redo log is full to %.0f %%", 100*v.full)
	}
	return ""
}

// turns are working and resting, of which it begins with resting: it is to know how
// others fare without it.
type turns struct {
	since   time.Time // when what was done before is no longer felt
	resting bool
}

// rest says whether it is to rest now.
func (t *turns) rest(now time.Time, spacing time.Duration, samples int) bool {
	const share = 10                 // one part of it is rest
	after := 2 * spacing             // work is still felt
	short := 6*spacing + 6*spacing/4 // some probes' time
	switch took := now.Sub(t.since); {
	case t.since.IsZero():
		t.since, t.resting = now, true
	case !t.resting && took >= share*(after+short):
		t.since, t.resting = now.Add(after), true
	case t.resting && (samples < atRest && took < atRest*spacing || took < short):
	case t.resting:
		t.since, t.resting = now, false
	}
	return t.resting
}
