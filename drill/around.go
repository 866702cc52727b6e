package drill

import (
	"context"
	"time"
)

// The phases of a drill that is held around a command.
const (
	PhaseBefore = "before"
	PhaseDuring = "during"
	PhaseAfter  = "after"
)

// Around holds a drill around cmd: it sends for the time before, then runs cmd
// while sending, and goes on for the time after. The plan's Duration is not
// used. cmd may call mark for each of its steps, from any goroutine, also
// after it has returned.
//
// The error is the plan's (then there is no result, and cmd was not run),
// or cmd's, unchanged, together with the result. When ctx ends before cmd was
// begun, cmd is not run and the error is ctx's.
func Around(ctx context.Context, p Plan, before, after time.Duration, cmd func(ctx context.Context, mark func(string)) error, opts ...Option) (*Result, error) {
	p.Duration = 0
	d, err := New(p, opts...)
	if err != nil {
		return nil, err
	}
	d.Phase(PhaseBefore)
	failed := make(chan error, 1)
	go func() {
		defer d.Stop()
		failed <- d.around(ctx, before, after, cmd)
	}()
	// Not ctx: the command is told of its end, and what it does then is still
	// to be watched.
	r, err := d.Run(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	return r, <-failed
}

func (d *Drill) around(ctx context.Context, before, after time.Duration, cmd func(context.Context, func(string)) error) error {
	<-d.started
	if !pass(ctx, before) {
		return ctx.Err()
	}
	d.Phase(PhaseDuring)
	d.Mark("command begins")
	err := cmd(ctx, d.Mark)
	d.Phase(PhaseAfter)
	d.Mark(map[bool]string{true: "command ended", false: "command failed"}[err == nil])
	pass(ctx, after)
	return err
}

// pass waits; it reports false when ctx ended first.
func pass(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
