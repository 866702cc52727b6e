package postgres

import (
	"context"
	"time"
)

// Sweep removes what has expired now, and not about every minute.
func (s *Store) Sweep(ctx context.Context) error { return s.sweep(ctx) }

// SetHeartbeat is called before Watch.
func (s *Store) SetHeartbeat(d time.Duration) { s.heartbeat = d }
