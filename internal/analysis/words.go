package analysis

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// missing says what is waited for before the new release is called NotWorse; ""
// is nothing.
func (a *Analysis) missing() string {
	enough := max(int64(a.limits.Requests), 1)
	if a.new.Requests < enough {
		return "for " + strconv.FormatInt(enough, 10) + " requests"
	}
	comparable := a.known.requests >= settled || a.old.Requests > 0 && !a.gone
	if comparable && a.tests[0].seen.m < float64(enough)/2 {
		return "for requests of the old release to compare with"
	}
	for _, t := range a.tests {
		if t.comparing(a) && t.doubtful() {
			return "for more, as " + t.name + " look worse, if only by chance so far"
		}
	}
	return ""
}

// numbers are of all there is so far.
func (a *Analysis) numbers() string {
	old := "old none"
	if a.old.Requests > 0 {
		old = "old " + percent(float64(a.old.Errors), float64(a.old.Requests))
	}
	text := fmt.Sprintf("%d requests, errors %s (%s)", a.new.Requests, percent(float64(a.new.Errors), float64(a.new.Requests)), old)
	if d, ok := Quantile(a.new.Histogram, a.bounds, 0.95); ok {
		text += ", p95 " + short(d)
		was, ok := Quantile(a.old.Histogram, a.bounds, 0.95)
		switch {
		case a.gone && a.limits.Latency > 0:
			text += " (not compared, as the old release has no requests)"
		case ok:
			text += " (old " + short(was) + ")"
		}
	}
	return text
}

// evidence is what the test that fired has seen.
func (a *Analysis) evidence(t *share) []string {
	return append(t.kind.words(a, t),
		fmt.Sprintf("test: shares compared block by block, as an e-process: odds of %s to 1 in %d blocks, of which %s condemn; no more than %s of the releases that are within the limits come to that, however often they are looked at",
			round(t.odds()), t.seen.blocks, round(1/t.alpha), percent(Alpha, 1)),
		"in all: "+a.numbers())
}

func (k failing) words(_ *Analysis, t *share) []string {
	r := t.run
	line := fmt.Sprintf("errors: %s of the new release's requests failed", of(r.y, r.m))
	if r.last.fixed {
		return []string{line, fmt.Sprintf("the old release has none any more; of all that it had before, %s at the most would have failed, and tolerated are %s more",
			percent(r.last.guess, 1), points(k.within))}
	}
	return []string{line + fmt.Sprintf(", of the old one's %s in the same time; tolerated are %s more", of(r.x, r.n), points(k.within))}
}

func (k absolute) words(_ *Analysis, t *share) []string {
	return []string{fmt.Sprintf("errors: %s of the new release's requests failed; %s are tolerated at the most", of(t.run.y, t.run.m), percent(float64(k), 1))}
}

func (k slow) words(a *Analysis, t *share) []string {
	bucket, beyondIt, n := a.known.near(k.quantile)
	limit, ok := k.limit(a.bounds, bucket)
	if !ok {
		return nil
	}
	r := t.run
	lines := []string{fmt.Sprintf("%s: %s of the new release's requests took longer than %s, which is beyond %s times what %s of the old one's take (%s)",
		t.name, of(r.y, r.m), short(a.bounds[limit]), strconv.FormatFloat(k.scale, 'g', 3, 64), percent(n-beyondIt, n), short(a.bounds[bucket]))}
	return append(lines, fmt.Sprintf("of the old one's, %s took longer than %s in the same time", of(r.x, r.n), short(a.bounds[bucket])))
}

func (k absoluteTime) words(a *Analysis, t *share) []string {
	bucket, _ := slices.BinarySearch(a.bounds, time.Duration(k))
	return []string{fmt.Sprintf("%s: %s of the new release's requests took longer than %s; %s are tolerated at the most", t.name, of(t.run.y, t.run.m), short(a.bounds[bucket]), percent(tail, 1))}
}

func of(part, whole float64) string {
	return fmt.Sprintf("%.0f of %.0f (%s)", part, whole, percent(part, whole))
}

// percent has two significant digits.
func percent(part, whole float64) string {
	if whole == 0 {
		return "–"
	}
	p := 100 * part / whole
	if p >= 10 {
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
	return strconv.FormatFloat(p, 'g', 2, 64) + " %"
}

func points(share float64) string {
	n := strconv.FormatFloat(100*share, 'g', 3, 64)
	if n == "1" {
		return "1 point"
	}
	return n + " points"
}

// round keeps odds readable.
func round(odds float64) string {
	if odds >= 1e6 {
		return "over a million"
	}
	return strconv.FormatFloat(odds, 'f', 0, 64)
}

// short drops digits that a histogram does not have.
func short(d time.Duration) string {
	unit := time.Microsecond
	for _, u := range []time.Duration{10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
		if d >= 100*u {
			unit = u
		}
	}
	return d.Round(unit).String()
}
