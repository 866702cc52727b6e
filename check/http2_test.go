package check

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// expect is what a case should come to.
type expect struct {
	verdict Verdict
	outcome Outcome
}

// holdTo compares a report with what is expected of some of its cases; all
// others must have passed.
func holdTo(t *testing.T, r *Report, want map[string]expect) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got, ok := r.Of(name); !ok || got.Verdict != want[name].verdict || got.Outcome != want[name].outcome {
			t.Errorf("%s: %s (%s), want %s (%s)", name, got.Verdict, got.Outcome, want[name].verdict, want[name].outcome)
		}
	}
	for _, got := range r.Results {
		if _, ok := want[got.Case]; !ok && got.Verdict != Pass {
			t.Errorf("%s: %s (%s), want a pass", got.Case, got.Verdict, got.Outcome)
		}
	}
}

// Each way to leave HTTP/2 clients badly is found, by the case whose it is.
func TestHTTP2Faults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]map[string]expect{
		"": {
			"h2-goaway":         {Pass, outcomeTold},
			"h2-two-step":       {Pass, outcomeTwoSteps},
			"h2-last-stream":    {Pass, outcomeHonest},
			"h2-streams-finish": {Pass, outcomeAnswered},
		},
		"h2-one-step": {"h2-two-step": {Warn, outcomeOneStep}},
		"h2-error":    {"h2-goaway": {Warn, outcomeToldError}, "h2-two-step": {Warn, outcomeOneStep}},
		"h2-low":      {"h2-last-stream": {Fail, outcomeDoneTwice}},
		"h2-raised":   {"h2-two-step": {Warn, outcomeOneStep}, "h2-last-stream": {Fail, outcomeRaised}},
		"h2-drops":    {"h2-last-stream": {Fail, outcomeUnanswered}, "h2-two-step": {Fail, outcomeCut}},
		"h2-cut":      {"h2-last-stream": {Fail, outcomeUnanswered}, "h2-streams-finish": {Fail, outcomeCut}},
		"h2-not-told": {
			"h2-goaway":      {Warn, outcomeNotTold},
			"h2-two-step":    {Fail, outcomeCut},
			"h2-last-stream": {Skip, outcomeNotTold},
		},
		"h2-never-told": {
			"h2-goaway":      {Fail, outcomeNeverTold},
			"h2-two-step":    {Skip, outcomeNeverTold},
			"h2-last-stream": {Skip, outcomeNotTold},
		},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			target := fixtureTarget(fault)
			if fault != "" {
				target.Paths, target.Grace = Paths{}, 2*time.Second // what cannot be named is held in flight by its client
			}
			holdTo(t, verdicts(t, target, "h2-goaway", "h2-two-step", "h2-last-stream", "h2-streams-finish"), want)
		})
	}
}

// A server that speaks nothing but HTTP/2 is found to be up, and is checked.
func TestHTTP2Alone(t *testing.T) {
	t.Parallel()
	r := verdicts(t, fixtureTarget("http2-alone"), "in-flight-slow", "used-after-signal", "h2-goaway", "h2-streams-finish", "websocket-close", "events-boundary")
	holdTo(t, r, map[string]expect{
		"in-flight-slow":    {Skip, ""},
		"used-after-signal": {Skip, ""},
		"websocket-close":   {Skip, ""},
		"events-boundary":   {Pass, outcomeEnded},
	})
	if r.Class != ClassUnknown {
		t.Errorf("class %q, and HTTP/2 has none", r.Class)
	}
}
