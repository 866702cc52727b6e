package postgres

import (
	"context"
	"time"

	"github.com/seguehq/segue/store"
)

// PutBelow implements store.Decider.
func (s *Store) PutBelow(ctx context.Context, w store.Write, bound []byte) (store.Entry, error) {
	w.Expect = store.Any
	if err := w.Check(); err != nil {
		return store.Entry{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Entry{}, err
	}
	if bound == nil {
		bound = []byte{}
	}
	e := store.Entry{Key: w.Key}
	var written, there *store.Revision
	var expires *time.Time
	err := s.try(ctx, untouched, func() error {
		return s.pool.QueryRow(ctx, s.sql.putBelow, w.Key, value(w), ttl(w), bound, s.set.lock(w.Key)).Scan(&written, &e.Value, &there, &expires)
	})
	switch {
	case err != nil:
		return store.Entry{}, s.fail(ctx, "put", w.Key, err)
	case written != nil:
		e.Value, e.Revision = []byte(string(w.Value)), *written
		return e, nil
	}
	e.Revision = *there
	if expires != nil {
		e.Expires = *expires
	}
	return e, store.ErrConflict
}
