package drill

import (
	"context"
	"math"
	"time"
)

const (
	// batch is the shortest sleep: requests due within it are sent together,
	// at most that late. It bounds the pacer's own work at high rates.
	batch = 200 * time.Microsecond
	// coarse is how much before the next request the runtime's timer is left
	// for the precise one: the runtime rounds to milliseconds.
	coarse = 2 * time.Millisecond
)

// pace starts each request when it is due: at start + n/rate, an absolute
// schedule that no slow answer and no late wake-up can shift.
func (d *Drill) pace(ctx context.Context) {
	plan := d.plan
	pick := d.chooser()
	for n := int64(0); ; n++ {
		due := time.Duration(math.Round(float64(n) / plan.Rate * float64(time.Second)))
		if plan.Duration > 0 && due >= plan.Duration {
			return
		}
		if !d.sleepUntil(ctx, due) {
			return
		}
		j := pick()
		j.n, j.due = n+1, due
		d.dispatch(j)
	}
}

// chooser deals out modes and targets by their exact shares: targets within
// each mode, so that no rhythm of one can shut out the other.
func (d *Drill) chooser() func() job {
	shares := d.plan.Mix.shares()
	mode := newRotor(shares[:])
	weights := make([]float64, len(d.targets))
	for i, t := range d.targets {
		weights[i] = t.weight
	}
	var byMode [len(modes)]*rotor
	for i := range byMode {
		byMode[i] = newRotor(weights)
	}
	return func() job {
		m := mode.next()
		return job{mode: modes[m], target: d.targets[byMode[m].next()]}
	}
}

func (d *Drill) dispatch(j job) {
	j.phase = d.recorder.phaseAt(j.due)
	if d.inFlight.Load() >= int64(d.plan.MaxInFlight) {
		d.skip(j)
		return
	}
	d.inFlight.Add(1)
	d.requests.Add(1)
	go d.do(j)
}

// sleepUntil returns at due, or false when there is nothing more to send.
func (d *Drill) sleepUntil(ctx context.Context, due time.Duration) bool {
	wait := due - d.since()
	if wait > coarse {
		t := time.NewTimer(wait - coarse)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		case <-d.stopped:
		}
		wait = due - d.since()
	}
	select {
	case <-ctx.Done():
		return false
	case <-d.stopped:
		return false
	default:
	}
	if wait > 0 {
		preciseSleep(max(wait, batch))
	}
	return true
}
