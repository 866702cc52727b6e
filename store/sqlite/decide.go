package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seguehq/segue/store"
)

// PutBelow implements store.Decider.
func (s *Store) PutBelow(ctx context.Context, w store.Write, bound []byte) (store.Entry, error) {
	w.Expect = store.Any
	if err := w.Check(); err != nil {
		return store.Entry{}, err
	}
	if w.Value == nil {
		w.Value = []byte{} // NULL is something else
	}
	if bound == nil {
		bound = []byte{}
	}
	var e store.Entry
	var written bool
	err := s.writer.do(ctx, func(tx *tx) (err error) {
		e, written, err = tx.putBelow(w, bound)
		return err
	})
	switch {
	case err != nil:
		return store.Entry{}, s.failed(fmt.Sprintf("put %q", w.Key), err)
	case !written:
		return e, store.ErrConflict
	}
	return e, nil
}

// putBelow returns what it has written, or what stands in the way. SQLite compares
// BLOBs by memcmp (Datatypes In SQLite, section 4.1).
func (tx *tx) putBelow(w store.Write, bound []byte) (e store.Entry, written bool, err error) {
	e = store.Entry{Key: w.Key}
	var expires int64
	err = tx.row(`SELECT value, revision, expires FROM entries WHERE key = ? AND (expires = 0 OR expires > ?) AND value >= ?`, w.Key, tx.now, bound).
		Scan(&e.Value, &e.Revision, &expires)
	if !errors.Is(err, sql.ErrNoRows) {
		e.Expires = tx.writer.file.clock.wall(expires)
		return e, false, err
	}
	r, err := tx.put(w)
	return store.Entry{Key: w.Key, Value: w.Value, Revision: r}, true, err
}
