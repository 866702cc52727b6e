package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Progress is told after each question of WaitReady: which probe ("startup" or
// "readiness"), how many questions it has asked, how many no in a row end it (0:
// it goes on until the context ends), and the answer, nil for a yes.
type Progress func(kind string, tried, of int, last error)

// WaitReady returns nil once the instance is ready: the startup probe has had
// its yes, then readiness its Successes in a row, and then minReady has passed
// without Failures in a row. It gives up, with the last answer, when startup has
// had its Failures in a row, and when ctx ends; readiness alone never gives up.
// A nil probe is not asked; with none at all, the instance is ready after
// minReady. progress may be nil.
func WaitReady(ctx context.Context, probes deploy.Probes, t Target, minReady time.Duration, progress func(kind string, tried, of int, last error)) error {
	if progress == nil {
		progress = func(string, int, int, error) {}
	}
	w := waiter{progress: progress, ask: func(ctx context.Context, p deploy.Probe) error { return Ask(ctx, p, t) }}
	return w.wait(ctx, probes, minReady)
}

type waiter struct {
	ask      func(context.Context, deploy.Probe) error
	progress Progress
}

func (w waiter) wait(ctx context.Context, probes deploy.Probes, minReady time.Duration) error {
	if probes.Startup != nil {
		if err := w.startup(ctx, complete(*probes.Startup)); err != nil {
			return err
		}
	}
	if probes.Readiness == nil {
		return sleep(ctx, minReady, "min_ready", nil)
	}
	return w.readiness(ctx, complete(*probes.Readiness), minReady)
}

func (w waiter) startup(ctx context.Context, p deploy.Probe) error {
	began := time.Now()
	s := series{p: p}
	for {
		next := time.Now().Add(p.Every)
		err := w.ask(ctx, p)
		if ctx.Err() != nil && err != nil {
			return gaveUp(ctx, "startup", s.last)
		}
		s.count(err)
		w.progress("startup", s.tried, p.Failures, err)
		switch {
		case s.yes >= p.Successes:
			return nil
		case s.no >= p.Failures:
			return fmt.Errorf("startup: not ready after %d questions in %v: %w", s.tried, time.Since(began).Round(time.Millisecond), err)
		}
		if err := sleep(ctx, time.Until(next), "startup", s.last); err != nil {
			return err
		}
	}
}

func (w waiter) readiness(ctx context.Context, p deploy.Probe, minReady time.Duration) error {
	s := series{p: p}
	var since time.Time // ready since; zero: not ready
	for {
		next := time.Now().Add(p.Every)
		err := w.ask(ctx, p)
		if ctx.Err() != nil && err != nil {
			return gaveUp(ctx, "readiness", s.last)
		}
		s.count(err)
		w.progress("readiness", s.tried, 0, err)
		switch {
		case since.IsZero() && s.yes >= p.Successes:
			since = time.Now()
		case s.no >= p.Failures:
			since = time.Time{}
		}
		wait := time.Until(next)
		if !since.IsZero() {
			left := minReady - time.Since(since)
			if left <= wait { // what remains needs no further question
				return sleep(ctx, left, "min_ready", s.last)
			}
		}
		if err := sleep(ctx, wait, "readiness", s.last); err != nil {
			return err
		}
	}
}

// A series counts the answers of one probe.
type series struct {
	p       deploy.Probe
	tried   int
	yes, no int   // in a row, one of them 0
	last    error // the latest no
}

func (s *series) count(err error) {
	s.tried++
	if err == nil {
		s.yes, s.no = s.yes+1, 0
		return
	}
	s.yes, s.no, s.last = 0, s.no+1, err
}

// sleep waits for d, at least until ctx is looked at once.
func sleep(ctx context.Context, d time.Duration, kind string, last error) error {
	if ctx.Err() != nil {
		return gaveUp(ctx, kind, last)
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return gaveUp(ctx, kind, last)
	}
}

// gaveUp tells why the wait was called off, and the latest no if there was one.
func gaveUp(ctx context.Context, kind string, last error) error {
	if last == nil {
		return fmt.Errorf("%s: called off: %w", kind, context.Cause(ctx))
	}
	return fmt.Errorf("%s: called off: %w; the last answer was: %w", kind, context.Cause(ctx), last)
}
