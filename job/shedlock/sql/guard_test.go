package sql_test

import (
	stdsql "database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/shedlocktest"
	"github.com/seguehq/segue/job/shedlock/sql"
)

func TestMain(m *testing.M) {
	shedlocktest.Main(m, func(at string) (job.Guard, error) {
		db, d, err := connect(at)
		return sql.New(db, d), err
	})
}

// connect opens the database of a URL.
func connect(at string) (*stdsql.DB, sql.Dialect, error) {
	if path, ok := strings.CutPrefix(at, "sqlite:"); ok {
		db, err := stdsql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_txlock=immediate")
		return db, sql.SQLite, err
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, "", err
	}
	if u.Scheme != "mysql" {
		db, err := stdsql.Open("pgx", at)
		return db, sql.Postgres, err
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.DBName = "tcp", u.Host, u.User.Username(), u.Path[1:]
	c.Passwd, _ = u.User.Password()
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, "", err
	}
	return stdsql.OpenDB(connector), sql.MySQL, nil
}

// databases are the URLs of empty databases of each kind.
var databases = map[sql.Dialect]func(t testing.TB) string{
	sql.Postgres: servertest.PostgresURL,
	sql.MySQL:    servertest.MariaDBURL,
	sql.SQLite:   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "locks.db") },
}

func open(t testing.TB, at string) *stdsql.DB {
	t.Helper()
	db, _, err := connect(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(12)
	return db
}

func exec(t testing.TB, db *stdsql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestGuard(t *testing.T) {
	india, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		dialect sql.Dialect
		query   string // of the guards' URL
		zone    *time.Location
	}{
		{"postgres", sql.Postgres, "", nil},
		{"postgres, sessions elsewhere", sql.Postgres, "&timezone=America/New_York", nil},
		{"postgres, clock of the process", sql.Postgres, "", time.UTC},
		{"postgres, clock of a JVM in India", sql.Postgres, "", india},
		{"mariadb", sql.MySQL, "", nil},
		{"mariadb, clock of the process", sql.MySQL, "", time.UTC},
		{"sqlite", sql.SQLite, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var options []sql.Option
			if c.zone != nil {
				options = append(options, sql.ClientTime(c.zone))
			}
			at := databases[c.dialect](t)
			rows := newTable(t, open(t, at), c.dialect, c.zone)
			guards := open(t, at+c.query)
			shedlocktest.Test(t, shedlocktest.Driver{
				Open: func(_ testing.TB, lockedBy string) job.Guard {
					return sql.New(guards, c.dialect, append(options, sql.LockedBy(lockedBy))...)
				},
				Read: rows.read, Write: rows.write, Now: rows.now, Slack: time.Millisecond,
			})
		})
	}
}

// A rows is the table as others see it.
type rows struct {
	db      *stdsql.DB
	dialect sql.Dialect
	zone    *time.Location // nil: the database's clock, in UTC
}

func newTable(t testing.TB, db *stdsql.DB, d sql.Dialect, zone *time.Location) rows {
	t.Helper()
	exec(t, db, sql.Schema(d))
	exec(t, db, sql.Schema(d)) // which is there by now
	return rows{db, d, zone}
}

const layout = "2006-01-02 15:04:05.000000"

func (r rows) in() *time.Location {
	if r.zone == nil {
		return time.UTC
	}
	return r.zone
}

// text is an expression as the text of a time.
func (r rows) text(expression string) string {
	return map[sql.Dialect]string{
		sql.Postgres: "to_char(" + expression + ", 'YYYY-MM-DD HH24:MI:SS.US')",
		sql.MySQL:    "DATE_FORMAT(" + expression + ", '%Y-%m-%d %H:%i:%s.%f')",
		sql.SQLite:   "CAST(" + expression + " AS TEXT)",
	}[r.dialect]
}

func (r rows) parse(t testing.TB, s string) time.Time {
	t.Helper()
	if r.dialect == sql.SQLite {
		var ms int64
		if _, err := fmt.Sscan(s, &ms); err != nil {
			t.Fatalf("%q is no number of milliseconds: %v", s, err)
		}
		return time.UnixMilli(ms).UTC()
	}
	at, err := time.ParseInLocation(layout, s, r.in())
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func (r rows) read(t testing.TB, name string) (shedlocktest.Record, bool) {
	t.Helper()
	mark := "?"
	if r.dialect == sql.Postgres {
		mark = "$1"
	}
	var until, at, by string
	err := r.db.QueryRowContext(t.Context(), "SELECT "+r.text("lock_until")+", "+r.text("locked_at")+", locked_by FROM shedlock WHERE name = "+mark, name).Scan(&until, &at, &by)
	if errors.Is(err, stdsql.ErrNoRows) {
		return shedlocktest.Record{}, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return shedlocktest.Record{Until: r.parse(t, until), At: r.parse(t, at), By: by}, true
}

func (r rows) write(t testing.TB, name string, record shedlocktest.Record) {
	t.Helper()
	value := func(at time.Time) any {
		if r.dialect == sql.SQLite {
			return at.UnixMilli()
		}
		return at.In(r.in()).Format(layout)
	}
	remove, insert := "DELETE FROM shedlock WHERE name = ?", "INSERT INTO shedlock(name, lock_until, locked_at, locked_by) VALUES (?, ?, ?, ?)"
	if r.dialect == sql.Postgres {
		remove, insert = "DELETE FROM shedlock WHERE name = $1", "INSERT INTO shedlock(name, lock_until, locked_at, locked_by) VALUES ($1, $2::text::timestamp, $3::text::timestamp, $4)"
	}
	exec(t, r.db, remove, name)
	exec(t, r.db, insert, name, value(record.Until), value(record.At), record.By)
}

// now is the clock that decides.
func (r rows) now(t testing.TB) time.Time {
	t.Helper()
	if r.zone != nil || r.dialect == sql.SQLite {
		return time.Now().Truncate(time.Millisecond)
	}
	now := "timezone('utc', clock_timestamp())"
	if r.dialect == sql.MySQL {
		now = "UTC_TIMESTAMP(3)"
	}
	var s string
	if err := r.db.QueryRowContext(t.Context(), "SELECT "+r.text(now)).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return r.parse(t, s)
}

func TestTableAndColumnsHaveOtherNames(t *testing.T) {
	for d, database := range databases {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			db := open(t, database(t))
			options := []sql.Option{sql.Table("our_locks"), sql.Columns("n", "lck_untl", "lckd_at", "lckd_by"), sql.LockedBy("host-a")}
			exec(t, db, sql.Schema(d, options...))
			g := sql.New(db, d, options...)
			l, ok, _, err := g.Lock(t.Context(), "a", time.Minute)
			if err != nil || !ok {
				t.Fatalf("lock: %v, %v", ok, err)
			}
			if ok, err := l.Extend(t.Context(), time.Minute); !ok || err != nil { // the same milliseconds, perhaps
				t.Errorf("extend: %v, %v", ok, err)
			}
			if err := l.Unlock(t.Context(), time.Minute); err != nil {
				t.Errorf("unlock, at its end: %v", err)
			}
			var by string
			if err := db.QueryRow("SELECT lckd_by FROM our_locks WHERE n = 'a'").Scan(&by); err != nil || !strings.HasPrefix(by, "host-a:") {
				t.Errorf("held by %q, %v", by, err)
			}
		})
	}
}

func TestTableThatIsMissingIsSaidWithTheMend(t *testing.T) {
	for d, database := range databases {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			_, ok, _, err := sql.New(open(t, database(t)), d).Lock(t.Context(), "a", time.Minute)
			if ok || err == nil || !strings.Contains(err.Error(), "make the table shedlock with what Schema returns") {
				t.Errorf("lock: %v, %v", ok, err)
			}
		})
	}
}

func TestNameThatTheColumnCannotHoldIsRefused(t *testing.T) {
	g := sql.New(nil, sql.MySQL) // it is not asked
	if _, ok, _, err := g.Lock(t.Context(), strings.Repeat("n", sql.MaxName+1), time.Minute); ok || err == nil {
		t.Errorf("lock: %v, %v; want an error", ok, err)
	}
}

func TestOptionsThatAreNone(t *testing.T) {
	for name, do := range map[string]func(){
		"dialect":  func() { sql.New(nil, "oracle") },
		"table":    func() { sql.Table("a; DROP TABLE b") },
		"column":   func() { sql.Columns("name", "lock_until", "at by", "by") },
		"zone":     func() { sql.ClientTime(nil) },
		"lockedBy": func() { sql.LockedBy(strings.Repeat("x", 201)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "shedlock: ") {
					t.Errorf("it panics with %v", r)
				}
			}()
			do()
		})
	}
}
