package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seguehq/segue/store"
)

// statements are those of a store, with its names filled in.
type statements struct {
	get, put, putBelow, delete, list, sweep string
	lock                                    lockStatements
}

func newStatements(set settings) statements {
	return statements{
		lock:     newLockStatements(set),
		putBelow: set.fill("CALL $below($1::text, $2::bytea, $3::bigint, $4::bytea, $5::bigint, NULL, NULL, NULL, NULL)"),
		get:      set.fill("SELECT e.value, e.revision, e.expires FROM $entries e WHERE e.key = $1::text AND $live"),
		put:      set.fill("CALL $put($1::text, $2::bytea, $3::bigint, $4::bigint, $5::bigint, NULL)"),
		delete:   set.fill("CALL $delete($1::text, $2::bigint, NULL)"),
		list: set.fill("SELECT e.key, e.value, e.revision, e.expires FROM $entries e " +
			"WHERE e.key >= $1::text AND e.key < $2::text AND $live ORDER BY e.key LIMIT $3::bigint"),
		// By now(), which an index can be asked for; of several that sweep, one does.
		sweep: set.fill(`WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1::bigint) AS mine)
DELETE FROM $entries WHERE key IN (
	SELECT e.key FROM $entries e, turn WHERE turn.mine AND e.expires <= now() ORDER BY e.expires LIMIT $2::bigint FOR UPDATE OF e SKIP LOCKED)`),
	}
}

// attempts is how often a statement is tried that cannot have done anything, or
// that only reads.
const attempts = 4

// try does something until it works, or may not be done again. If a connection
// breaks, the others have most likely broken too: none is kept.
func (s *Store) try(ctx context.Context, again func(error) bool, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if broken(err) {
			s.pool.Reset()
		}
		if n == attempts || !again(err) {
			return err
		}
	}
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Entry{}, err
	}
	e := store.Entry{Key: key}
	var expires *time.Time
	err := s.try(ctx, broken, func() error {
		return s.pool.QueryRow(ctx, s.sql.get, key).Scan(&e.Value, &e.Revision, &expires)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Entry{}, store.ErrNotFound
	}
	if err != nil {
		return store.Entry{}, s.fail(ctx, "get", key, err)
	}
	if expires != nil {
		e.Expires = *expires
	}
	return e, nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	if err := w.Check(); err != nil {
		return 0, err
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	var revision *store.Revision
	err := s.try(ctx, untouched, func() error {
		return s.pool.QueryRow(ctx, s.sql.put, w.Key, value(w), ttl(w), int64(w.Expect), s.set.lock(w.Key)).Scan(&revision)
	})
	if err != nil {
		return 0, s.fail(ctx, "put", w.Key, err)
	}
	if revision == nil {
		return 0, store.ErrConflict
	}
	return *revision, nil
}

// value is never null.
func value(w store.Write) []byte {
	if w.Value == nil {
		return []byte{}
	}
	return w.Value
}

// ttl is in microseconds, null for ever.
func ttl(w store.Write) *int64 {
	if w.TTL == 0 {
		return nil
	}
	us := w.TTL.Microseconds()
	return &us
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	var deleted *int64
	err := s.try(ctx, untouched, func() error {
		return s.pool.QueryRow(ctx, s.sql.delete, key, int64(expect)).Scan(&deleted)
	})
	if err == nil && deleted == nil && expect != store.Any {
		return store.ErrConflict
	}
	return s.fail(ctx, "delete", key, err)
}
