package job

import (
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"time"
)

// takeUp takes up a run that waits for somebody.
func (k *keeper) takeUp(ctx context.Context, t *tenure, tries int) (*hold, error) {
	run := *k.seen.Run
	if !run.Started.IsZero() { // or it was asked for, and has not begun
		run.Part++
	}
	run.Ended, run.Outcome, run.Why = time.Time{}, "", ""
	return k.replace(ctx, t, record{slot: k.seen.slot, Run: &run, Tries: tries, Number: k.seen.Number})
}

// inherit does what is to be done about a run whose process has died: it takes it
// up, or ends it. With a slot that was to be claimed, that is begun in its place.
func (k *keeper) inherit(ctx context.Context, t *tenure, slot time.Time) (*hold, error) {
	dead := k.seen
	next, err := k.afterwards(ctx, dead.record)
	if err != nil {
		return nil, err
	}
	part := *dead.Run
	part.Ended, part.Outcome = k.presence.now(), Died
	part.Why = fmt.Sprintf("%s did not say for a lease (%v) that it lives", part.Runner.Instance, k.lease)
	got, ok, err := k.bury(ctx, t, dead, next, &part, slot)
	if ok {
		k.log.Warn("job: a run has died with its process", "job", k.name, "slot", part.Slot, "runner", part.Runner.Instance, "goesOn", part.GoesOn)
		k.book.note(ctx, k.name, k.when, part)
	}
	return got, err
}

// bury writes what becomes of a dead run. ok is false if another was quicker.
func (k *keeper) bury(ctx context.Context, t *tenure, dead sight, next prospect, part *Run, slot time.Time) (got *hold, ok bool, err error) {
	switch {
	case next.done:
		part.Outcome, part.Why = Done, "its process died when the work was done"
		ok, err = k.write(ctx, &k.seen, dead.rests(part, 0))
	case next.goesOn && dead.Suspended != nil:
		part.GoesOn = true
		ok, err = k.write(ctx, &k.seen, dead.opens(*dead.Run, next.tries))
	case next.goesOn:
		part.GoesOn = true
		k.seen.Number = next.number
		got, err = k.takeUp(ctx, t, next.tries)
		ok = got != nil
	case dead.Suspended != nil || slot.IsZero() || k.byRecord():
		ok, err = k.write(ctx, &k.seen, dead.rests(part, 0))
	default:
		got, err = k.replace(ctx, t, record{slot: slot, Run: &Run{ID: cryptorand.Text(), Slot: slot}})
		ok = got != nil
	}
	return got, ok, err
}

// A prospect is what may become of a run that was cut off.
type prospect struct {
	goesOn bool // another may take it up
	done   bool // there is nothing left to do
	tries  int  // how often it was taken up then, without having come any further
	number int  // of its checkpoint
}

// leastTries is how often a run that has checkpoints is taken up although it has
// come no further: it may be the run that kills its processes.
const leastTries = 2

// afterwards looks what may become of a run that was cut off.
func (k *keeper) afterwards(ctx context.Context, r record) (prospect, error) {
	c, _, err := readCheckpoint(ctx, k.store, k.name)
	if err != nil {
		return prospect{}, err
	}
	p := prospect{tries: r.Tries + 1, number: r.Number}
	most := k.retries
	if c.Run == r.Run.ID {
		p.done = c.Done
		most = max(most, leastTries)
		if c.Number > r.Number {
			p.tries, p.number = 1, c.Number
		}
	}
	p.goesOn = !p.done && p.tries <= most
	return p, nil
}
