package check

import (
	"context"
	"syscall"
	"time"
)

func exitIdle() Case {
	return Case{
		Name:  "exit-idle",
		Title: "A server with nothing to do exits soon, and by itself.",
		Rests: "systemd.service(5), SuccessExitStatus=; Kubernetes, Pod Lifecycle, Termination of Pods",
		With:  "idle",
		clear: true,
		needs: needsLocal,
		run: func(ctx context.Context, p *place) (Result, error) {
			if err := p.awaitSignal(); err != nil {
				return Result{}, err
			}
			return p.awaitExit(ctx)
		},
	}
}

// awaitExit waits for the first process's end and says what it is worth.
func (s *Stage) awaitExit(ctx context.Context) (Result, error) {
	select {
	case <-s.proc.exited:
	case <-s.graceOver:
		return fail(outcomeNeverExits, "still running %v after the signal; it has to be killed", s.target.grace())
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	took := Duration(s.since(s.proc.exit.At))
	r, err := s.judgeExit(took)
	if left := s.outlasting(ctx); len(left) > 0 {
		r, err = fail(outcomeUnreached, "%s, the first process, %s %v after the signal; %s, which serves, goes on", s.stance.first, s.proc.exit, took, describeAll(left))
	}
	r.Took = took
	return r, err
}

// outlasting are the processes that still serve some time after the end of the
// first one, where that is not one of them.
func (s *Stage) outlasting(ctx context.Context) []int {
	if s.stance.direct(s.proc) {
		return nil
	}
	limit := s.proc.exit.At.Add(survives)
	for {
		left := s.stance.stillServing(portOf(s.base))
		if len(left) == 0 || time.Now().After(limit) || ctx.Err() != nil {
			return left
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (s *Stage) judgeExit(took Duration) (Result, error) {
	exit, stop := s.proc.exit, s.target.signal()
	byConvention := 128 + int(stop) // what a shell makes of a signal; the JVM's as well
	switch {
	case !exit.Known:
		return pass(outcomeExited, "ended %v after the signal", took)
	case exit.Signal == stop:
		return s.judgeBySignal(took)
	case exit.Signal == syscall.SIGKILL:
		return fail(outcomeNeverExits, "was killed %v after the signal", took)
	case exit.Signal != 0:
		return fail(outcomeCrashed, "was ended by %s, %v after the signal", signalName(exit.Signal), took)
	case exit.Code == 0:
		return pass(outcomeExited, "exited with 0, %v after the signal", took)
	case exit.Code == byConvention:
		return pass(outcomeExited, "exited with %d, %v after the signal; under systemd that needs SuccessExitStatus=%d", exit.Code, took, exit.Code)
	default:
		return warn(outcomeExitCode, "exited with %d, %v after the signal: supervisors take that for a failure", exit.Code, took)
	}
}

// handlesFor is how long a program must have outlived a signal, so that it is
// certain to have had one of its own, where a handler proves nothing: Go's runtime
// has one for every signal, and ends the program in it at once, on a machine that
// is not busy, if the program wants none.
const handlesFor = time.Second

// judgeBySignal tells a program that had no handler from one that has finished
// its work and then sent itself the signal again, as is the custom of many.
func (s *Stage) judgeBySignal(took Duration) (Result, error) {
	signal, st := signalName(s.target.signal()), s.stance
	switch {
	case !st.handles, s.survey.Server.Runtime == "go" && time.Duration(took) < handlesFor:
		return fail(outcomeBySignal, "it has no handler for %s, which ended it %v after: nothing was finished", signal, took)
	default:
		return pass(outcomeExited, "its handler for %s has run, and ended it by the same signal, %v after", signal, took)
	}
}
