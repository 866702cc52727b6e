package job

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/store"
)

// A keeper sees to one job in one process: it claims the times at which the job is
// due, takes up what others have left, and runs what it got. All of that is done by
// its one goroutine, so a process never runs a job twice at a time.
type keeper struct {
	*engine
	definition
	bell chan struct{} // holds one when somebody is to look
	busy atomic.Bool   // a run goes on

	next time.Time // when it is due; zero: not by the clock
	look time.Time // when to look at its state; zero: not by the clock
	seen sight     // its state when it was looked at last; no status: there was none

	inspected time.Time // when the runner of what was seen was last looked for
	failing   bool      // the store was asked in vain
	unserved  time.Time // since when it has been due, and the store not to be asked
	alarmed   time.Time // the last such time that was told of
}

// A sight is a record as it was in the store.
type sight struct {
	record
	revision store.Revision
}

// A hold is a run that this process has, and the tenure in which it got it.
type hold struct {
	sight
	tenure *tenure
}

func newKeeper(e *engine, d definition) *keeper {
	return &keeper{engine: e, definition: d, bell: make(chan struct{}, 1)}
}

// keep keeps the job until the instance drains.
func (k *keeper) keep() {
	begun := time.Now()
	if !k.settleIn() {
		return
	}
	now := k.presence.now().Add(-time.Since(begun)) // when it began, by the store's clock
	if k.byRecord() || k.catchUp {
		k.look = now
	}
	if !k.byRecord() {
		k.next = k.when.Next(now.Add(-1)) // a time that is now is due
	}
	for {
		var got *hold
		switch k.wait() {
		case toEnd:
			return
		case toBegin:
			got = k.begin()
		case toLook:
			got = k.insist(time.Time{}, k.lookAt)
		}
		if got != nil {
			k.execute(got)
		}
	}
}

// settleIn waits until the store has told its time. It returns false if the instance
// drains before.
func (k *keeper) settleIn() bool {
	for {
		t, changed := k.presence.tenure()
		if t != nil {
			return true
		}
		select {
		case <-changed:
		case <-k.draining:
			return false
		}
	}
}

// byRecord tells whether only the record says when the job is due.
func (k *keeper) byRecord() bool {
	_, ok := k.when.(delay)
	return ok
}

type task int

const (
	toEnd task = iota
	toLook
	toBegin
)

// patience is how long a keeper sleeps at most: the time of day may be set.
const patience = 15 * time.Second

// wait waits until there is something to do.
func (k *keeper) wait() task {
	for {
		now := k.presence.now()
		switch {
		case k.isDraining():
			return toEnd
		case !k.next.IsZero() && !k.next.After(now):
			return toBegin
		case !k.look.IsZero() && !k.look.After(now):
			return toLook
		}
		d := patience
		for _, t := range []time.Time{k.next, k.look} {
			if !t.IsZero() {
				d = min(d, t.Sub(now))
			}
		}
		timer := time.NewTimer(d)
		select {
		case <-k.draining:
		case <-timer.C:
		case <-k.bell:
			timer.Stop()
			return toLook
		}
		timer.Stop()
	}
}

// begin claims the time at which the job is due. If the process was not awake when
// several passed, it is the last of them that counts.
func (k *keeper) begin() *hold {
	slot := k.next
	k.next = time.Time{}
	if !k.byRecord() {
		slot = latest(k.when, slot.Add(-1), k.presence.now())
		k.next = k.when.Next(slot)
	}
	return k.insist(slot, k.claimer(slot))
}

// insist asks the store for something to run until it answers, the instance drains,
// or the next run is due. slot is the time that it is about, or zero.
func (k *keeper) insist(slot time.Time, ask func(context.Context, *tenure) (*hold, error)) *hold {
	for pause := 10 * time.Millisecond; ; pause = min(pause*2, k.lease/4) {
		t, changed := k.presence.tenure()
		if t != nil && t.look() == nil {
			got, err := k.askOnce(t, ask)
			if err == nil {
				k.failing, k.unserved = false, time.Time{}
				return got
			}
			k.failed(err)
		}
		if !k.again(slot, pause, changed) {
			return nil
		}
	}
}

// askOnce asks when not too many others do.
func (k *keeper) askOnce(t *tenure, ask func(context.Context, *tenure) (*hold, error)) (*hold, error) {
	select {
	case k.asking <- struct{}{}:
		defer func() { <-k.asking }()
	case <-k.draining:
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), k.lease/2)
	defer cancel()
	return ask(ctx, t)
}

// failed says so once, until it has worked again.
func (k *keeper) failed(err error) {
	if !k.failing {
		k.failing = true
		k.log.Warn("job: the store was asked in vain; it is asked again", "job", k.name, "error", err)
	}
}

// again waits before the store is asked again, and returns false if that is of no
// use any more.
func (k *keeper) again(slot time.Time, pause time.Duration, changed <-chan struct{}) bool {
	now := k.presence.now()
	if k.unserved.IsZero() {
		k.unserved = slot
	}
	if late := now.Sub(k.unserved); !k.unserved.IsZero() && late > k.overdue && k.alarmed.Before(k.unserved) {
		k.alarmed = k.unserved
		k.alarm(Alarm{Overdue, k.name, k.unserved, late})
	}
	if !k.next.IsZero() && !k.next.After(now) {
		if slot.IsZero() {
			k.look = now.Add(k.lease / 4)
		}
		return false
	}
	if !k.next.IsZero() {
		pause = min(pause, k.next.Sub(now))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-k.draining:
		return false
	}
	return true
}
