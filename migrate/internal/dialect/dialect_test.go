package dialect_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

// each runs a test on every database, which is empty.
func each(t *testing.T, test func(t *testing.T, d *dialect.DB, url string)) {
	for name, at := range map[string]func(t *testing.T) string{
		"postgres": func(t *testing.T) string { return servertest.PostgresURL(t) },
		"mariadb":  func(t *testing.T) string { return servertest.MariaDBURL(t) },
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := at(t)
			d, err := dialect.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			test(t, d, url)
		})
	}
}

func TestAnErrorIsOfItsClass(t *testing.T) {
	each(t, func(t *testing.T, d *dialect.DB, _ string) {
		for _, c := range []struct {
			sql  string
			want dialect.Class
		}{
			{"CREATE TABLE t (a int)", dialect.Other},
			{"CREATE TABLE t (a int)", dialect.Exists},
			{"ALTER TABLE t ADD COLUMN a int", dialect.Exists},
			{"CREATE INDEX i ON t (a)", dialect.Other},
			{"CREATE INDEX i ON t (a)", dialect.Exists},
			{"DROP TABLE gone", dialect.Gone},
			{"ALTER TABLE t DROP COLUMN gone", dialect.Gone},
			{"ALTER TABLE gone ADD COLUMN a int", dialect.Gone},
			{"SELEC 1", dialect.Other},
		} {
			_, err := d.ExecContext(t.Context(), c.sql)
			if got := d.Class(err); got != c.want {
				t.Errorf("%s: %v is %v, want %v", c.sql, err, got, c.want)
			}
		}
	})
}

func TestAStatementWaitsForALockOnlySoLong(t *testing.T) {
	each(t, func(t *testing.T, d *dialect.DB, _ string) {
		ctx := t.Context()
		if _, err := d.ExecContext(ctx, "CREATE TABLE t (a int)"); err != nil {
			t.Fatal(err)
		}
		tx, err := d.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		conn, err := d.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := d.LockTimeout(ctx, conn, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		_, err = conn.ExecContext(ctx, "ALTER TABLE t ADD COLUMN b int")
		if got := d.Class(err); got != dialect.LockTimeout {
			t.Errorf("%v is %v, want %v", err, got, dialect.LockTimeout)
		}
	})
}

func TestWhoIsInTheWayIsTold(t *testing.T) {
	each(t, func(t *testing.T, d *dialect.DB, _ string) {
		if d.Kind == dialect.SQLite {
			t.Skip("it does not know")
		}
		ctx := t.Context()
		if _, err := d.ExecContext(ctx, "CREATE TABLE t (a int)"); err != nil {
			t.Fatal(err)
		}
		tx, err := d.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		conn, err := d.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		id, err := d.SessionID(ctx, conn)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := conn.ExecContext(ctx, "ALTER TABLE t ADD COLUMN b int")
			ended <- err
		}()
		servertest.Eventually(t, "the blocker is named", func() bool {
			who, err := d.Blockers(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(who, "(segue") && strings.Contains(who, "its transaction is")
		})
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAPasswordIsInNoError(t *testing.T) {
	t.Parallel()
	const password = "p@ss/w%rd?x"
	for _, at := range []string{servertest.PostgresURL(t), servertest.MariaDBURL(t)} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		right, _ := u.User.Password()
		change := map[string]func(u *url.URL){
			"wrong password": func(u *url.URL) { u.User = url.UserPassword("segue", password) },
			"wrong user":     func(u *url.URL) { u.User = url.UserPassword("nobody", password) },
			"wrong database": func(u *url.URL) { u.Path = "/gone" },
			"wrong port":     func(u *url.URL) { u.Host = "127.0.0.1:1" },
			"wrong host":     func(u *url.URL) { u.Host = "127.0.0.1.invalid:1" },
			"wrong option":   func(u *url.URL) { u.RawQuery = "sslmode=never&tls=never" },
			"no database":    func(u *url.URL) { u.Path, u.Host = "", "127.0.0.1:1" },
		}
		for name, change := range change {
			wrong := *u
			change(&wrong)
			_, err := dialect.Open(t.Context(), wrong.String())
			if err == nil {
				t.Errorf("%s, %s: connected", u.Scheme, name)
				continue
			}
			for _, secret := range []string{password, right, url.QueryEscape(password), "w%25rd"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s, %s: %v", u.Scheme, name, err)
				}
			}
		}
		_, err = dialect.Open(t.Context(), u.Scheme+"://segue:"+right+"@[::1/x%zz")
		if err == nil || strings.Contains(err.Error(), right) {
			t.Errorf("%s: a URL that is none: %v", u.Scheme, err)
		}
	}
}

func TestWhoIsInTheWayIsToldToARoleThatSeesLittle(t *testing.T) {
	t.Parallel()
	at := servertest.PostgresURL(t)
	owner, err := dialect.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	for _, statement := range []string{"CREATE ROLE plain LOGIN PASSWORD 'plain'", "CREATE TABLE t (a int)", "ALTER TABLE t OWNER TO plain"} {
		if _, err := owner.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("plain", "plain")
	plain, err := dialect.Open(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	conn, err := plain.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	id, err := plain.SessionID(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := owner.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(t.Context(), "ALTER TABLE t ADD COLUMN b int")
		ended <- err
	}()
	servertest.Eventually(t, "the blocker is named", func() bool {
		who, err := plain.Blockers(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(who, "(segue")
	})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
