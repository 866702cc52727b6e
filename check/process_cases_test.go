package check

import (
	"os"
	"testing"
)

// Scripts that start the fixture, and pass the stop signal on or not.
const (
	forgetful = `"$0"; true`
	impatient = `trap 'kill -TERM $child' TERM; "$0" & child=$!; wait $child; trap - TERM; wait $child`
)

// under is the fixture started by a shell.
func under(script string, faults ...string) Target {
	t := fixtureTarget(faults...)
	t.Command = []string{"/bin/sh", "-c", script, os.Args[0]}
	return t
}

type wanted struct {
	verdict Verdict
	outcome Outcome
}

// holds runs the cases and compares them with what a right server gets, but for
// those that differ.
func holds(t *testing.T, target Target, right, differ map[string]wanted) {
	t.Helper()
	var names []string
	for name := range right {
		names = append(names, name)
	}
	for _, c := range verdicts(t, target, names...).Results {
		w, ok := differ[c.Case]
		if !ok {
			w = right[c.Case]
		}
		if c.Verdict != w.verdict || c.Outcome != w.outcome {
			t.Errorf("%s: %s (%s), want %s (%s)", c.Case, c.Verdict, c.Outcome, w.verdict, w.outcome)
		}
	}
}

// Each fault of a process fails the case that is about it, and no other but
// those that it must.
func TestProcessCases(t *testing.T) {
	t.Parallel()
	right := map[string]wanted{
		"signal-reaches":    {Pass, outcomeReached},
		"signal-as-pid-1":   {Pass, outcomeHandled},
		"signal-at-start":   {Pass, outcomeExited},
		"exit-idle":         {Pass, outcomeExited},
		"children":          {Pass, outcomeAllGone},
		"port-free":         {Pass, outcomeFree},
		"socket-activation": {Pass, outcomeActivated},
	}
	once := fixtureTarget("starts-once")
	once.Env = append(once.Env, "FIXTURE_DIR="+t.TempDir())
	for name, test := range map[string]struct {
		target Target
		differ map[string]wanted
	}{
		"right":                    {fixtureTarget(), nil},
		"right, and slow to start": {fixtureTarget("start-slow"), nil},
		"a supervisor that passes it on": {fixtureTarget("supervised"), map[string]wanted{
			"socket-activation": {Skip, outcomeNotSupported},
		}},
		"a shell that does not": {under(forgetful), map[string]wanted{
			"signal-reaches":    {Fail, outcomeUnreached},
			"signal-as-pid-1":   {Warn, outcomeDeafAsPID1},
			"signal-at-start":   {Fail, outcomeServesOn},
			"exit-idle":         {Fail, outcomeUnreached},
			"children":          {Fail, outcomeLeftBehind},
			"port-free":         {Fail, outcomePortHeld},
			"socket-activation": {Skip, outcomeNotSupported},
		}},
		"a lost signal at the start":    {fixtureTarget("start-loses-signal"), map[string]wanted{"signal-at-start": {Fail, outcomeServesOn}}},
		"a child left behind":           {fixtureTarget("leaves-child"), map[string]wanted{"children": {Fail, outcomeLeftBehind}}},
		"one that holds the port":       {fixtureTarget("leaves-listener"), map[string]wanted{"children": {Fail, outcomeLeftBehind}, "port-free": {Fail, outcomePortHeld}}},
		"a server that starts once":     {once, map[string]wanted{"port-free": {Fail, outcomeNoSuccessor}}},
		"no socket activation":          {fixtureTarget("no-activation"), map[string]wanted{"socket-activation": {Skip, outcomeNotSupported}}},
		"an exit code of failure":       {fixtureTarget("exits-1"), map[string]wanted{"exit-idle": {Warn, outcomeExitCode}}},
		"an exit code for the signal":   {fixtureTarget("exits-143"), nil},
		"the signal sent to itself":     {fixtureTarget("ends-itself"), nil},
		"another signal sent to itself": {fixtureTarget("ends-by-another"), map[string]wanted{"exit-idle": {Fail, outcomeCrashed}}},
		"no handler":                    {fixtureTarget("class-none"), map[string]wanted{"exit-idle": {Fail, outcomeBySignal}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds(t, test.target, right, test.differ)
		})
	}
}

func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		target Target
		want   wanted
	}{
		"right":             {fixtureTarget(), wanted{Pass, outcomeAnswered}},
		"hurries":           {fixtureTarget("second-hurries"), wanted{Warn, outcomeHurried}},
		"ends its guardian": {under(impatient), wanted{Warn, outcomeHurried}},
		"hangs":             {fixtureTarget("second-hangs"), wanted{Fail, outcomeNeverExits}},
		"no handler":        {fixtureTarget("class-none"), wanted{Skip, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.target.Paths.Slow = "/slower" // so that there is time for two signals on a slow machine, too
			holds(t, test.target, map[string]wanted{"second-signal": test.want}, nil)
		})
	}
}
