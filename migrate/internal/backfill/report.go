package backfill

import "time"

// A report tells of progress, not too often. It has one user at a time.
type report struct {
	told     func(Progress)
	progress Progress
	last     time.Time // told
	marks    []mark    // of the last seconds, the oldest first
}

type mark struct {
	at   time.Time
	rows int64
}

const (
	tellEvery = 100 * time.Millisecond
	rateOver  = 5 * time.Second
)

// add tells of rows that are done.
func (r *report) add(rows int, now time.Time) {
	r.progress.Rows += int64(rows)
	r.progress.Total = max(r.progress.Total, r.progress.Rows)
	r.mark(now)
}

// mark remembers where it stood, at most ten times a second.
func (r *report) mark(now time.Time) {
	if n := len(r.marks); n > 1 && now.Sub(r.marks[n-2].at) < tellEvery {
		r.marks = r.marks[:n-1]
	}
	r.marks = append(r.marks, mark{now, r.progress.Rows})
	for len(r.marks) > 2 && now.Sub(r.marks[0].at) > rateOver {
		r.marks = r.marks[1:]
	}
}

// tell tells where it stands, and why it waits, if it is time to.
func (r *report) tell(waiting string) {
	if now := time.Now(); now.Sub(r.last) >= tellEvery {
		r.progress.Waiting = waiting
		r.now(now)
	}
}

// end tells how it has ended: the total is known now.
func (r *report) end() {
	r.progress.Total, r.progress.Waiting = r.progress.Rows, ""
	r.now(time.Now())
}

func (r *report) now(now time.Time) {
	r.last = now
	r.progress.Rate, r.progress.Left = 0, 0
	if len(r.marks) > 1 {
		first := r.marks[0]
		if took := now.Sub(first.at).Seconds(); took > 0 {
			r.progress.Rate = float64(r.progress.Rows-first.rows) / took
		}
	}
	if left := r.progress.Total - r.progress.Rows; r.progress.Rate > 0 && left > 0 {
		r.progress.Left = time.Duration(float64(left) / r.progress.Rate * float64(time.Second))
	}
	r.told(r.progress)
}
