package job

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errNoRun = errors.New("the context is not that of a job's Func")

// Draining is closed when the instance is to stop: a Func that can end early, or
// come to its next Checkpoint sooner, does. It is nil, which nobody closes, if ctx
// is not that of a Func.
func Draining(ctx context.Context) <-chan struct{} {
	if r := of(ctx); r != nil {
		return r.draining
	}
	return nil
}

// Checkpoint writes down how far a run has come: state, as JSON, of 1 MiB at most.
// Whoever takes up the run, or begins the next one after one that has not ended
// well, gets it from Resume. A run that ends with nil takes its checkpoint with it.
//
// If the instance is to stop it returns ErrHandOn once the state is written: the
// Func returns that, and another instance goes on within a moment. If the run was
// lost it returns an ErrLost, and nothing is written. Any other error is the
// store's, and the last state stands.
func Checkpoint(ctx context.Context, state any) error {
	r := of(ctx)
	if r == nil {
		return fmt.Errorf("job: Checkpoint: %w", errNoRun)
	}
	if err := r.save(ctx, state); err != nil {
		return err
	}
	if r.isDraining() {
		return ErrHandOn
	}
	return nil
}

// Resume fills state with what the last Checkpoint has written down, and returns
// whether there is one. Called first thing in a Func.
func Resume(ctx context.Context, state any) (bool, error) {
	r := of(ctx)
	if r == nil {
		return false, fmt.Errorf("job: Resume: %w", errNoRun)
	}
	return r.load(ctx, state)
}

// Extend lets a run take until d from now, instead of what AtMostFor said. The
// error is an ErrLost if the run is ours no more.
func Extend(ctx context.Context, d time.Duration) error {
	r := of(ctx)
	switch {
	case r == nil:
		return fmt.Errorf("job: Extend: %w", errNoRun)
	case d <= 0:
		return fmt.Errorf("job: Extend by %v: it takes more than 0", d)
	case r.Err() != nil:
		return fmt.Errorf("job: extend %q: %w", r.name, context.Cause(r))
	}
	r.callOffAfter(d)
	return nil
}

// Current is the run that ctx is the context of: for log lines, and to tell a run
// by hand from one by schedule. It is the zero Run if ctx is not that of a Func.
func Current(ctx context.Context) Run {
	if r := of(ctx); r != nil {
		return r.run
	}
	return Run{}
}
