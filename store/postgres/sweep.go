package postgres

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	sweepEvery = time.Minute // about
	sweepBatch = 500         // rows that one statement removes
)

// sweeping removes what has expired, until the store is closed.
func (s *Store) sweeping() {
	for {
		select {
		case <-time.After(sweepEvery/2 + rand.N(sweepEvery)):
			_ = s.sweep(s.ctx) // the next one does it
		case <-s.ctx.Done():
			return
		}
	}
}

// sweep removes all that has expired by now, unless another is at it.
func (s *Store) sweep(ctx context.Context) error {
	for {
		tag, err := s.pool.Exec(ctx, s.sql.sweep, s.set.lock("\x00sweep"), sweepBatch)
		if err == nil && tag.RowsAffected() < sweepBatch {
			_, err = s.pool.Exec(ctx, s.sql.lock.sweep)
			return s.fail(ctx, "sweep", "", err)
		}
		if err != nil {
			return s.fail(ctx, "sweep", "", err)
		}
	}
}
