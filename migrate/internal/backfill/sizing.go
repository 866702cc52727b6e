package backfill

import (
	"slices"
	"time"
)

// sizing finds how many rows are done in a given time.
type sizing struct {
	rows   int             // of the last batch, or the first
	most   int             // after a conflict; 0: any
	well   int             // batches that have succeeded since most was set
	trust  int             // how many of them it takes to try more
	perRow []time.Duration // of the last batches
	beside []time.Duration // what they took beside their statements
}

// next gives the rows of a batch that takes about as long as target.
func (s *sizing) next(target time.Duration) int {
	rows := s.rows
	if len(s.perRow) > 0 {
		rows = int(target / max(1, middle(s.perRow)))
		rows = min(max(rows, fewestRows), 2*max(s.rows, fewestRows), mostRows)
	}
	if s.most > 0 {
		rows = min(rows, s.most)
	}
	return max(1, rows)
}

// middle is the median: one that was slow by chance is not to be believed.
func middle(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// overhead is what a batch takes beside its statement, the commit above all.
func (s *sizing) overhead() time.Duration {
	if len(s.beside) == 0 {
		return 0
	}
	return middle(s.beside)
}

// took tells how long a batch took: its statement, and all else.
func (s *sizing) took(rows int, statement, beside time.Duration) {
	if rows == 0 {
		return
	}
	const last = 5
	s.rows = rows
	s.perRow, s.beside = append(s.perRow, statement/time.Duration(rows)), append(s.beside, beside)
	if len(s.perRow) > last {
		s.perRow, s.beside = s.perRow[1:], s.beside[1:]
	}
	s.well++
	if s.most > 0 && s.well >= s.trust {
		s.most, s.well = 2*s.most, 0
	}
	if s.most > mostRows {
		s.most, s.trust = 0, 0
	}
}

// conflict makes the next batch a quarter of what the last was to be.
func (s *sizing) conflict() {
	if s.most == 0 {
		s.most = max(s.rows, fewestRows)
	}
	s.most, s.well = max(1, s.most/4), 0
	s.trust = min(max(8, 2*s.trust), 128)
}
