package migrate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// Between attempts others have the time that they need to go on; it grows, for
// what was in the way of several may be long.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 15 * time.Second
)

// insist tries again what somebody's lock, or a deadlock, was in the way of. Before
// each attempt there is a longer pause, in which those get through who had to queue
// behind the one before. It is told all the while who is in the way.
func (r *runner) insist(ctx context.Context, at Progress, do func(context.Context) error) error {
	began, wait := time.Now(), firstPause
	for {
		who, err := r.watched(ctx, at, do)
		if c := r.db.Class(err); c != dialect.LockTimeout && c != dialect.Serialization {
			return err
		}
		if who == "" {
			who = "a lock that somebody holds"
		}
		took := time.Since(began)
		if took+wait > r.options.RetryFor {
			return fmt.Errorf("tried for %v, each time for no longer than the lock timeout; last in the way: %s: %w", took.Round(time.Second), who, err)
		}
		at.Waiting = fmt.Sprintf("%s; tried again in %v", who, wait.Round(100*time.Millisecond))
		r.tell(at)
		r.options.Log.Info("migrate: a lock was not to be had", "step", at.Note, "in the way", who, "pause", wait)
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(time.Duration(float64(wait)*(1.5+rand.Float64()/2)), lastPause)
	}
}

// watched runs an attempt, and finds out who is in its way if it takes long.
func (r *runner) watched(ctx context.Context, at Progress, do func(context.Context) error) (who string, err error) {
	var watching sync.WaitGroup
	watch, stop := context.WithCancel(ctx)
	watching.Go(func() {
		for wait := r.options.LockTimeout / 3; pause(watch, wait) == nil; wait = max(wait, time.Second/2) {
			if now, err := r.db.Blockers(watch, r.session); err == nil && now != "" && now != who {
				who, at.Waiting = now, now
				r.tell(at)
			}
		}
	})
	err = do(ctx)
	stop()
	watching.Wait()
	return who, err
}
