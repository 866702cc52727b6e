package probe

import (
	"context"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Watch asks p of t, at once and then Every after the start of the former
// question, until ctx ends, and only then returns. The instance is taken to be
// well at first; changed is told each time that turns: (false, the last no) after
// Failures in a row, (true, nil) after Successes in a row. It is called from the
// goroutine of Watch, so while it runs nothing is asked.
func Watch(ctx context.Context, p deploy.Probe, t Target, changed func(ok bool, err error)) {
	watch(ctx, complete(p), func(ctx context.Context, p deploy.Probe) error { return Ask(ctx, p, t) }, changed)
}

func watch(ctx context.Context, p deploy.Probe, ask func(context.Context, deploy.Probe) error, changed func(bool, error)) {
	s := series{p: p}
	ok := true
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := time.Now().Add(p.Every)
		err := ask(ctx, p)
		if ctx.Err() != nil {
			return // the answer may be about our own end
		}
		s.count(err)
		switch {
		case ok && s.no >= p.Failures:
			ok = false
			changed(false, err)
		case !ok && s.yes >= p.Successes:
			ok = true
			changed(true, nil)
		}
		timer.Reset(time.Until(next))
	}
}
