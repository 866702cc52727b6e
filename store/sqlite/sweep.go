package sqlite

import "github.com/seguehq/segue/store"

// sweepBatch is how many expired entries are removed at once: others write
// meanwhile.
const sweepBatch = 128

// sweep removes what has expired, in small batches. It looks first, so that a
// store in which nothing expires is not written to.
func (s *Store) sweep() {
	for more := true; more; {
		var due bool
		if err := s.readers.QueryRow(`SELECT EXISTS (SELECT 1 FROM entries WHERE expires > 0 AND expires <= ?)`, s.file.clock.now()).Scan(&due); err != nil || !due {
			return // if the file fails, others say so
		}
		err := s.writer.do(s.closing, func(tx *tx) (err error) {
			more, err = tx.sweep()
			return err
		})
		if err != nil {
			return
		}
	}
}

// sweep tells whether there may be more.
func (tx *tx) sweep() (bool, error) {
	keys, err := tx.strings(`SELECT key FROM entries WHERE expires > 0 AND expires <= ? ORDER BY expires LIMIT ?`, tx.now, sweepBatch)
	if err != nil {
		return false, err
	}
	for _, key := range keys {
		if _, err := tx.delete(key, store.Any); err != nil {
			return false, err
		}
	}
	return len(keys) == sweepBatch, nil
}
