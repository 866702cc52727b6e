package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// A Database is one that is changed. Its methods may be called by several
// processes: one does the work, the others wait for it, and find it done. Of one
// Database they are called one after the other.
type Database struct {
	db      *dialect.DB
	options Options
	base    string // the schema; elsewhere than in PostgreSQL empty
	store   store
	telling sync.Mutex
	crash   func(at string) // for tests, at each point where a crash leaves another state; nil: none
}

// Open connects. url is one of postgres://, mysql:// or mariadb://, and sqlite:
// (a path). Errors never show its password.
func Open(ctx context.Context, url string, o Options) (*Database, error) {
	o = o.withDefaults()
	db, err := dialect.OpenIn(ctx, url, o.Schema)
	if err != nil {
		return nil, err
	}
	d := &Database{db: db, options: o}
	if db.Kind == dialect.Postgres {
		d.base = o.Schema
	}
	d.store = store{db: db, base: d.base}
	return d, nil
}

// Close ends the connections.
func (d *Database) Close() error { return d.db.Scrub(d.db.Close()) }

// connect gives a connection that has answered. What the pool has may have died
// with a server that was restarted since.
func (d *Database) connect(ctx context.Context) (*sql.Conn, error) {
	for tries := 3; ; tries-- {
		conn, err := d.db.Conn(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect to the database: %w", err)
		}
		if err = d.db.LockTimeout(ctx, conn, d.options.LockTimeout); err == nil {
			return conn, nil
		}
		_ = conn.Close() // the error before it says more
		if d.db.Class(err) != dialect.Lost || tries == 0 {
			return nil, fmt.Errorf("connect to the database: %w", err)
		}
	}
}

func (o Options) withDefaults() Options {
	if o.Schema == "" {
		o.Schema = "public"
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = 500 * time.Millisecond
	}
	if o.RetryFor <= 0 {
		o.RetryFor = 5 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// tell shows progress.
func (d *Database) tell(p Progress) {
	if d.options.Progress == nil {
		return
	}
	d.telling.Lock()
	defer d.telling.Unlock()
	d.options.Progress(p)
}

// point is where a test may have the process die.
func (d *Database) point(format string, args ...any) {
	if d.crash != nil {
		d.crash(fmt.Sprintf(format, args...))
	}
}

// Status tells where the database stands, as to a set, which may be nil.
func (d *Database) Status(ctx context.Context, set Set) (Status, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return Status{}, d.db.Scrub(err)
	}
	defer conn.Close()
	st, err := d.status(ctx, conn, set)
	return st, d.db.Scrub(err)
}

func (d *Database) status(ctx context.Context, on dialect.Session, set Set) (st Status, err error) {
	has, err := d.store.exists(ctx, on)
	if err != nil {
		return st, err
	}
	if has {
		if st.Applied, err = d.store.applied(ctx, on); err != nil {
			return st, err
		}
		if st.Open, err = d.store.open(ctx, on); err != nil {
			return st, err
		}
		if st.Last, err = d.store.ended(ctx, on); err != nil {
			return st, err
		}
	}
	for _, m := range set.without(st.Applied) {
		st.Pending = append(st.Pending, m.Name)
	}
	return st, nil
}

// Plan works out what Expand would begin, and asks the gate; nothing is changed. A
// nil change: there is nothing to do.
func (d *Database) Plan(ctx context.Context, set Set) (*Change, []Finding, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, nil, d.db.Scrub(err)
	}
	defer conn.Close()
	c, findings, err := d.plan(ctx, conn, set)
	return c, findings, d.db.Scrub(err)
}

func (d *Database) plan(ctx context.Context, on dialect.Session, set Set) (*Change, []Finding, error) {
	st, err := d.status(ctx, on, set)
	if err != nil {
		return nil, nil, err
	}
	if st.Open != nil {
		what, err := judge(st.Open, set.without(st.Applied), false)
		if err != nil || what != takeBack {
			return st.Open, nil, err
		}
		return nil, nil, fmt.Errorf("%s, which was begun, is to be taken back first, for its files are not what they were: `segue migrate expand` does it, or `segue migrate rollback`", st.Open.name())
	}
	if err := d.foreign(ctx, on, st); err != nil {
		return nil, nil, err
	}
	pending := set.without(st.Applied)
	if len(pending) == 0 {
		return nil, nil, nil
	}
	return d.compile(ctx, on, pending, false)
}
