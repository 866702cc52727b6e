package main

import (
	"slices"
	"testing"

	"github.com/seguehq/segue/check"
)

// A case is as bad as it was at its worst, and losses add up.
func TestMerge(t *testing.T) {
	run := func(class check.Class, v check.Verdict, sent, lost int, took check.Duration) *check.Report {
		return &check.Report{Class: class, Results: []check.Result{{Case: "a", Verdict: v, Sent: sent, Lost: lost, Took: took}}}
	}
	runs := []*check.Report{
		run(check.ClassOneMore, check.Pass, 10, 0, 1),
		run(check.ClassImmediate, check.Fail, 10, 2, 2),
		run(check.ClassImmediate, check.Fail, 10, 4, 1),
		run(check.ClassImmediate, check.Skip, 0, 0, 9),
	}
	got := merge(runs).Results[0]
	if want := (check.Result{Case: "a", Verdict: check.Fail, Sent: 30, Lost: 6, Took: 1}); got != want {
		t.Errorf("merged to %+v, want %+v", got, want)
	}
	if runs[0].Results[0].Verdict != check.Pass {
		t.Error("merging has changed a run")
	}
	if c := classes(runs); !slices.Equal(c, []check.Class{check.ClassImmediate, check.ClassOneMore}) {
		t.Errorf("classes %v", c)
	}
}
