package sqlite

import (
	"database/sql"
	"strings"

	"github.com/seguehq/segue/store"
)

// A tx is a transaction in which the functions of a batch write.
type tx struct {
	writer *writer
	now    int64 // by the file's clock, in microseconds

	revision store.Revision // the last that was given out
	keys     []string       // that were changed
	wrote    bool           // some row
	raised   bool           // the ceiling was
}

func (tx *tx) run(batch []*request) error {
	if len(batch) == 0 {
		return nil
	}
	if err := tx.row(`SELECT max(revision) FROM changes`).Scan(&tx.revision); err != nil {
		return err
	}
	before := tx.revision
	for _, r := range batch {
		if err := r.do(tx); err != nil {
			return err
		}
	}
	if !tx.wrote || tx.revision == before {
		return nil
	}
	if _, err := tx.exec(`INSERT INTO changes VALUES (?, ?, ?)`, int64(tx.revision), tx.writer.origin, strings.Join(tx.keys, "\x00")); err != nil {
		return err
	}
	if before/maxBatch != tx.revision/maxBatch {
		return tx.housekeeping()
	}
	return nil
}

// housekeeping is done once in a while.
func (tx *tx) housekeeping() error {
	if _, err := tx.exec(`DELETE FROM changes WHERE revision < ?`, int64(tx.revision)-keepChanges); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM locks WHERE ends <= ?`, tx.now); err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE meta SET value = ? WHERE key = 'ceiling' AND value < ?`, int64(tx.revision)+ceilingStep, int64(tx.revision)+ceilingStep/2)
	tx.raised = n > 0
	if err != nil {
		return err
	}
	offset := tx.writer.file.clock.offset()
	_, err = tx.exec(`UPDATE meta SET value = ? WHERE key = 'wall' AND abs(value - ?) > 1000000`, offset, offset)
	return err
}

// next gives out a revision.
func (tx *tx) next() store.Revision { tx.revision++; return tx.revision }

// changed has watchers told of a key, once the transaction is there to be seen.
// Somebody must have called next.
func (tx *tx) changed(key string) { tx.keys = append(tx.keys, key) }

// exec runs an INSERT, UPDATE or DELETE and returns how many rows it has changed.
func (tx *tx) exec(query string, args ...any) (int64, error) {
	n, err := tx.writer.exec(query, args...)
	tx.wrote = tx.wrote || n > 0
	return n, err
}

// row runs a query of one row.
func (tx *tx) row(query string, args ...any) row {
	stmt, err := tx.writer.stmt(query)
	if err != nil {
		return row{nil, err}
	}
	return row{stmt.QueryRow(args...), nil}
}

// A row is an sql.Row, or why there is none.
type row struct {
	*sql.Row
	err error
}

// Scan is that of sql.Row.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.Row.Scan(dest...)
}

// strings runs a query of one column of text.
func (tx *tx) strings(query string, args ...any) ([]string, error) {
	stmt, err := tx.writer.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.Query(args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// put returns 0 if the revision is not the one expected.
func (tx *tx) put(w store.Write) (store.Revision, error) {
	r, expires := tx.next(), int64(0)
	if w.TTL > 0 {
		expires = tx.now + w.TTL.Microseconds()
	}
	var n int64
	var err error
	switch w.Expect {
	case store.Any:
		n, err = tx.exec(`INSERT INTO entries (key, revision, expires, value) VALUES (?, ?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, expires = excluded.expires, value = excluded.value`,
			w.Key, int64(r), expires, w.Value)
	case store.Absent:
		n, err = tx.exec(`INSERT INTO entries (key, revision, expires, value) VALUES (?, ?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, expires = excluded.expires, value = excluded.value
			WHERE entries.expires <> 0 AND entries.expires <= ?`,
			w.Key, int64(r), expires, w.Value, tx.now)
	default:
		n, err = tx.exec(`UPDATE entries SET revision = ?, expires = ?, value = ?
			WHERE key = ? AND revision = ? AND (expires = 0 OR expires > ?)`,
			int64(r), expires, w.Value, w.Key, int64(w.Expect), tx.now)
	}
	if err != nil || n == 0 {
		return 0, err
	}
	tx.changed(w.Key)
	return r, nil
}

// delete tells whether there was what was expected.
func (tx *tx) delete(key string, expect store.Revision) (bool, error) {
	var n int64
	var err error
	if expect == store.Any {
		n, err = tx.exec(`DELETE FROM entries WHERE key = ?`, key)
	} else {
		n, err = tx.exec(`DELETE FROM entries WHERE key = ? AND revision = ? AND (expires = 0 OR expires > ?)`, key, int64(expect), tx.now)
	}
	if err != nil || n == 0 {
		return false, err
	}
	tx.next() // whoever follows the changes has to find one
	tx.changed(key)
	return true, nil
}
