// Package journal is the agent's memory: what services, releases, instances
// and rollouts there are, and every step of every rollout, written down and
// synced to disk before the step is taken. An agent that is killed at any
// instant and started again finds here all it needs to go on.
//
// It is one SQLite file in WAL mode. It holds no secret: the values of
// environment variables live in files beside it that only the owner reads.
package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// ErrNone is returned when what was asked for is not in the journal.
var ErrNone = errors.New("not in the journal")

// A Journal may be used by any number of goroutines. Only one process may have
// it open; the agent sees to that with its lock file.
type Journal struct {
	db   *sql.DB
	path string
}

// schema is version 1, which additions add to.
const schema = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE services (
	name TEXT PRIMARY KEY, release INTEGER NOT NULL, gen INTEGER NOT NULL, replicas INTEGER NOT NULL);
CREATE TABLE releases (
	service TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, tree TEXT NOT NULL,
	spec TEXT NOT NULL, made INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 1,
	PRIMARY KEY (service, number));
CREATE TABLE instances (
	id TEXT PRIMARY KEY, service TEXT NOT NULL, release INTEGER NOT NULL, gen INTEGER NOT NULL,
	state TEXT NOT NULL, port INTEGER NOT NULL, pid INTEGER NOT NULL, born INTEGER NOT NULL,
	started INTEGER NOT NULL, why TEXT NOT NULL DEFAULT '');
CREATE INDEX instances_by_service ON instances (service, state);
CREATE TABLE rollouts (
	id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, kind TEXT NOT NULL,
	"from" INTEGER NOT NULL, "to" INTEGER NOT NULL, from_gen INTEGER NOT NULL, to_gen INTEGER NOT NULL,
	replicas INTEGER NOT NULL, before INTEGER NOT NULL, phase TEXT NOT NULL,
	who TEXT NOT NULL, why TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
	began INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
CREATE INDEX rollouts_by_service ON rollouts (service, id);
CREATE UNIQUE INDEX one_open_rollout ON rollouts (service) WHERE ended = 0;
CREATE TABLE steps (
	seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, rollout INTEGER NOT NULL,
	service TEXT NOT NULL, verb TEXT NOT NULL, instance TEXT NOT NULL, release INTEGER NOT NULL,
	note TEXT NOT NULL);
CREATE INDEX steps_by_rollout ON steps (rollout, seq);
`

// additions are what came to the schema later. An older agent must be able to
// use the file after a rollback of Segue itself, so that each is a column with a
// default, or a table of its own, and leaves the version as it is.
var additions = []struct{ table, column, definition string }{
	{"rollouts", "mode", "TEXT NOT NULL DEFAULT ''"},
	{"rollouts", "stage", "INTEGER NOT NULL DEFAULT 0"},
	{"rollouts", "stage_at", "INTEGER NOT NULL DEFAULT 0"},
	{"rollouts", "promoted", "INTEGER NOT NULL DEFAULT 0"},
	{"rollouts", "against", "TEXT NOT NULL DEFAULT ''"},
	{"rollouts", "brings", "TEXT NOT NULL DEFAULT ''"},
	{"rollouts", "fresh", "INTEGER NOT NULL DEFAULT 0"},
	{"rollouts", "migrated", "TEXT NOT NULL DEFAULT ''"},
	{"rollouts", "did", "TEXT NOT NULL DEFAULT ''"},
	{"steps", "stage", "INTEGER NOT NULL DEFAULT 0"},
}

// Version is the newest format of the file that this package reads and writes.
const Version = 1

// Open opens the journal at path, making it when it does not exist.
func Open(path string) (*Journal, error) {
	if err := touch(path); err != nil {
		return nil, fmt.Errorf("journal %s: %w; the state folder must be writable", path, err)
	}
	// FULL: a step that was reported as written survives a power cut.
	// immediate: a transaction that reads first must not fail when it comes to write.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate" +
		"&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-1024)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // one writer: waiting in Go is fair, SQLite's busy handler is not
	j := &Journal{db: db, path: path}
	if err := j.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", path, err), db.Close())
	}
	return j, nil
}

// touch makes the file with the permissions of a private one, before SQLite
// makes it with those of the umask.
func touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (j *Journal) prepare() error {
	var have int
	if err := j.db.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	if have > Version {
		return fmt.Errorf("written by a newer segue (format %d, this one knows %d); start that one", have, Version)
	}
	if have == 0 {
		if err := j.create(); err != nil {
			return err
		}
	}
	return j.tx(context.Background(), add)
}

// create makes version 1.
func (j *Journal) create() error {
	salt := make([]byte, 32)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	return j.tx(context.Background(), func(tx *sql.Tx) error {
		if _, err := tx.Exec(schema); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO meta VALUES ('salt', ?)", salt); err != nil {
			return err
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", Version))
		return err
	})
}

// tables are additions, too.
var tables = []string{outboxTable, toldNow, preparationsTable}

// add makes the additions that are missing.
func add(tx *sql.Tx) error {
	for _, table := range tables {
		if _, err := tx.Exec(table); err != nil {
			return err
		}
	}
	for _, a := range additions {
		var there int
		if err := tx.QueryRow("SELECT count(*) FROM pragma_table_info(?) WHERE name = ?", a.table, a.column).Scan(&there); err != nil {
			return err
		}
		if there > 0 {
			continue
		}
		if _, err := tx.Exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", a.table, a.column, a.definition)); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.db.Close() }

// Salt is a random value made with the journal; see deploy.DigestOf.
func (j *Journal) Salt(ctx context.Context) ([]byte, error) {
	var salt []byte
	err := j.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'salt'").Scan(&salt)
	return salt, j.wrap("read the salt", err)
}

func (j *Journal) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		// Rollback's own error says no more: after a failed statement (a full
		// disk, say) SQLite has often rolled back by itself.
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

func (j *Journal) wrap(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("journal %s: %s: %w", j.path, what, ErrNone)
	default:
		return fmt.Errorf("journal %s: %s: %w", j.path, what, err)
	}
}
