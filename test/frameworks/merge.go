package main

import (
	"cmp"
	"slices"

	"github.com/seguehq/segue/check"
)

// merge makes one report of several runs: each case is as bad as it was at its
// worst. Much of what is lost around a stop is lost by chance, and a case that
// passes once proves little.
func merge(runs []*check.Report) *check.Report {
	all := *runs[0]
	all.Results = slices.Clone(all.Results)
	for i := range all.Results {
		sent, lost := all.Results[i].Sent, all.Results[i].Lost
		for _, run := range runs[1:] {
			other := run.Results[i]
			sent, lost = sent+other.Sent, lost+other.Lost
			if worse(other, all.Results[i]) > 0 {
				all.Results[i] = other
			}
		}
		all.Results[i].Sent, all.Results[i].Lost = sent, lost
		all.Results[i].Mend = "" // it is the same for all servers of a kind, and may be bettered without a run
	}
	return &all
}

func worse(a, b check.Result) int {
	order := []check.Verdict{check.Skip, check.Pass, check.Warn, check.Fail}
	return cmp.Or(
		cmp.Compare(slices.Index(order, a.Verdict), slices.Index(order, b.Verdict)),
		cmp.Compare(a.Lost*max(b.Sent, 1), b.Lost*max(a.Sent, 1)),
		cmp.Compare(a.Took, b.Took),
	)
}

// classes are those that the runs have come to, the most frequent first.
func classes(runs []*check.Report) []check.Class {
	count := map[check.Class]int{}
	var all []check.Class
	for _, run := range runs {
		if count[run.Class]++; count[run.Class] == 1 {
			all = append(all, run.Class)
		}
	}
	slices.SortStableFunc(all, func(a, b check.Class) int { return count[b] - count[a] })
	return all
}
