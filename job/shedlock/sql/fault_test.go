package sql_test

import (
	"net/url"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/shedlocktest"
	"github.com/seguehq/segue/job/shedlock/sql"
)

func TestFaults(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...string) *servertest.Server{
		"postgres": servertest.Postgres,
		"mariadb":  servertest.MariaDB,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			w := servertest.NewWire(t, s.Addr())
			db, d, err := connect(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			exec(t, db, sql.Schema(d))
			_ = db.Close()
			shedlocktest.TestFaults(t, shedlocktest.Faults{
				Open: func(t testing.TB, lockedBy string) job.Guard {
					return sql.New(open(t, through(t, s.URL(), w)), d, sql.LockedBy(lockedBy))
				},
				Stop:   s.Kill,
				Start:  s.Start,
				Cut:    func(testing.TB) { w.Cut() },
				Mute:   func(testing.TB) { w.Mute() },
				URL:    s.URL(),
				Secret: s.Password(),
			})
		})
	}
}

// through is a server's URL by way of a wire.
func through(t testing.TB, at string, w *servertest.Wire) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = w.Addr()
	return u.String()
}

// SQLite has no server that could fail, and no connections that could be cut.
func TestHolderThatIsKilledOnSQLite(t *testing.T) {
	t.Parallel()
	at := databases[sql.SQLite](t)
	exec(t, open(t, at), sql.Schema(sql.SQLite))
	shedlocktest.TestKilledHolder(t, shedlocktest.Faults{
		Open: func(t testing.TB, lockedBy string) job.Guard {
			return sql.New(open(t, at), sql.SQLite, sql.LockedBy(lockedBy))
		},
		URL: at,
	})
}
