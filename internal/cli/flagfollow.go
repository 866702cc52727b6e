package cli

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/featureflag"
)

// A rampView shows how a ramp gets on: a line that is rewritten on a terminal, and
// elsewhere one now and then.
type rampView struct {
	w     out // nil: nothing is shown
	live  *liveLine
	began time.Time
	shown *float64 // what was shown last
}

// everySo is by how much a ramp has moved before that is worth a line.
const everySo = 5

// show tells whether the ramp has ended, and how.
func (v *rampView) show(f flagOf) (ended bool, err error) {
	r := f.Ramp
	switch {
	case f.Killed != nil:
		return true, &exitError{exitFailed, fmt.Sprintf("%s: killed by %s", f.Key, stamped(*f.Killed))}
	case r == nil:
		return true, &exitError{exitFailed, fmt.Sprintf("%s: the ramp is over; it is %s", f.Key, f.state())}
	case r.State == featureflag.RampStopped:
		return true, &exitError{exitFailed, fmt.Sprintf("%s: %s", f.Key, f.note())}
	case r.State == featureflag.RampDone:
		v.live.clear()
		v.line(fmt.Sprintf("%s: at %s of %s after %s", f.Key, percent(r.Percent), r.Variant, ago(time.Since(v.began))))
		return true, nil
	}
	text := f.Key + ": " + f.state()
	switch {
	case v.w == nil:
	case v.live != nil:
		v.live.show(text)
	case v.shown == nil, abs(r.Percent-*v.shown) >= everySo:
		v.line(text)
		v.shown = &r.Percent
	}
	return false, nil
}

func (v *rampView) line(text string) {
	if v.w != nil {
		fmt.Fprintln(v.w, text)
	}
}

// beat is when a terminal is to show again how much time is left.
func (v *rampView) beat() <-chan time.Time {
	if v.live == nil || v.w == nil {
		return nil
	}
	return time.After(time.Second)
}

func abs(x float64) float64 { return max(x, -x) }

// pick is the flag as it is now.
func pick(flags *featureflag.Flags, f flagOf) (flagOf, bool) {
	all, shed := flags.All()
	for _, now := range all {
		if now.Key == f.Key {
			f.Flag, f.shed = now, shed
			return f, true
		}
	}
	return f, false
}
