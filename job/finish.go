package job

import (
	"context"
	"time"
)

// finish says in the store how the run has ended: first in the job's record, by
// which others may begin, then in its history.
func (r *running) finish(end ending) {
	r.run.Ended, r.run.Outcome, r.run.Why = r.presence.now(), end.outcome, end.why
	if end.outcome == Failed || end.outcome == TooLong {
		r.log.Error("job: a run has "+string(end.outcome), "job", r.name, "slot", r.run.Slot, "error", end.why)
	}
	mine := r.hold.sight
	ok := r.persist(func(ctx context.Context) (bool, error) { return r.release(ctx, end, &mine) })
	r.seen = mine
	if !ok {
		r.log.Error("job: a run was lost; another may have begun while it went on", "job", r.name, "slot", r.run.Slot)
	} else if end.outcome != "" {
		r.persist(func(ctx context.Context) (bool, error) {
			return true, r.book.note(ctx, r.name, r.when, r.account()...)
		})
	}
	if !r.byRecord() && end.outcome != "" {
		r.next = r.when.Next(r.run.Ended) // what was due meanwhile is skipped
	}
	r.plan()
}

// release writes the record of a run that has ended. It returns false if the record
// is another's.
func (r *running) release(ctx context.Context, end ending, mine *sight) (bool, error) {
	if end.outcome == Done {
		if err := r.settle(ctx); err != nil && r.look() == nil {
			return false, err
		}
	}
	open, tries := end.open, mine.Tries
	if end.cut {
		p, err := r.afterwards(ctx, mine.record)
		if err != nil {
			return false, err
		}
		open, tries, mine.Number = p.goesOn, p.tries, p.number
	}
	if end.open {
		tries = 0
	}
	for {
		next := mine.rests(&r.run, r.atLeast)
		if open {
			r.run.GoesOn = end.outcome != ""
			next = mine.opens(r.waiting(end), tries)
		}
		before := *mine
		ok, err := r.write(ctx, mine, next)
		if ok && next.status == statusOpen {
			_ = call(ctx, r.store, r.name) // if it fails, they find it by themselves
		}
		if ok || err != nil {
			return ok, err
		}
		if !mine.isOf(before) {
			return false, nil
		}
		// Somebody has suspended the job meanwhile, or lets it be resumed.
	}
}

// isOf tells whether a record is of the same part of the same run as before, which
// goes on.
func (s sight) isOf(before sight) bool {
	return s.status == statusRunning && s.Holder == before.Holder && s.Run != nil && s.Run.ID == before.Run.ID && s.Run.Part == before.Run.Part
}

// waiting is the run as it waits for another to take it up.
func (r *running) waiting(end ending) Run {
	run := r.run
	run.Ended, run.Outcome, run.Why, run.GoesOn = time.Time{}, "", "", false
	if end.outcome == "" { // it has not begun
		run.Started, run.Runner = time.Time{}, Runner{}
		if r.run.Part > 0 {
			run.Started = r.run.Started
		}
	}
	return run
}

// persist tells the store something, again and again until it answers, or until it
// makes no more sense: the process is to end, or has been away for long.
func (r *running) persist(tell func(context.Context) (bool, error)) bool {
	begun := time.Now()
	for pause := 10 * time.Millisecond; ; pause = min(pause*2, r.lease/4) {
		ctx, cancel := context.WithTimeout(context.Background(), r.lease/2)
		ok, err := tell(ctx)
		cancel()
		if err == nil {
			return ok
		}
		if time.Since(begun) > 2*r.lease && r.hold.tenure.look() != nil {
			return false
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.ended:
			timer.Stop()
			return false
		}
	}
}

// account is what the history is told: this part, and what was skipped for it.
func (r *running) account() []Run {
	runs := []Run{r.run}
	if r.byRecord() || r.run.Outcome == Skipped {
		return runs
	}
	since := r.run.Slot
	if r.run.Part > 0 {
		since = later(since, r.run.Started.Add(-1))
	}
	if n, first, last := between(r.when, since, r.run.Ended); n > 0 {
		runs = append(runs, Run{Slot: first, Until: last, Skipped: n, Outcome: Skipped, Why: "the run before was still going"})
	}
	return runs
}
