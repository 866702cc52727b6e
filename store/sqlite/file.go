package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// version is the newest format of the file that this package reads and writes.
const version = 1

// application is how SQLite's header names the files of this package.
const application = 0x53656775 // Segu

// The last row of changes is also the counter of revisions. One row is one
// transaction; keys are apart by NUL, which no key has.
const schema = `
CREATE TABLE entries (
	key TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, expires INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires > 0;
CREATE TABLE changes (revision INTEGER PRIMARY KEY, origin INTEGER NOT NULL, keys TEXT NOT NULL);
CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
INSERT INTO changes VALUES (1, 0, '');
` + locksTable

// A file is a database with its neighbours.
type file struct {
	path  string // absolute, and no link
	clock clock
	queue *queue
	found fs.FileInfo // what was opened
	lost  atomic.Bool // another file is in its place, or none
}

func openFile(ctx context.Context, path string) (*file, error) {
	f := &file{path: path}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, f.explain("open", err)
	}
	f.path = abs
	if err := f.create(); err != nil {
		return nil, f.explain("open", err)
	}
	if f.path, err = filepath.EvalSymlinks(abs); err != nil { // the neighbours are those of the real one
		return nil, f.explain("open", err)
	}
	if f.found, err = os.Stat(f.path); err != nil {
		return nil, f.explain("open", err)
	}
	if f.clock, err = newClock(); err != nil {
		return nil, f.explain("open", err)
	}
	if f.queue, err = openQueue(f.path + "-queue"); err != nil {
		return nil, f.explain("open", err)
	}
	if err := f.prepare(ctx); err != nil {
		return nil, errors.Join(f.explain("open", err), f.queue.close())
	}
	return f, nil
}

// create makes the file with the permissions of a private one, before SQLite
// makes it with those of the umask. A file that is there is not opened: closing
// it again would take from this process the locks that another Store has on it.
func (f *file) create() error {
	if _, err := os.Lstat(f.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	empty, err := os.CreateTemp(filepath.Dir(f.path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(empty.Name())
	if err := empty.Close(); err != nil {
		return err
	}
	err = os.Link(empty.Name(), f.path)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported) { // a file system without links
		if empty, err = os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			err = empty.Close()
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil // another was quicker
	}
	return err
}

// connect returns a pool of connections. settings is added to the URI.
func (f *file) connect(settings string) (*sql.DB, error) {
	// NORMAL: the disk is not waited for in each transaction; what that loses is
	// in the package's documentation. The timeout is short, as SQLite's waiting
	// cannot be called off: we come again. The WAL is checkpointed at 4000 pages:
	// with more of them the one who does it stops everybody for longer.
	return sql.Open("sqlite", "file:"+(&url.URL{Path: f.path}).EscapedPath()+"?_pragma=busy_timeout(100)"+
		"&_pragma=synchronous(NORMAL)&_pragma=cache_size(-2048)&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(8388608)"+settings)
}

// prepare makes the file one of the version that this package knows, and of this
// boot of the machine.
func (f *file) prepare(ctx context.Context) error {
	db, err := f.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	return patiently(ctx, func() error { return f.prepareNow(ctx, db) })
}

func (f *file) prepareNow(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := f.ours(ctx, conn); err != nil {
		return err
	}
	// Small pages: a transaction writes whole ones, and most entries are small. One
	// of 4096 takes half as long again for entries of 200 bytes, and of 1500 too.
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return errors.New("processes cannot share memory on its file system, as on those of a network; name a file on a local disk")
	}
	if ready, err := f.ready(ctx, conn); ready || err != nil {
		return err
	}
	err = inTransaction(ctx, conn, func() error {
		if ready, err := f.ready(ctx, conn); ready || err != nil {
			return err // another process was quicker
		}
		return f.renew(ctx, conn)
	})
	if err != nil {
		return err
	}
	return f.sync()
}

// ours refuses what is not for us.
func (f *file) ours(ctx context.Context, conn *sql.Conn) error {
	var have, app, tables int
	err := conn.QueryRowContext(ctx, `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version, pragma_application_id`).Scan(&have, &app, &tables)
	if err != nil {
		return err
	}
	switch {
	case app != application && tables > 0:
		return errors.New("it is another program's database; name another file")
	case have > version:
		return fmt.Errorf("a newer release has written it (format %d, this one knows %d): use the newer package, or name another file", have, version)
	}
	return nil
}

// ready tells whether the file has been used since the machine was started.
func (f *file) ready(ctx context.Context, conn *sql.Conn) (bool, error) {
	var have int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil || have == 0 {
		return false, err
	}
	var boot string
	err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'boot'").Scan(&boot)
	return boot == f.clock.boot, err
}

// renew makes what is missing, and takes a file of another boot over into this
// one: revisions go on above the bound that no write has reached, as the last
// writes may be lost; and what expires has as much time left as the clock on the
// wall says. The machine's clock starts anew with each boot, and who held a lock
// or waited for one has ended with the last.
func (f *file) renew(ctx context.Context, conn *sql.Conn) error {
	var tables int
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if tables == 0 {
		if _, err := conn.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, version)); err != nil {
			return err
		}
	}
	_, err := conn.ExecContext(ctx, `
		INSERT INTO changes SELECT value, 0, '' FROM meta WHERE key = 'ceiling' AND value > (SELECT max(revision) FROM changes);
		DELETE FROM locks;
		DELETE FROM changes WHERE revision < (SELECT max(revision) FROM changes);
		UPDATE entries SET expires = max(1, expires + (SELECT value FROM meta WHERE key = 'wall') - ?) WHERE expires > 0`,
		f.clock.offset())
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `INSERT OR REPLACE INTO meta VALUES ('boot', ?), ('wall', ?), ('ceiling', (SELECT max(revision) FROM changes) + ?)`,
		f.clock.boot, f.clock.offset(), ceilingStep)
	return err
}

// look finds whether the file is still the one that was opened. Whoever opens the
// store later would have another: there would be two holders of a lock.
func (f *file) look() {
	now, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, f.found) {
		f.lost.Store(true)
	}
}

// here reports that it is not.
func (f *file) here() error {
	if f.lost.Load() {
		return errLost
	}
	return nil
}

var errLost = errors.New("the file was removed, or another put in its place, while it was in use; start the programs that use it again")

// sync sees that all that was committed is on the disk.
func (f *file) sync() error {
	wal, err := os.OpenFile(f.path+"-wal", os.O_RDWR, 0) // SQLite has no locks on this one
	if errors.Is(err, fs.ErrNotExist) {
		return nil // everything is in the database, which SQLite has synced
	}
	if err != nil {
		return err
	}
	defer wal.Close()
	if err := wal.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// inTransaction runs do as the only writer.
func inTransaction(ctx context.Context, conn *sql.Conn, do func() error) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // SQLite may have done it
	}
	return err
}
