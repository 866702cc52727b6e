package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/seguehq/segue/store"
	locks "github.com/seguehq/segue/store/internal/queue"
)

// A lock that is held is a row: when the last who stands in its line will be dead,
// in microseconds of the file's clock, and the line itself. A free lock has none.
const locksTable = `
CREATE TABLE locks (key TEXT NOT NULL PRIMARY KEY, ends INTEGER NOT NULL, line BLOB NOT NULL) WITHOUT ROWID;
`

// AcquireLock implements store.Locker.
func (s *Store) AcquireLock(ctx context.Context, r store.LockRequest) (store.LockGrant, error) {
	if err := r.Check(); err != nil {
		return store.LockGrant{}, err
	}
	var g store.LockGrant
	err := s.writer.do(ctx, func(tx *tx) (err error) {
		l, err := tx.readLock(r.Key)
		if err != nil {
			return err
		}
		var wake string
		g, wake = l.Acquire(r, tx.lockTime(), tx.next)
		return tx.writeLock(r.Key, l, wake)
	})
	if err != nil {
		return store.LockGrant{}, s.failed(fmt.Sprintf("lock %q", r.Key), err)
	}
	return g, nil
}

// ExtendLock implements store.Locker.
func (s *Store) ExtendLock(ctx context.Context, key, id string, lease time.Duration) error {
	return s.changeLock(ctx, "extend the lock", key, func(tx *tx, l *locks.Lock) (bool, string) {
		return l.Extend(id, lease, tx.lockTime(), tx.next)
	})
}

// ReleaseLock implements store.Locker.
func (s *Store) ReleaseLock(ctx context.Context, key, id string) error {
	return s.changeLock(ctx, "release the lock", key, func(tx *tx, l *locks.Lock) (bool, string) {
		return l.Release(id, tx.lockTime(), tx.next)
	})
}

func (s *Store) changeLock(ctx context.Context, what, key string, change func(*tx, *locks.Lock) (bool, string)) error {
	var ok bool
	err := s.writer.do(ctx, func(tx *tx) error {
		l, err := tx.readLock(key)
		if err != nil {
			return err
		}
		var wake string
		ok, wake = change(tx, l)
		return tx.writeLock(key, l, wake)
	})
	switch {
	case err != nil:
		return s.failed(fmt.Sprintf("%s %q", what, key), err)
	case !ok:
		return store.ErrConflict
	}
	return nil
}

// lockTime is the time of the transaction.
func (tx *tx) lockTime() locks.Now {
	return locks.Now{Lease: time.Duration(tx.now) * time.Microsecond, Wall: time.Now()}
}

func (tx *tx) readLock(key string) (*locks.Lock, error) {
	var line []byte
	err := tx.row(`SELECT line FROM locks WHERE key = ?`, key).Scan(&line)
	if errors.Is(err, sql.ErrNoRows) {
		return &locks.Lock{}, nil
	}
	if err != nil {
		return nil, err
	}
	l := &locks.Lock{}
	return l, json.Unmarshal(line, l)
}

// writeLock writes a lock as it has become, and has the one woken who was made
// its holder.
func (tx *tx) writeLock(key string, l *locks.Lock, wake string) error {
	if wake != "" {
		tx.changed(wake)
	}
	if len(l.Parties) == 0 {
		_, err := tx.exec(`DELETE FROM locks WHERE key = ?`, key)
		return err
	}
	line, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT OR REPLACE INTO locks (key, ends, line) VALUES (?, ?, ?)`, key, int64(l.Ends()/time.Microsecond), line)
	return err
}

// Locks implements store.Locker.
func (s *Store) Locks(ctx context.Context, prefix string) iter.Seq2[store.LockState, error] {
	return func(yield func(store.LockState, error) bool) {
		var states []store.LockState
		err := patiently(ctx, func() (err error) { states, err = s.lockStates(ctx, prefix); return err })
		if err != nil {
			yield(store.LockState{}, s.failed(fmt.Sprintf("list the locks of %q", prefix), err))
			return
		}
		for _, state := range states {
			if !yield(state, nil) {
				return
			}
		}
	}
}

func (s *Store) lockStates(ctx context.Context, prefix string) ([]store.LockState, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.readers.Query(`SELECT key, line FROM locks WHERE key >= ? AND key < ? ORDER BY key`, prefix, prefix+"\xff")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	now := locks.Now{Lease: time.Duration(s.file.clock.now()) * time.Microsecond}
	var states []store.LockState
	for rows.Next() {
		var key string
		var line []byte
		if err := rows.Scan(&key, &line); err != nil {
			return nil, err
		}
		var l locks.Lock
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, err
		}
		if state, held := l.State(key, now); held {
			states = append(states, state)
		}
	}
	return states, rows.Err()
}
