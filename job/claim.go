package job

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/seguehq/segue/store"
)

// claimer claims a slot. It is one conditional write: who loses it is told at once
// who has won.
func (k *keeper) claimer(slot time.Time) func(context.Context, *tenure) (*hold, error) {
	run := Run{ID: cryptorand.Text(), Slot: slot, Runner: k.self}
	return func(ctx context.Context, t *tenure) (*hold, error) {
		run.Started = k.presence.now()
		r := record{status: statusRunning, slot: slot, Run: &run, Holder: t.id}
		value, err := r.encode()
		if err != nil {
			return nil, err
		}
		e, err := store.PutBelow(ctx, k.store, store.Write{Key: statePrefix + k.name, Value: value}, k.bound(slot))
		switch {
		case err == nil:
			return &hold{sight{r, e.Revision}, t}, nil
		case !errors.Is(err, store.ErrConflict):
			return nil, err
		}
		if err := k.see(e); err != nil {
			return nil, err
		}
		return k.meet(ctx, t, slot)
	}
}

// bound is what a claim may overwrite: any run of a time before. Of a job that is
// due after its last run, that run alone.
func (k *keeper) bound(slot time.Time) []byte {
	switch {
	case !k.byRecord():
		return head(statusIdle, slot)
	case k.seen.status == "":
		return nil
	}
	return head(statusIdle, k.seen.slot.Add(1))
}

// see notes what was found in the store.
func (k *keeper) see(e store.Entry) error {
	r, err := decode(e)
	if err == nil {
		k.seen = sight{r, e.Revision}
	}
	return err
}

// lookAt looks at the job's state, and does what is to be done about it.
func (k *keeper) lookAt(ctx context.Context, t *tenure) (*hold, error) {
	e, err := k.store.Get(ctx, statePrefix+k.name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		k.seen = sight{}
	case err != nil:
		return nil, err
	default:
		if err := k.see(e); err != nil {
			return nil, err
		}
	}
	return k.meet(ctx, t, time.Time{})
}

// meet does what is to be done about what was seen: when slot was to be claimed, or
// when it was time to look, with a zero slot.
func (k *keeper) meet(ctx context.Context, t *tenure, slot time.Time) (got *hold, err error) {
	switch k.seen.status {
	case statusOpen:
		got, err = k.takeUp(ctx, t, k.seen.Tries)
	case statusRunning:
		got, err = k.inspect(ctx, t, slot)
	case statusIdle:
		got, err = k.doubt(ctx, t, slot)
	}
	if got == nil && err == nil {
		k.plan()
	}
	return got, err
}

// plan plans, by what was seen, when to look again, and when the job is due if the
// record says that.
func (k *keeper) plan() {
	now := k.presence.now()
	k.look = time.Time{}
	between := k.lease
	d, byRecord := k.when.(delay)
	if byRecord {
		k.next = time.Time{}
		between = min(between, time.Duration(d))
	}
	switch k.seen.status {
	case statusRunning, statusOpen:
		k.look = now.Add(between + time.Duration(rand.Int64N(int64(between)/10+1)))
	case statusSuspended:
		k.look = now.Add(6 * k.lease) // the bell rings earlier
	default:
		k.due(now)
	}
}

// due plans when a job that nobody runs is due, if its record has a say in that.
func (k *keeper) due(now time.Time) {
	last := k.seen.Run
	switch d, byRecord := k.when.(delay); {
	case byRecord && last == nil:
		k.next = later(now, k.seen.slot.Add(1))
	case byRecord:
		k.next = later(d.Next(last.Ended), k.seen.slot.Add(1))
	case k.catchUp && k.seen.status != "":
		since := k.seen.slot
		if last != nil {
			since = later(since, last.Ended)
		}
		if missed := latest(k.when, since, now); !missed.IsZero() {
			k.next = missed
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// doubt mends a record that says that a time has had its run which is yet to come:
// the store's clock was put back by more than a lease.
func (k *keeper) doubt(ctx context.Context, t *tenure, slot time.Time) (*hold, error) {
	if slot.IsZero() || k.byRecord() || k.seen.rest().Equal(k.seen.slot.Add(1)) || k.seen.slot.Before(k.presence.now().Add(k.lease)) {
		return nil, nil
	}
	k.log.Warn("job: a run is on record for a time that is yet to come: clocks were put back", "job", k.name, "slot", k.seen.slot)
	run := Run{ID: cryptorand.Text(), Slot: slot}
	return k.replace(ctx, t, record{slot: slot, Run: &run})
}

// inspect looks whether who runs the job still lives. It does so when it is time
// to, and not at each time at which the job is due.
func (k *keeper) inspect(ctx context.Context, t *tenure, slot time.Time) (*hold, error) {
	now := k.presence.now()
	if k.seen.Holder == t.id {
		return &hold{k.seen, t}, nil // a claim of ours of which the answer was lost
	}
	if !slot.IsZero() && (!k.seen.slot.Before(slot) || now.Sub(k.inspected) < k.lease/2) {
		return nil, nil
	}
	k.inspected = now
	_, err := k.store.Get(ctx, instancePrefix+k.seen.Holder)
	if errors.Is(err, store.ErrNotFound) {
		return k.inherit(ctx, t, slot)
	}
	return nil, err
}

// replace writes a record in the place of the one that was seen, as that of a run
// that this process has. If another was quicker, nothing is got.
func (k *keeper) replace(ctx context.Context, t *tenure, r record) (*hold, error) {
	r.status, r.Holder = statusRunning, t.id
	r.Run.Runner, r.Run.Started = k.self, k.presence.now()
	ok, err := k.write(ctx, &k.seen, r)
	if !ok || err != nil {
		return nil, err
	}
	return &hold{k.seen, t}, nil
}

// write writes a record in the place of one that was seen, and sees it. If that was
// not there any more it looks what is, and returns false, unless that is what was to
// be written: an answer was lost.
func (k *keeper) write(ctx context.Context, seen *sight, r record) (ok bool, err error) {
	value, err := r.encode()
	if err != nil {
		return false, err
	}
	revision, err := k.store.Put(ctx, store.Write{Key: statePrefix + k.name, Value: value, Expect: seen.revision})
	if err == nil {
		*seen = sight{r, revision}
		return true, nil
	}
	if !errors.Is(err, store.ErrConflict) {
		return false, err
	}
	e, err := k.store.Get(ctx, statePrefix+k.name)
	if errors.Is(err, store.ErrNotFound) {
		*seen = sight{}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	was, err := decode(e)
	if err == nil {
		*seen = sight{was, e.Revision}
	}
	return err == nil && string(e.Value) == string(value), err
}
