package check

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Case is one thing that a correct client does around a stop.
type Case struct {
	Name  string // "used-after-signal"
	Title string // what the client does and what it may expect, in a sentence
	Rests string // on what: the section of an RFC, a manual
	// With names the stage that the case shares with others. One without gets a
	// start and a stop of its own.
	With string

	// clear is set for a case that judges the server's exit on a stage where only
	// its neighbours' clients may hold it up. Where everything shares one stop
	// there is no such stage.
	clear bool
	// bare is set for a case that starts servers by itself: there is none on its
	// stage, and no signal.
	bare bool

	// needs says why the case cannot be had with this server; "" if it can.
	needs func(t Target, s *Survey) string
	// run is the story. An error is a case that could not be brought to the
	// signal, which is nobody's verdict.
	run func(ctx context.Context, p *place) (Result, error)
}

// play runs the case and sees that it ends in a verdict.
func (c Case) play(ctx context.Context, p *place) Result {
	r, err := c.run(ctx, p)
	if err != nil {
		r = Result{Verdict: Skip, Observed: "could not be tried: " + err.Error(), late: errors.Is(err, errLate)}
	}
	r.Case = c.Name
	select {
	case <-p.signalled:
		if r.Took == 0 {
			r.Took = Duration(time.Since(p.at))
		}
	default:
	}
	return r
}

func pass(o Outcome, format string, args ...any) (Result, error) {
	return verdict(Pass, o, format, args)
}
func fail(o Outcome, format string, args ...any) (Result, error) {
	return verdict(Fail, o, format, args)
}
func warn(o Outcome, format string, args ...any) (Result, error) {
	return verdict(Warn, o, format, args)
}

func verdict(v Verdict, o Outcome, format string, args []any) (Result, error) {
	return Result{Verdict: v, Outcome: o, Observed: fmt.Sprintf(format, args...)}, nil
}

// needsLocal is for cases that look at processes.
func needsLocal(t Target, _ *Survey) string {
	if !t.local() {
		return "the server's processes cannot be seen from here"
	}
	return ""
}

// needsCommand is for cases that start the server in a way of their own.
func needsCommand(t Target, _ *Survey) string {
	if len(t.Command) == 0 {
		return "the server was not started by the check"
	}
	return ""
}

// needsPath is for cases that ask for a path of a special kind.
func needsPath(flag string, path func(Paths) string) func(Target, *Survey) string {
	return func(t Target, _ *Survey) string {
		if path(t.Paths) == "" {
			return "no such path is known; name one with --" + flag
		}
		return ""
	}
}

func needsSlow(t Target, s *Survey) string {
	return all(needsHTTP1, needsPath("slow", func(p Paths) string { return p.Slow }))(t, s)
}

// needsHTTP1 is for cases on HTTP/1.1 connections.
func needsHTTP1(_ Target, s *Survey) string {
	if !s.HTTP1 {
		return "the server speaks only HTTP/2"
	}
	return ""
}

// needsKeepAlive is for cases on persistent connections.
func needsKeepAlive(t Target, s *Survey) string {
	if why := needsHTTP1(t, s); why != "" {
		return why
	}
	if !s.KeepAlive {
		return "the server closes each HTTP/1.1 connection after one answer"
	}
	return ""
}

// all joins conditions; the first that is not met counts.
func all(needs ...func(Target, *Survey) string) func(Target, *Survey) string {
	return func(t Target, s *Survey) string {
		for _, n := range needs {
			if why := n(t, s); why != "" {
				return why
			}
		}
		return ""
	}
}
