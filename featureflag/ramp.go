package featureflag

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/seguehq/segue/store"
)

// Ramp begins a ramp, in place of one that there may be. r needs Variant and To, and
// Over unless it is to be there at once; Guard is as it comes, and the rest is
// found out here. A From of zero is where a ramp of the same variant stands that was
// there before, so that nobody loses it. It is refused with ErrKilled while the flag is
// killed, and with ErrInvalid if it cannot be.
func (c *Control) Ramp(ctx context.Context, key string, r Ramp, why string) error {
	return c.changeKnown(ctx, key, why, func(f *Flag) (string, error) {
		if err := r.check(f); err != nil {
			return "", fmt.Errorf("flag %q: %w", key, err)
		}
		next := Ramp{Variant: r.Variant, From: r.From, To: r.To, Over: r.Over, State: RampRunning, Stamp: c.stamp(why), Guard: r.Guard}
		if before := f.Ramp; before != nil && before.Variant == r.Variant && r.From == 0 {
			next.From = before.Percent
		}
		next.Percent = next.From
		what := fmt.Sprintf("ramp of %s: %s to %s over %v", next.Variant, percent(next.From), percent(next.To), next.Over)
		if next.Over == 0 {
			next.Percent, next.State = next.To, RampDone
			what = fmt.Sprintf("ramp of %s: at %s", next.Variant, percent(next.To))
		}
		f.Ramp = &next
		return what, nil
	})
}

func (r Ramp) check(f *Flag) error {
	within := func(p float64) bool { return p >= 0 && p <= 100 } // not NaN
	switch {
	case f.Killed != nil:
		return fmt.Errorf("%w by %s: restore it first", ErrKilled, f.Killed.By)
	case f.Definition.State == Disabled:
		return fmt.Errorf("%w: it is disabled; set it to a variant first", ErrInvalid)
	case f.Definition.Variants[r.Variant] == nil:
		return fmt.Errorf("%w: it has no variant %q; it is %s", ErrInvalid, r.Variant, f.Definition.describe())
	case !within(r.From), !within(r.To):
		return fmt.Errorf("%w: a ramp from %s to %s; they are 0 to 100 percent", ErrInvalid, percent(r.From), percent(r.To))
	case r.Over < 0:
		return fmt.Errorf("%w: a ramp over %v; it takes no time at least", ErrInvalid, r.Over)
	case r.Guard != nil && (!within(r.Guard.Errors) || r.Guard.P95 < 0):
		return fmt.Errorf("%w: a guard of %s errors and a p95 of %v; errors are 0 to 100 percent, p95 is 0 (not looked at) or more", ErrInvalid, percent(r.Guard.Errors), r.Guard.P95)
	}
	return nil
}

// StopRamp ends a running one where it is, or at From. A flag without a running ramp
// stays as it is; one with a ramp that has ended goes back to From with back.
func (c *Control) StopRamp(ctx context.Context, key string, back bool, why string) error {
	return c.changeKnown(ctx, key, why, func(f *Flag) (string, error) {
		r := f.Ramp
		if r == nil || r.State != RampRunning && (!back || r.Percent == r.From) {
			return "", nil
		}
		note := "by " + c.by
		if why != "" {
			note += ": " + why
		}
		f.Ramp = r.stopped(note, back)
		return f.Ramp.tell(), nil
	})
}

// stopped is the ramp when it has been stopped.
func (r *Ramp) stopped(note string, back bool) *Ramp {
	s := *r
	s.State, s.Note = RampStopped, note
	if back {
		s.Percent = s.From
	}
	return &s
}

// MoveRamp is the mover's: it writes what has become of a running ramp, if the
// flag is still at this version, and returns store.ErrConflict otherwise. Only
// a change of State is written to the history, with the Note as its why.
func (c *Control) MoveRamp(ctx context.Context, key string, version int64, r Ramp) error {
	now, err := c.read(ctx, key)
	if err != nil {
		return fmt.Errorf("flag %q: %w", key, err)
	}
	if now.raw == nil || now.Removed != nil || now.Ramp == nil || now.Version != version {
		return fmt.Errorf("flag %q: %w", key, store.ErrConflict)
	}
	var line *Change
	if r.State != now.Ramp.State {
		line = &Change{c.stamp(r.Note), r.tell()}
	}
	f := now.Flag
	f.Ramp = &r
	return c.write(ctx, now, f, line)
}

// tell says where a ramp is, for the history.
func (r *Ramp) tell() string {
	switch r.State {
	case RampStopped:
		return fmt.Sprintf("ramp of %s stopped at %s", r.Variant, percent(r.Percent))
	case RampDone:
		return fmt.Sprintf("ramp of %s done, at %s", r.Variant, percent(r.Percent))
	}
	return fmt.Sprintf("ramp of %s goes on at %s", r.Variant, percent(r.Percent))
}

// percent is a share as people write it: 0.25 %, 25 %.
func percent(p float64) string {
	return strconv.FormatFloat(math.Round(p*100)/100, 'f', -1, 64) + " %"
}

// Left is for how long a running ramp goes on if nothing stops it.
func (r *Ramp) Left() time.Duration {
	if r.State != RampRunning {
		return 0
	}
	return max(0, r.Over-r.Ran)
}
