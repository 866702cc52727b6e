package cli

import (
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

// The history tells what was done to the database, and what an undone rollout
// has left there.
func TestHistoryTellsOfTheDatabase(t *testing.T) {
	names := []string{"0008_split"}
	for _, c := range []struct {
		r   deploy.Rollout
		why string
		end deploy.Phase
	}{
		{deploy.Rollout{Phase: deploy.Done, Why: "new"}, "new", deploy.Done},
		{deploy.Rollout{Phase: deploy.Done, Why: "new", Brings: names, Migrated: deploy.StepBackfilled, Did: "0008_split: ready, 50000 rows filled in, in 1.3s"},
			"0008_split: ready, 50000 rows filled in, in 1.3s: new", deploy.Done},
		{deploy.Rollout{Phase: deploy.Forward, Brings: names}, "0008_split", deploy.Forward},
		{deploy.Rollout{Phase: deploy.RolledBack, Reason: "shop-2.1: it ended", Brings: names, Migrated: deploy.StepBackfilled},
			"shop-2.1: it ended (the database keeps 0008_split)", deploy.RolledBack},
		{deploy.Rollout{Phase: deploy.RolledBack, Reason: "expand 0008_split: no such table", Brings: names}, "expand 0008_split: no such table", deploy.RolledBack},
		{deploy.Rollout{Kind: deploy.KindContract, Phase: deploy.RolledBack, Why: "it is time", Reason: "contract 0008_split: no lock", Brings: names}, "contract 0008_split: no lock", "failed"},
		{deploy.Rollout{Kind: deploy.KindContract, Phase: deploy.Done, Why: "it is time", Brings: names, Did: "0008_split: done, in 26ms", Against: "the way back"},
			"0008_split: done, in 26ms: it is time (against: the way back)", deploy.Done},
	} {
		if got, end := whyOf(c.r), endOf(c.r); got != c.why || end != c.end {
			t.Errorf("%s, %q; want %s, %q", end, got, c.end, c.why)
		}
	}
}
