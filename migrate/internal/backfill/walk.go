package backfill

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A walk goes over a table once, from key to key.
type walk struct {
	db      *dialect.DB
	batches script.Batches
	journal Journal
	options Options
	server  server

	conn   *sql.Conn    // nil: there is none, or it is lost
	id     atomic.Int64 // its number
	again  bool         // there was one before
	key    key
	end    place // the last key that there was when it began
	record script.Record
	at     place // of the record; nil: before the first row
	done   bool  // nothing is to be done
}

// open finds out what there is to walk over.
func (w *walk) open(ctx context.Context) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	if _, any, err := row(ctx, w.conn, "SELECT 1 FROM "+w.batches.Table+" LIMIT 1", 1); err != nil || !any {
		w.done = !any
		return err // an empty table needs no key either
	}
	if err := w.choose(ctx); err != nil {
		return err
	}
	if err := w.resume(w.record); err != nil {
		return err
	}
	end, _, err := w.find(ctx, "SELECT %s FROM %s ORDER BY %s LIMIT 1", w.batches.Table, w.key.order(" DESC"))
	if err != nil {
		return err
	}
	w.end, w.done = end, end == nil
	if w.record.Total == 0 {
		w.record.Total, err = w.server.estimate(ctx, w.conn, w.batches.Table)
	}
	return err
}

// choose finds the key to walk by: the one that is named, or the first that is fit.
func (w *walk) choose(ctx context.Context) error {
	all, err := w.server.indexes(ctx, w.conn, w.batches.Table)
	if err != nil {
		return err
	}
	by, err := choose(all, w.batches.Table, w.batches.Key)
	if err != nil {
		return err
	}
	columns := w.batches.Key
	if len(columns) == 0 {
		for _, c := range by.columns {
			columns = append(columns, w.db.Quote(c))
		}
	}
	w.key, err = w.server.key(ctx, w.conn, w.batches.Table, by, columns)
	return err
}

// resume goes on from a record.
func (w *walk) resume(r script.Record) error {
	at, err := parsePlace(r.Last)
	if err == nil && at != nil && len(w.key.columns) > 0 && len(at) != len(w.key.columns) {
		err = fmt.Errorf("its record stands at %s, which is no place in the key (%s)", r.Last, w.key.order(""))
	}
	if err != nil {
		return err
	}
	total := max(r.Total, w.record.Total)
	w.record, w.at = r, at
	w.record.Total = total
	return nil
}

// connect makes a connection, if there is none. After one that was lost, only the
// database knows how far it has come.
func (w *walk) connect(ctx context.Context) (err error) {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn = conn
	defer func() {
		if err != nil {
			w.conn = drop(conn)
		}
	}()
	if err := w.db.LockTimeout(ctx, conn, w.options.LockTimeout); err != nil {
		return err
	}
	if err := w.server.settle(ctx, conn); err != nil {
		return err
	}
	id, err := w.db.SessionID(ctx, conn)
	if err != nil {
		return err
	}
	w.id.Store(id)
	if !w.again {
		w.again = true
		return nil
	}
	return w.reload(ctx)
}

func (w *walk) reload(ctx context.Context) error {
	r, err := w.journal.Load(ctx, w.conn)
	if err != nil {
		return err
	}
	return w.resume(r)
}

// drop ends a connection, with its settings and what it has begun.
func drop(c *sql.Conn) *sql.Conn {
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // not to be used again
	_ = c.Close()
	return nil
}

func (w *walk) close() {
	if w.conn != nil {
		w.conn = drop(w.conn)
	}
}

// find reads a place: format has a %s for what to select.
func (w *walk) find(ctx context.Context, format string, args ...any) (place, bool, error) {
	query := fmt.Sprintf(format, append([]any{strings.Join(w.key.selects, ", ")}, args...)...)
	values, ok, err := row(ctx, w.conn, query, len(w.key.columns))
	if err != nil || !ok {
		return nil, false, err
	}
	p := make(place, len(values))
	for i, v := range values {
		if !v.Valid {
			return nil, false, fmt.Errorf("%s has a NULL in %s, by which it is walked", w.batches.Table, w.key.columns[i])
		}
		p[i] = w.key.literal[i](v.String)
	}
	return p, true, nil
}

// batch does the next stretch, with its record.
func (w *walk) batch(ctx context.Context, rows int) (stretch, bool, error) {
	err := w.connect(ctx)
	if err != nil {
		return stretch{}, w.passing(err), err
	}
	done, at, err := w.attempt(ctx, rows)
	if err == nil {
		w.record, w.at = w.advanced(done, at), at
		return done, false, nil
	}
	if !w.rollback(ctx) {
		w.conn = drop(w.conn)
	}
	if errors.Is(err, ErrMoved) {
		w.conn = drop(w.conn) // the next one reads the record
		return stretch{}, true, err
	}
	return stretch{}, w.passing(err), err
}

// attempt is the transaction of a batch.
func (w *walk) attempt(ctx context.Context, rows int) (done stretch, at place, err error) {
	if err := exec(ctx, w.conn, w.server.begin(), w.batches.Session); err != nil {
		return done, nil, err
	}
	if n, ok := w.server.(interface {
		notice(context.Context, dialect.Session) error
	}); ok {
		if err := n.notice(ctx, w.conn); err != nil {
			return done, nil, err
		}
	}
	if done, at, err = w.measure(ctx, rows); err != nil {
		return done, nil, err
	}
	began := time.Now()
	where := w.key.behind(w.batches.Alias).between(w.at, at)
	if err := exec(ctx, w.conn, strings.ReplaceAll(w.batches.SQL, Range, where)); err != nil {
		return done, nil, err
	}
	done.statement = time.Since(began)
	if err := w.journal.Save(ctx, w.conn, w.record, w.advanced(done, at)); err != nil {
		return done, nil, err
	}
	return done, at, exec(ctx, w.conn, w.batches.Reset, "COMMIT")
}

// measure finds where the stretch of so many rows ends. If there are not as many, it
// is the last one, and its rows are counted.
func (w *walk) measure(ctx context.Context, rows int) (stretch, place, error) {
	left := w.key.between(w.at, w.end)
	at, ok, err := w.find(ctx, "SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d", w.batches.Table, left, w.key.order(""), rows-1)
	if err != nil || ok {
		return stretch{rows: rows}, at, err
	}
	count, _, err := row(ctx, w.conn, "SELECT count(*) FROM "+w.batches.Table+" WHERE "+left, 1)
	if err != nil {
		return stretch{}, nil, err
	}
	done := stretch{last: true}
	_, err = fmt.Sscan(count[0].String, &done.rows)
	return done, w.end, err
}

// advanced is the record after a stretch.
func (w *walk) advanced(done stretch, at place) script.Record {
	r := w.record
	r.Last = at.String()
	r.Rows += int64(done.rows)
	r.Total = max(r.Total, r.Rows)
	if done.last {
		r.Total = r.Rows
	}
	return r
}

// rollback takes back what a failed batch has begun. It says whether the connection
// is still of use.
func (w *walk) rollback(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return exec(ctx, w.conn, "ROLLBACK") == nil
}

func (w *walk) passing(err error) bool { return w.db.Class(err).Passing() }

// small is a table, by its rows, that is done before it could be measured what that
// does to others.
const small = 2000

// steer walks at a pace that others bear.
func (w *walk) steer(ctx context.Context) error {
	r := &report{told: w.options.Progress, progress: Progress{Rows: w.record.Rows, Total: w.record.Total}}
	r.mark(time.Now())
	gap := 0.0
	if w.db.Kind == dialect.SQLite {
		gap = 0.1
	}
	h := &helm{work: w, pace: newPace(w.options, gap), report: r, patience: w.options.RetryFor}
	if w.record.Total-w.record.Rows <= small {
		h.pace.goBlind(0.5)
		return h.run(ctx)
	}
	c, err := newCanary(ctx, w)
	if err != nil {
		w.options.Log.Info("a backfill cannot measure what others feel, and goes at a moderate pace", "why", w.db.Scrub(err).Error())
		h.pace.goBlind(0.4)
		return h.run(ctx)
	}
	defer c.close()
	h.senses = c
	return h.run(ctx)
}
