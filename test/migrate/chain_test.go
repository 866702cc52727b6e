package migrate_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/migrate/shape"
)

// TestEveryKindOfChange takes the shop through every kind of change, one after the
// other: deployed, rolled back, deployed again, contracted. People buy all the time.
// Nothing of what was acknowledged is lost or wrong at any point, whichever release
// wrote it and whichever reads it.
//
// With SEGUE_SOAK=1 each change is a deploy of its own; else a deploy brings a few.
func TestEveryKindOfChange(t *testing.T) {
	t.Parallel()
	for _, k := range tracks {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, k)
			for from := shape.Shop + 1; from <= shape.Last; {
				to := min(from+together()-1, shape.Last)
				s.change(t, to, k.kinds(t, from, to))
				from = to + 1
			}
			s.close()
		})
	}
}

// together is how many changes one deploy brings.
func together() int {
	if harness.Soak() {
		return 1
	}
	return 3
}

// takenBack says which changes are also taken back from the database, before they
// are made again: all of them with SEGUE_SOAK=1.
func takenBack(to int) bool {
	return harness.Soak() || to <= shape.RenameColumn || to == shape.SplitColumn
}

// change takes the shop from its release to another, back, and there again.
func (s *site) change(t *testing.T, to int, kinds string) {
	t.Helper()
	from := s.at
	s.forward(to)
	s.check(kinds + ": deployed")
	s.back(from)
	s.check(kinds + ": rolled back")
	if takenBack(to) {
		s.undo(from)
		s.check(kinds + ": taken back")
	}
	s.forward(to)
	s.check(kinds + ": deployed again")
	s.contract()
	s.check(kinds + ": contracted")
}
