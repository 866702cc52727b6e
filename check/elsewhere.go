package check

import (
	"context"
	"time"
)

// playElsewhere plays a stage on a server that is stopped by a command and
// brought back by somebody else. Results count once the command has succeeded:
// without a stop they mean nothing.
func (r *run) playElsewhere(ctx context.Context, stage *Stage, cases []Case) error {
	witness, err := stage.used(ctx)
	if err == nil {
		defer witness.Close()
	}
	results := map[string]Result{}
	stage.run(ctx, cases, func(c Case, res Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		results[c.Name] = res
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case stage.failed != nil && !r.proven():
		return stage.failed
	case stage.failed != nil:
		r.skip(cases, stage.failed)
		return nil
	}
	for _, c := range cases {
		r.done(c, results[c.Name])
	}
	stage.gone(ctx, witness)
	return nil
}

// proven reports whether anything was found out yet.
func (r *run) proven() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, res := range r.results {
		if res.Verdict != Skip {
			return true
		}
	}
	return false
}

// gone waits until the server that was told to stop has done so, so that the
// next stage is not held on the same: a connection is refused, or that of an
// idle client (the witness, nil if there is none) has ended. A server that does
// neither has had its grace.
func (s *Stage) gone(ctx context.Context, witness *conn) {
	ctx, cancel := context.WithDeadline(ctx, s.at.Add(s.target.grace()))
	defer cancel()
	for ctx.Err() == nil {
		c, err := s.dial(ctx)
		if err != nil {
			return
		}
		c.Close()
		if witness == nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		if _, over := witness.hungUp(time.Now().Add(20 * time.Millisecond)); over {
			return
		}
	}
}
