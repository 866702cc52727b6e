package check

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// An account is kept of what became of many requests. Several clients may enter
// theirs at once.
type account struct {
	stage *Stage

	mu    sync.Mutex
	sent  int
	early int // lost before the signal, as on any day: not the stop's doing
	lost  []answer
	gone  time.Duration // after the signal: the first connection that was refused; 0 if none was
}

// enter counts a request and its answer, and reports whether it was answered
// rightly.
func (a *account) enter(got answer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent++
	switch {
	case a.stage.right(got):
		return true
	case a.stage.toldBefore(got.at):
		a.lost = append(a.lost, got)
	default:
		a.early++
	}
	return false
}

// toldBefore reports whether the server had been told to stop by then.
func (s *Stage) toldBefore(t time.Time) bool {
	select {
	case <-s.signalled:
		return t.After(s.at)
	default:
		return false
	}
}

// refused notes that a connection was not opened. Nothing was sent on it.
func (a *account) refused(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if after := a.stage.since(at); a.gone == 0 || after < a.gone {
		a.gone = max(after, 1)
	}
}

// judge is the verdict over all of them, once no client enters any more. what
// says which requests they were: "8 requests that …".
func (a *account) judge(what string) (Result, error) {
	r, err := pass(outcomeAnswered, "all of %d %s were answered", a.sent-a.early, what)
	if len(a.lost) > 0 {
		r, err = fail(a.worst(), "%d of %d %s were lost: %s", len(a.lost), a.sent, what, a.losses())
	}
	if a.early > 0 {
		r.Observed += fmt.Sprintf("; %d more were lost before the signal, as on any day", a.early)
	}
	r.Sent, r.Lost = a.sent, len(a.lost)
	return r, err
}

// worst is the outcome of the loss of which the client knows least.
func (a *account) worst() Outcome {
	worst := outcomeRefusedClose
	for _, l := range a.lost {
		switch {
		case l.ending == timeout && worst != outcomeCut:
			worst = outcomeStarved
		case l.ending != whole && l.ending != timeout:
			worst = outcomeCut
		}
	}
	return worst
}

// losses are in words how many went which way, and when the first did.
func (a *account) losses() string {
	counts := map[string]int{}
	first := a.lost[0].at
	for _, l := range a.lost {
		counts[l.said()]++
		if l.at.Before(first) {
			first = l.at
		}
	}
	var ways []string
	for way, n := range counts {
		ways = append(ways, fmt.Sprintf("%d %s", n, way))
	}
	slices.Sort(ways)
	return fmt.Sprintf("%s; the first %v after the signal", strings.Join(ways, ", "), Duration(a.stage.since(first)))
}

// said is what came instead of the right answer.
func (a answer) said() string {
	if a.ending == whole {
		return strings.TrimSpace(fmt.Sprintf("answered %d %s", a.status, http.StatusText(a.status)))
	}
	return string(a.ending)
}
