// Package outbox publishes messages exactly when a transaction of the user's own SQL
// database is committed, and has a message take effect once in such a transaction.
//
// A service that writes to its database and then publishes loses messages when it is
// killed in between; one that publishes first tells of what never happened. So the
// message is written to a table in the same transaction ([Outbox.Add]), and a relay
// publishes what it finds there ([Outbox.Relay]).
//
// It promises, on PostgreSQL, MariaDB and SQLite, by whatever driver of database/sql
// (and on MySQL, which it was not tested with):
//
//   - What is committed is published, at least once, whoever is killed when. What is
//     rolled back is not.
//   - One instance of the fleet relays; when it dies another does, within a lease.
//   - Messages are published in the order in which they were added, as far as others
//     can know it: two transactions that wait for each other, for a row that both
//     change before they add, are in that order. A message is not passed over because
//     one that was added later was committed earlier.
//   - A message that the broker refuses for ever is parked in the table, with the
//     reason, and holds nobody else up. While the broker is away everything waits.
//   - A message that comes twice takes effect once ([Outbox.Once]).
//
// Comes twice what a relay had published and not yet removed when it was killed. It
// has the same ID.
package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/message"
)

// An Outbox is the tables of one database. It may be used concurrently, starts
// nothing by itself, and need not be closed.
type Outbox struct {
	db      *sql.DB
	dialect Dialect

	mu    sync.Mutex
	added chan struct{} // closed, and another in its place, by Add
}

// A Tx is what a statement is executed in: a *sql.Tx, or what wraps one.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// New returns the outbox of a database. It asks which one it is.
func New(ctx context.Context, db *sql.DB) (*Outbox, error) {
	d, err := ask(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("outbox: ask the database what it is: %w", err)
	}
	return &Outbox{db: db, dialect: d, added: make(chan struct{})}, nil
}

// Create makes the tables that are not there. Whoever has a migration tool gives it
// what [Schema] prints instead.
func (o *Outbox) Create(ctx context.Context) error {
	for _, statement := range o.dialect.statements() {
		if err := o.create(ctx, statement); err != nil {
			return fmt.Errorf("outbox: create the tables: %w\n%s", err, statement)
		}
	}
	return nil
}

// create tries twice: two who create the same table at the same time may get in each
// other's way, even with IF NOT EXISTS.
func (o *Outbox) create(ctx context.Context, statement string) error {
	_, err := o.db.ExecContext(ctx, statement)
	if err != nil && ctx.Err() == nil {
		_, err = o.db.ExecContext(ctx, statement)
	}
	return err
}

// Add has messages published when tx is committed. They get IDs and times if they
// have none. An error leaves tx to be rolled back.
func (o *Outbox) Add(ctx context.Context, tx Tx, messages ...message.Message) error {
	for _, m := range messages {
		if m.ID == "" {
			m.ID = rand.Text()
		}
		if m.Time.IsZero() {
			m.Time = time.Now()
		}
		if err := m.Check(); err != nil {
			return err
		}
		header, err := json.Marshal(m.Header)
		if err != nil {
			return fmt.Errorf("outbox: message %s: %w", m.ID, err)
		}
		body := m.Body
		if body == nil {
			body = []byte{} // not NULL
		}
		_, err = tx.ExecContext(ctx, o.dialect.query("INSERT INTO segue_outbox (message_id, topic, message_key, header, body, published) VALUES (?, ?, ?, ?, ?, ?)"),
			m.ID, m.Topic, m.Key, string(header), body, m.Time.UnixMicro())
		if err != nil {
			return fmt.Errorf("outbox: add message %s for %q (are there the tables? Create makes them): %w", m.ID, m.Topic, err)
		}
	}
	o.nudge()
	return nil
}

// nudge tells a relay of this process that there will be something soon.
func (o *Outbox) nudge() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.added)
	o.added = make(chan struct{})
}

func (o *Outbox) soon() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.added
}

// Once tells whether a message comes to a group for the first time, and takes note of
// it in tx: what is done in the same transaction takes effect once, however often the
// message comes. If it is false, somebody has done it: acknowledge the message. One
// that is being done elsewhere is waited for.
//
// The note is kept for as long as the relay's [Keep] says.
func (o *Outbox) Once(ctx context.Context, tx Tx, group, id string) (first bool, err error) {
	if len(group) > message.MaxGroup || len(id) > message.MaxID {
		return false, fmt.Errorf("outbox: a group has %d bytes at most and an ID %d; these are %d and %d", message.MaxGroup, message.MaxID, len(group), len(id))
	}
	done, err := tx.ExecContext(ctx, o.dialect.query(o.dialect.note()), group, id)
	if err != nil {
		return false, fmt.Errorf("outbox: take note of message %s (are there the tables? Create makes them): %w", id, err)
	}
	n, err := done.RowsAffected()
	return n == 1, err
}

// A Dialect is what a database understands.
type Dialect string

// The dialects.
const (
	Postgres Dialect = "postgres"
	MySQL    Dialect = "mysql" // MariaDB, too
	SQLite   Dialect = "sqlite"
)

// ask asks a database what it is: what its driver is called tells nothing of it.
func ask(ctx context.Context, db *sql.DB) (Dialect, error) {
	var version string
	err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version)
	if err == nil {
		return SQLite, nil
	}
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", err
	}
	switch {
	case strings.HasPrefix(version, "PostgreSQL"):
		return Postgres, nil
	case version == "":
		return "", errors.New("it has no version")
	}
	return MySQL, nil
}

// query writes placeholders as the database wants them.
func (d Dialect) query(text string) string {
	if d != Postgres {
		return text
	}
	parts := strings.Split(text, "?")
	var b strings.Builder
	for n, part := range parts {
		if n > 0 {
			fmt.Fprintf(&b, "$%d", n)
		}
		b.WriteString(part)
	}
	return b.String()
}
