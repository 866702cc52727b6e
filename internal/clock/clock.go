// Package clock is the time of day, for whoever decides by it: deploy windows,
// freezes, schedules, the end of what lasts for hours. A test of whole processes
// moves it (Follow, Lead), and waits for nothing.
//
// What is a mere patience (how long a connection may take, how often to look)
// stays with package time.
package clock

import (
	"context"
	"time"
)

// A Clock tells the time of day. It may be used by any number of goroutines.
type Clock interface {
	Now() time.Time
	// Wait returns nil once the clock shows until or later, however it came
	// there, and the cause of ctx's end when that comes first.
	Wait(ctx context.Context, until time.Time) error
}

// Sleep waits until the clock shows so much more than it does now.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	return c.Wait(ctx, c.Now().Add(d))
}

// System is the machine's clock.
type System struct{}

// Now has no monotonic part: times are compared as the clock shows them.
func (System) Now() time.Time { return time.Now().Round(0) }

// look is how long Wait sleeps before it looks at the clock again, which may
// have been set meanwhile; and a machine may have slept.
const look = 30 * time.Second

func (s System) Wait(ctx context.Context, until time.Time) error {
	for {
		left := until.Sub(s.Now())
		if left <= 0 && ctx.Err() == nil {
			return nil
		}
		t := time.NewTimer(min(left, look))
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}
