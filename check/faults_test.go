package check

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// A server that is right passes every case; those that cannot be had are known.
func TestRightServer(t *testing.T) {
	t.Parallel()
	r := verdicts(t, fixtureTarget())
	for _, c := range r.Results {
		if c.Verdict != Pass && !(c.Verdict == Skip && fixtureLacks[c.Case]) {
			t.Errorf("%s: %s (%s): %s", c.Case, c.Verdict, c.Outcome, c.Observed)
		}
	}
	if r.Class != ClassOneMore {
		t.Errorf("class %q", r.Class)
	}
}

// fixtureLacks are cases that need what the fixture of HTTP/1.1 does not speak.
var fixtureLacks = map[string]bool{}

// A found verdict, and what it goes by.
type found struct {
	verdict Verdict
	outcome Outcome
}

// Each case can fail: there is a server with one fault that it finds. What does
// not go by the same thing passes all the same.
func TestFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]map[string]found{
		"cuts-slow":               {"in-flight-slow": {Fail, outcomeCut}, "in-flight-stream": {Pass, outcomeAnswered}, "half-body": {Pass, outcomeAnswered}},
		"cuts-streams":            {"in-flight-stream": {Fail, outcomeCut}, "in-flight-slow": {Pass, outcomeAnswered}},
		"truncates-streams":       {"in-flight-stream": {Fail, outcomeTruncated}},
		"cuts-half-headers-fresh": {"half-headers": {Fail, outcomeCut}, "half-body": {Pass, outcomeAnswered}, "idle-unused": {Pass, outcomeLastAnswer}},
		"cuts-half-headers-used":  {"half-headers": {Fail, outcomeCut}, "used-after-signal": {Pass, outcomeLastAnswer}}, // used-at-signal has requests half read, too
		"cuts-bodies":             {"half-body": {Fail, outcomeCut}, "expect-continue": {Fail, outcomeCut}, "half-headers": {Pass, outcomeAnswered}},
		"cuts-long-bodies":        {"long-upload": {Fail, outcomeCut}, "half-body": {Pass, outcomeAnswered}, "expect-continue": {Pass, outcomeAnswered}},
		"refuses-expectations":    {"expect-continue": {Fail, outcomeRefusedClose}, "half-body": {Pass, outcomeAnswered}},
		"cuts-unused":             {"idle-unused": {Fail, outcomeCut}, "half-headers": {Pass, outcomeAnswered}, "in-flight-short": {Pass, outcomeAnswered}},
		"resets-idle":             {"idle-used": {Warn, outcomeIdleReset}, "exit-kept-alive": {Pass, outcomeExited}, "used-after-signal": {Pass, outcomeLastAnswer}},
		"class-never-ends":        {"idle-used": {Warn, outcomeNeverHungUp}, "exit-idle": {Pass, outcomeExited}},
		"cuts-crossing":           {"used-at-signal": {Fail, outcomeCut}, "accept-queue": {Pass, outcomeAnswered}},
		"cuts-pipelined":          {"pipelined": {Fail, outcomeCut}, "used-after-signal": {Pass, outcomeLastAnswer}},
		"disowns":                 {"pipelined": {Warn, outcomeDisowned}, "used-after-signal": {Pass, outcomeLastAnswer}},
		"cuts-some":               {"steady-load": {Fail, outcomeCut}, "used-after-signal": {Pass, outcomeLastAnswer}},
		"drops-queue":             {"accept-queue": {Fail, outcomeCut}, "in-flight-short": {Fail, outcomeCut}, "used-at-signal": {Pass, outcomeAnswered}},
		"resets-new":              {"new-connection": {Fail, outcomeCut}, "accept-queue": {Pass, outcomeAnswered}, "in-flight-short": {Pass, outcomeAnswered}},
		"refuses-new":             {"new-connection": {Warn, outcomeNotOpened}, "readiness": {Warn, outcomeNotOpened}, "steady-load": {Pass, outcomeAnswered}},
		"ready-to-the-end":        {"readiness": {Warn, outcomeStillReady}, "new-connection": {Pass, outcomeAnsweredOn}},
		"lingers-briefly":         {"readiness": {Warn, outcomeShortNotice}, "new-connection": {Warn, outcomeNotOpened}, "in-flight-slow": {Pass, outcomeAnswered}},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			target := fixtureTarget(fault)
			if _, streams := want["in-flight-stream"]; !streams {
				target.Paths.Stream = "" // or the survey takes its time
			}
			if _, slow := want["in-flight-slow"]; !slow && fault != "cuts-pipelined" && fault != "disowns" {
				target.Paths.Slow = ""
			}
			r := verdicts(t, target, slices.Collect(maps.Keys(want))...)
			for _, c := range r.Results {
				if got := (found{c.Verdict, c.Outcome}); got != want[c.Case] {
					t.Errorf("%s: %v, want %v", c.Case, got, want[c.Case])
				}
			}
		})
	}
}

func TestExitLongAfterTheLastAnswer(t *testing.T) {
	t.Parallel()
	target := fixtureTarget("lingers-after")
	target.Grace = 10 * time.Second
	r := verdicts(t, target, "exit-busy", "in-flight-slow")
	if c, _ := r.Of("exit-busy"); c.Verdict != Warn || c.Outcome != outcomeLingers {
		t.Errorf("%s (%s)", c.Verdict, c.Outcome)
	}
}
