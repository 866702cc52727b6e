package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"time"

	"github.com/seguehq/segue/migrate/internal/backfill"
	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A work is the steps of a phase that are being run.
type work struct {
	*runner
	log   ledger
	phase script.Phase
	steps []script.Step
	// skip says that a step is not run: it takes back what was not begun.
	skip func(script.Step) bool
	// partial says that what a step takes back was perhaps not done to its end: it
	// may find nothing.
	partial func(script.Step) bool
}

// steps runs what of a phase is not done yet.
func (r *runner) steps(ctx context.Context, l ledger, phase script.Phase) error {
	never := func(script.Step) bool { return false }
	w := &work{runner: r, log: l, phase: phase, steps: l.change.Script.Steps(phase), skip: never, partial: never}
	return w.run(ctx)
}

func (w *work) run(ctx context.Context) error {
	for i := 0; i < len(w.steps); {
		s := w.steps[i]
		if r, _ := w.log.change.record(w.phase, i); !r.Ended.IsZero() || w.skip(s) {
			i++
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		to, err := i+1, error(nil)
		switch {
		case s.Batches != nil:
			err = w.stretches(ctx, i)
		case w.lonely(s):
			err = w.alone(ctx, i)
		default:
			to = w.groupEnd(i)
			err = w.group(ctx, i, to)
		}
		if err != nil {
			return err
		}
		i = to
	}
	return nil
}

var changesRows = regexp.MustCompile(`(?i)^\s*(INSERT|UPDATE|DELETE|REPLACE|WITH)\b`)

// lonely says that a step cannot be in one transaction with its record.
func (w *work) lonely(s script.Step) bool {
	return s.Alone || w.db.Kind == dialect.MariaDB && !changesRows.MatchString(s.SQL)
}

// groupEnd gives where the steps end that are one transaction. One that takes long
// has its own: what the others lock is not to wait for it.
func (w *work) groupEnd(from int) int {
	to := from + 1
	if w.steps[from].Slow {
		return to
	}
	for to < len(w.steps) {
		s := w.steps[to]
		r, _ := w.log.change.record(w.phase, to)
		if s.Batches != nil || s.Slow || w.lonely(s) || w.skip(s) || !r.Ended.IsZero() {
			break
		}
		to++
	}
	return to
}

// group runs steps in one transaction, with their records.
func (w *work) group(ctx context.Context, from, to int) error {
	var done []script.Record
	at := from
	err := w.insist(ctx, w.progress(from), func(ctx context.Context) error {
		done = done[:0]
		return w.inTransaction(ctx, func(tx *sql.Tx) error {
			began := time.Now()
			for at = from; at < to; at++ {
				// Others wait for what the first steps have locked while a later one
				// waits: so they share the time that there is.
				left := max(w.options.LockTimeout-time.Since(began), w.options.LockTimeout/10)
				r, err := w.one(ctx, tx, at, left)
				if err != nil {
					return err
				}
				done = append(done, r)
			}
			w.point("%s %d-%d before commit", w.phase, from, to)
			return nil
		})
	})
	if err != nil {
		return w.explain(at, err)
	}
	w.point("%s %d-%d committed", w.phase, from, to)
	w.log.note(done...)
	return nil
}

// one runs a step of a transaction.
func (w *work) one(ctx context.Context, tx *sql.Tx, at int, wait time.Duration) (script.Record, error) {
	s := w.steps[at]
	w.tell(w.progress(at))
	r := script.Record{Phase: w.phase, Step: at, Began: time.Now().UTC()}
	if err := w.db.LockTimeout(ctx, tx, wait); err != nil {
		return r, err
	}
	if err := w.tolerant(ctx, tx, s); err != nil {
		return r, err
	}
	w.point("%s %d in its transaction", w.phase, at)
	r.Ended = time.Now().UTC()
	return r, w.log.write(ctx, tx, r)
}

// tolerant runs a step, which may find nothing where it takes back what was not
// done to its end.
func (w *work) tolerant(ctx context.Context, tx *sql.Tx, s script.Step) error {
	if !w.partial(s) {
		_, err := tx.ExecContext(ctx, s.SQL)
		return err
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT segue_step"); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, s.SQL)
	if w.db.Class(err) != dialect.Gone {
		return err
	}
	_, err = tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT segue_step")
	return err
}

// alone runs a step that is no part of a transaction. That it was begun is written
// down before, that it is done after: if a crash comes between, what the database
// has tells what is left to do.
func (w *work) alone(ctx context.Context, at int) error {
	s := w.steps[at]
	r, begun := w.log.change.record(w.phase, at)
	again := begun
	if !begun {
		r.Began = time.Now().UTC()
		if err := w.put(ctx, at, r); err != nil {
			return err
		}
	}
	wait := w.options.LockTimeout
	if s.Slow && w.db.Kind == dialect.Postgres {
		wait = w.options.RetryFor // nobody queues behind its kind of lock
	}
	w.tell(w.progress(at))
	err := w.insist(ctx, w.progress(at), func(ctx context.Context) error {
		err := w.attempt(ctx, s, again, wait)
		again = true
		return err
	})
	if err != nil && !w.tookEffect(s, begun, err) {
		return w.explain(at, err)
	}
	w.point("%s %d done alone", w.phase, at)
	r.Ended = time.Now().UTC()
	return w.put(ctx, at, r)
}

// put writes a step down by itself.
func (w *work) put(ctx context.Context, at int, r script.Record) error {
	err := w.insist(ctx, w.progress(at), func(ctx context.Context) error { return w.log.write(ctx, w.conn, r) })
	if err != nil {
		return w.explain(at, err)
	}
	w.point("%s %d written, ended %t", w.phase, at, !r.Ended.IsZero())
	w.log.note(r)
	return nil
}

// attempt runs a statement, unless an earlier attempt has had its effect.
func (w *work) attempt(ctx context.Context, s script.Step, again bool, wait time.Duration) error {
	if err := w.db.LockTimeout(ctx, w.conn, wait); err != nil {
		return err
	}
	if again && s.Done != "" {
		rows, err := w.conn.QueryContext(ctx, s.Done)
		if err != nil {
			return err
		}
		has := rows.Next()
		if err := rows.Close(); err != nil || has {
			return err
		}
	}
	if again && s.Before != "" {
		if _, err := w.conn.ExecContext(ctx, s.Before); err != nil {
			return err
		}
	}
	_, err := w.conn.ExecContext(ctx, s.SQL)
	return err
}

// removes knows statements that take away a name.
var removes = regexp.MustCompile(`(?is)^\s*(?:SET\s+STATEMENT\b.*?\bFOR\s+)?(DROP\b|RENAME\b|ALTER\b.*\b(DROP|RENAME|CHANGE)\b)`)

// tookEffect says that an error means no more than that the statement had its effect
// before: a process that has not told how it ended has begun it, and now what it
// makes is there, or what it removes is gone. Or it takes back what was not there.
func (w *work) tookEffect(s script.Step, begun bool, err error) bool {
	if w.db.Class(err) == dialect.Gone && w.partial(s) {
		return true
	}
	if !begun || s.Done != "" {
		return false
	}
	switch w.db.Class(err) {
	case dialect.Exists:
		return true
	case dialect.Gone:
		return removes.MatchString(s.SQL)
	}
	return false
}

// stretches runs a backfill.
func (w *work) stretches(ctx context.Context, at int) error {
	s := w.steps[at]
	r, begun := w.log.change.record(w.phase, at)
	if !begun {
		r.Began = time.Now().UTC()
		if err := w.put(ctx, at, r); err != nil {
			return err
		}
	}
	kept := stretches{w.log, w.phase, at}
	r, err := kept.Load(ctx, w.conn)
	if err != nil {
		return w.explain(at, err)
	}
	err = backfill.Run(ctx, w.db, *s.Batches, r, kept, backfill.Options{
		Size: w.options.Batch, Pace: w.options.Pace, LockTimeout: w.options.LockTimeout, RetryFor: w.options.RetryFor, Log: w.options.Log,
		Progress: func(p backfill.Progress) {
			is := w.progress(at)
			w.point("%s %d at row %d", w.phase, at, p.Rows)
			is.Rows, is.Total, is.Rate, is.Left, is.Waiting = p.Rows, p.Total, p.Rate, p.Left, p.Waiting
			w.tell(is)
		},
	})
	if err != nil {
		return w.explain(at, err)
	}
	if r, err = kept.Load(ctx, w.conn); err != nil {
		return w.explain(at, err)
	}
	r.Ended = time.Now().UTC()
	return w.put(ctx, at, r)
}

func (w *work) progress(at int) Progress {
	s := w.steps[at]
	return Progress{Phase: w.phase, Migration: s.Migration, Step: at + 1, Of: len(w.steps), Note: s.Note}
}

// explain says at which step an error was.
func (w *work) explain(at int, err error) error {
	s := w.steps[min(at, len(w.steps)-1)]
	of := ""
	if s.Migration != "" {
		of = " of " + s.Migration
	}
	if dialect.Copies(err) {
		err = fmt.Errorf("%w; the server could do it only by copying the table, while nobody writes to it: add what is new beside the old instead "+
			"(docs/migrate-rules.md), or write ALGORITHM=COPY with -- segue: unsafe alter-copies WHY in front", err)
	}
	return fmt.Errorf("%s%s, step %d of %d (%s): %w", w.phase, of, at+1, len(w.steps), s.Note, err)
}
