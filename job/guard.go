package job

import (
	"context"
	"fmt"
	"time"
)

// A Guard is a second lock around each run, that others than this fleet know of:
// package shedlock has those of ShedLock, so that services in Java and in Go
// exclude one another. A run that the guard does not let in is skipped, and the
// history says so. It may be used concurrently.
type Guard interface {
	// Lock takes the lock of a job until atMost from now. ok is false if somebody
	// else has it; by is who, if that is known.
	Lock(ctx context.Context, name string, atMost time.Duration) (l GuardLock, ok bool, by string, err error)
}

// A GuardLock is a lock that a Guard has given. It is used by one goroutine at a
// time.
type GuardLock interface {
	// Extend makes it end atMost from now. ok is false if it is held no longer.
	Extend(ctx context.Context, atMost time.Duration) (ok bool, err error)
	// Unlock ends it, but not before atLeast after it was taken.
	Unlock(ctx context.Context, atLeast time.Duration) error
}

// guardLeases is how many leases a guard's lock is taken for, again and again: more
// than one, as a guard is asked less often than our own store, and others that know
// of it have longer ones (ShedLock's extension wants 30 seconds at least).
const guardLeases = 10

// guardFor is how long a guard's lock is taken for: as long as the run may take at
// most, or less, as it is extended while the run goes on.
func (k *keeper) guardFor() time.Duration {
	d := guardLeases * k.lease
	if k.atMost > 0 {
		d = min(d, k.atMost)
	}
	return d
}

// enter takes the guard's lock, if the job has a guard. A guard that does not answer
// is asked again until the next run is due. One that refuses a run that was taken up
// may still know it by the runner that died: it is asked for as long as that can be.
func (r *running) enter() (GuardLock, *ending) {
	if r.guard == nil {
		return nil, nil
	}
	patience := time.Duration(0)
	if r.run.Part > 0 {
		patience = 2 * r.guardFor()
	}
	begun := time.Now()
	for {
		lock, ok, why := r.askGuard()
		switch {
		case ok:
			r.run.Started = r.presence.now()
			return lock, nil
		case r.look() != nil:
			return nil, &ending{outcome: Died, why: "lost while it waited for the guard", cut: true}
		case why.err == nil && time.Since(begun) >= patience, !r.next.IsZero() && !r.next.After(r.presence.now()):
			r.run.Started = time.Time{}
			return nil, &ending{outcome: Skipped, why: why.text}
		}
		timer := time.NewTimer(r.lease / 4)
		select {
		case <-timer.C:
		case <-r.draining:
			timer.Stop()
			return nil, &ending{open: true}
		}
	}
}

// A refusal is why a guard has given no lock.
type refusal struct {
	text string
	err  error // nil: another has it
}

func (r *running) askGuard() (lock GuardLock, ok bool, why refusal) {
	ctx, cancel := context.WithTimeout(r, r.lease/2)
	defer cancel()
	lock, ok, by, err := r.guard.Lock(ctx, r.name, r.guardFor())
	switch {
	case err != nil:
		r.failed(err)
		why = refusal{"the guard did not answer: " + err.Error(), err}
	case !ok && by != "":
		why.text = "guarded by " + by
	case !ok:
		why.text = "guarded by another"
	}
	return lock, ok && err == nil, why
}

// extendGuard extends the guard's lock until over is closed. When it is lost, or may
// be, so is the run.
func (r *running) extendGuard(lock GuardLock, over <-chan struct{}) {
	d := r.guardFor()
	until := time.Now().Add(d)
	for pause := d / 3; ; {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-over:
			timer.Stop()
			return
		}
		asked := time.Now()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r), min(r.lease/2, max(until.Sub(asked), time.Millisecond)))
		ok, err := lock.Extend(ctx, d)
		cancel()
		switch {
		case err == nil && ok:
			until, pause = asked.Add(d), d/3
			continue
		case err == nil:
			r.cancel(fmt.Errorf("%w: the guard has given it to another, or its time has ended", ErrLost))
			return
		case !time.Now().Before(until):
			r.cancel(fmt.Errorf("%w: the guard has not answered for as long as its lock lasts: %w", ErrLost, err))
			return
		}
		pause = min(d/30, until.Sub(asked))
	}
}

// exit gives the guard's lock back.
func (r *running) exit(lock GuardLock) {
	if lock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r), r.lease/2)
	defer cancel()
	if err := lock.Unlock(ctx, r.atLeast); err != nil {
		r.log.Warn("job: the guard's lock was not given back: it is left to end, or was lost before the run had ended", "job", r.name, "error", err)
	}
}
