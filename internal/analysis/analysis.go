// Package analysis says whether a new release answers worse than the old one,
// and promises that a release which does not is called Worse with a probability
// of at most Alpha, however often and for however long it is looked at. It
// counts and reckons; it asks nobody and does not know what time it is.
//
// # What is compared
//
// Three shares, each of the new release's requests against the old one's in the
// same blocks of time:
//
//   - errors: those that failed. New may have Limits.Errors more.
//   - median and tail: those that took longer than the old release's median or
//     95th percentile. New's are counted against that time multiplied by
//     Limits.Latency, and at least a millisecond more. If new is slower by no
//     more than that, its share beyond is no larger than old's, whatever the two
//     distributions look like; nothing is assumed about them. What the times are
//     is learnt from the blocks before, so that it is known when a block begins.
//
// A block is a look, or a few of them while requests are rare. Shares may rise
// and fall from block to block: an outage that hits both releases is none of
// new's fault. That is what a test on totals would get wrong while a rolling
// update moves the requests from one release to the other (Simpson's paradox).
//
// # The test
//
// For each block, an e-variable for two samples of yes and no (Turner, Ly and
// Grünwald, Generic E-variables for exact sequential k-sample tests, 2024, and
// Turner and Grünwald, Exact anytime-valid confidence intervals for contingency
// tables, 2023): the likelihood ratio of an alternative to that member of the
// hypothesis "new is within the limit" that is nearest to it. Its mean is at most
// 1 if the hypothesis holds, for samples of every size (excess.go has why). The
// product over the blocks is then a test supermartingale, and by Ville's
// inequality its chance of ever reaching 1/a is at most a. Several alternatives
// are bet on at once, from a slight excess to failing throughout, and a part of
// the stake is kept back for every later block, so that a release that turns bad
// after an hour is found soon, too.
//
// Why not the usual: Kayenta, Spinnaker's judge, puts a Mann-Whitney U test over
// the points of a time series, once, and its guide asks for at least 50 points
// and hours of them; repeated at every look, its false alarms pile up. Argo
// Rollouts and Flagger compare each measurement with a fixed bound and count the
// failures, which has no error rate at all; what their users report is what that
// brings. Without traffic, Flagger rolls back (fluxcd/flagger#1035, #361) or takes
// no value for zero (#1098); Argo asks for a verdict that waits instead
// (argoproj/argo-rollouts#1905) and for the reason of a failure (#404); Kayenta
// fails when only the canary has a metric (spinnaker/kayenta#799). An mSPRT on
// the difference of means (Johari et al., Always valid inference, 2022), as A/B
// platforms have it, leans on normality, which a share of 0.1 % of 500 requests
// does not have.
//
// # What is assumed
//
// Within a block, requests fail independently of each other. They do not quite:
// errors come in bursts. Three things are done about it. One block multiplies the
// evidence by at most 10, so that three bad blocks are needed at the least. How
// far the old release's own errors are from independent is measured from block
// to block, and the evidence is worth the less for it (its logarithm is divided
// by the design effect; a likelihood ratio to a power below 1 keeps its promise).
// And there is the tolerance itself. A burst that lasts for many blocks and
// strikes one release alone is, to these counts, a worse release.
//
// # Where the old release has no requests
//
// What differs between two times may be the machine's doing, or the network's, or
// a neighbour's, as well as the release's, and counts of one release alone cannot
// tell (which is why Kayenta wants a baseline that runs at the same time). So times
// are not compared with those of before, however they differ: everything gets
// slow now and then. New is held against Limits.P95 and Limits.Most.
//
// Its errors are compared with those that old was known to have before it left,
// taken at the upper end of what that may have been. A dependency that fails at
// that moment is then held against new. But errors are seldom, they are harm done,
// and what fails for whatever reason is not to replace what worked; the evidence
// says that it is not the same minutes.
package analysis

import "time"

// Alpha is the probability at most with which a release that is within its
// limits is ever called Worse by one Analysis.
const Alpha = 0.01

const (
	least     = 10                 // requests of the new release, before which nothing is said against it
	calibrate = 20                 // requests of the old release, before which it is not known what to hold against it
	settled   = 100                // and before which that is nothing to go by alone
	harmless  = time.Millisecond   // a difference in latency
	patience  = 6                  // looks after which a block ends in which the old release had nothing to do
	growth    = 100                // a block is at least this part of everything before it,
	longest   = 20                 // or so many looks
	memory    = 1 - 1.0/(2*growth) // of what the old release does, from block to block
)

// Limits say what is tolerated.
type Limits struct {
	Requests int     // of the new release, before which it is not called NotWorse
	Errors   float64 // share of the requests, 0 to 1, that may fail beyond the old release's
	Latency  float64 // multiple of the old release's; 0: it is not compared; below 1 is taken as 1
	Most     float64 // share of the requests that may fail at all; 0: no such bound
	// P95 is what 95 % of the requests must be answered within at all, taken as the
	// next bound of the histograms; 0, or beyond the last one: no such bound.
	P95 time.Duration
}

// State is what can be said.
type State int

const (
	Undecided State = iota // wait for more
	Worse                  // beyond chance and beyond the limits
	NotWorse               // enough requests, and within the limits
)

func (s State) String() string { return [...]string{"undecided", "worse", "not worse"}[s] }

// An Analysis compares two releases. It is not for concurrent use.
type Analysis struct {
	limits Limits
	bounds []time.Duration
	tests  []*share

	known    history // of the old release
	old, new Counts  // since the beginning, for the summary
	block    block
	looks    int
	alone    bool   // the old release gets no requests
	gone     bool   // the last block had none of its
	worse    *share // what it was condemned by
}

// New begins an analysis. bounds are the upper bounds of the histograms'
// buckets, ascending; there is one more bucket, for what is beyond.
func New(l Limits, bounds []time.Duration) *Analysis {
	a := &Analysis{limits: l, bounds: bounds, known: newHistory(bounds)}
	a.tests = []*share{{name: "errors", kind: failing{within: l.Errors}, alpha: Alpha / 2}}
	if scale := max(l.Latency, 1); l.Latency > 0 {
		a.tests = append(a.tests,
			&share{name: "median latency", kind: slow{quantile: 0.5, scale: scale}, alpha: Alpha / 5},
			&share{name: "p95 latency", kind: slow{quantile: 0.95, scale: scale}, alpha: Alpha / 5})
	}
	if l.Most > 0 {
		a.tests = append(a.tests, &share{name: "errors", kind: absolute(l.Most), alpha: Alpha / 20})
	}
	if l.P95 > 0 {
		a.tests = append(a.tests, &share{name: "p95 latency", kind: absoluteTime(l.P95), alpha: Alpha / 20})
	}
	return a
}

// Alone says that the old release gets no requests any more. What it still answers
// are those of before, with which nothing is compared.
func (a *Analysis) Alone() { a.alone, a.gone = true, true }

// Past tells what the old release did before. It is what its times are judged
// by in the first block, and what is left of it when it is gone.
func (a *Analysis) Past(old Counts) { a.known.add(old) }

// Look takes in what both releases did since the last look and says what that
// makes of it. After Worse it says nothing else.
func (a *Analysis) Look(old, new Counts) State {
	if a.alone {
		old = Counts{}
	}
	a.looks++
	a.old.Add(old)
	a.new.Add(new)
	a.block.old.Add(old)
	a.block.new.Add(new)
	a.block.looks++
	if a.worse == nil && a.ends() {
		a.close()
	}
	return a.State()
}

// State is what the last look made of it.
func (a *Analysis) State() State {
	switch {
	case a.worse != nil:
		return Worse
	case a.missing() == "":
		return NotWorse
	}
	return Undecided
}

// Summary is one line with what there is so far, and what is waited for.
func (a *Analysis) Summary() string {
	switch missing := a.missing(); {
	case a.worse != nil:
		return a.numbers() + "; worse"
	case missing != "":
		return a.numbers() + "; waiting " + missing
	}
	return a.numbers() + "; not worse"
}

// Evidence is why it is Worse: lines with the numbers. There are none otherwise.
func (a *Analysis) Evidence() []string {
	if a.worse == nil {
		return nil
	}
	return a.evidence(a.worse)
}

// ends says whether the block is over, by its requests alone: if it depended on
// how they ended, the test would be void.
func (a *Analysis) ends() bool {
	b, before := a.block, a.looks-a.block.looks
	if b.new.Requests == 0 || b.looks < min(before/growth, longest) {
		return false
	}
	if b.old.Requests == 0 {
		return a.gone || b.looks >= patience
	}
	return b.old.Requests*growth >= a.old.Requests-b.old.Requests || b.looks >= patience
}

// close tests the block, and then learns from it.
func (a *Analysis) close() {
	b := &a.block
	a.gone = b.old.Requests == 0
	for _, t := range a.tests {
		t.test(a, b)
	}
	a.known.age()
	a.known.add(b.old)
	b.clear()
	if a.new.Requests < least {
		return
	}
	for _, t := range a.tests {
		if t.odds() >= 1/t.alpha {
			a.worse = t
			return
		}
	}
}
