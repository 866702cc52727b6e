// Package backfill brings values into the rows of a table that others work on:
// stretch by stretch of its key, each in a transaction of its own that also writes
// down how far it has come. Killed at any point it goes on from there, and changes
// no row twice.
//
// It goes as fast as the database lets it while nobody else is there. When
// somebody is, it measures what they feel (a small read and a commit, as theirs
// are, on a second connection, in turn while it works and while it rests) and keeps
// that within bounds.
package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A Journal keeps the record of a backfill, in the database that it changes.
type Journal interface {
	// Load reads the record.
	Load(ctx context.Context, s dialect.Session) (script.Record, error)
	// Save replaces Last, Rows and Total of the record by those of is, in the
	// transaction that s is in. It returns ErrMoved if the record's Last is not that
	// of was.
	Save(ctx context.Context, s dialect.Session, was, is script.Record) error
}

// ErrMoved says that a record is not what it was thought to be: somebody else has
// gone on with the backfill.
var ErrMoved = errors.New("the record of the backfill has been changed by somebody else")

// Options say how to go about it. The zero value is fit for most.
type Options struct {
	Size int     // rows of the first batch; 0: that of the Batches, or 500
	Pace float64 // the most that others' latency may grow by; 0 means 1.3
	// LockTimeout bounds how long a batch waits for a row that somebody holds, and
	// so how long it holds those that it has; 0 means 500 ms.
	LockTimeout time.Duration
	// RetryFor bounds for how long it tries without getting any further; 0 means 5
	// minutes.
	RetryFor time.Duration
	// Lag is how far replicas may fall behind; 0 means 1 s. What they are behind
	// before it begins is theirs.
	Lag      time.Duration
	Progress func(Progress) // at most ten times a second; may be nil; calls do not overlap
	Log      *slog.Logger   // nil: none
}

// Progress tells how far a backfill has come.
type Progress struct {
	Rows    int64
	Total   int64         // an estimate; 0: not known
	Rate    float64       // rows a second, of late
	Left    time.Duration // 0: not known
	Waiting string        // why it does not go as fast as it can; empty: it does
}

func (o Options) withDefaults() Options {
	if o.Size <= 0 {
		o.Size = 500
	}
	if o.Pace <= 1 {
		o.Pace = 1.3
	}
	for d, otherwise := range map[*time.Duration]time.Duration{
		&o.LockTimeout: 500 * time.Millisecond, &o.RetryFor: 5 * time.Minute, &o.Lag: time.Second,
	} {
		if *d <= 0 {
			*d = otherwise
		}
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Run walks the table from where the record stands to its end, as it was when Run
// began: rows that come later are not its business. It returns when the last stretch
// is committed with its record, ctx is done, or an error does not pass. It needs
// three connections of db at most, and leaves none of them with its settings.
func Run(ctx context.Context, db *dialect.DB, b script.Batches, from script.Record, j Journal, o Options) error {
	if !strings.Contains(b.SQL, Range) {
		return fmt.Errorf("backfill of %s: its statement has no %s, and would change the whole table at once: put %[2]s into its WHERE", b.Table, Range)
	}
	if o.Size <= 0 {
		o.Size = b.Size
	}
	o = o.withDefaults()
	w := &walk{db: db, batches: b, journal: j, record: from, options: o, server: of(db.Kind)}
	defer w.close()
	err := w.open(ctx)
	if err == nil && !w.done {
		err = w.steer(ctx)
	}
	if err != nil {
		return db.Scrub(fmt.Errorf("backfill of %s: %w", b.Table, err))
	}
	return nil
}
