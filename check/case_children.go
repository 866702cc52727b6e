package check

import (
	"context"
	"errors"
	"time"
)

func children() Case {
	return Case{
		Name:  "children",
		Title: "When the first process has exited, nothing that it has started is left behind.",
		Rests: "systemd.kill(5), KillMode=; pid_namespaces(7): what outlives PID 1 is killed in the middle of its work",
		With:  "idle",
		needs: needsLocal,
		run:   runChildren,
	}
}

const (
	outcomeAllGone    Outcome = "all gone"
	outcomeLeftBehind Outcome = "left behind"
)

var errStays = errors.New("the server did not exit")

// awaitGone waits for the first process's exit and makes nothing of it.
func (s *Stage) awaitGone(ctx context.Context) error {
	select {
	case <-s.proc.exited:
		return nil
	case <-s.graceOver:
		return errStays
	case <-ctx.Done():
		return ctx.Err()
	}
}

func runChildren(ctx context.Context, p *place) (Result, error) {
	before := p.proc.members() // so that they are known when they have no parent
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	if err := p.awaitGone(ctx); err != nil {
		return Result{}, err
	}
	left, after := p.proc.lingering(ctx), Duration(time.Since(p.proc.exit.At))
	switch {
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case len(left) > 0:
		return fail(outcomeLeftBehind, "%s was still there %v after the first process had gone", describeAll(left), after)
	case len(before) <= 1:
		return pass(outcomeAllGone, "it was a single process")
	default:
		return pass(outcomeAllGone, "none of its %d processes was left %v after the first one's exit", len(before), after)
	}
}

// lingering are the processes that outlive the first one, which has exited, by
// more than a moment.
func (p *process) lingering(ctx context.Context) []int {
	limit := p.exit.At.Add(survives)
	for {
		left := p.pids()
		if len(left) == 0 || time.Now().After(limit) || ctx.Err() != nil {
			return left
		}
		pause(ctx, 20*time.Millisecond)
	}
}
