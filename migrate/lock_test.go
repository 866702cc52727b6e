package migrate_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

// slack is what a machine that is busy with other things may add to a time.
const slack = 2 * time.Second

func TestWritersWaitForADefinitionNoLongerThanTheLockTimeout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		if d.Kind == dialect.SQLite {
			t.Skip("whoever writes keeps all others from it, a definition or not")
		}
		users(t, d, 20)
		long, err := d.BeginTx(t.Context(), nil) // it reads, and does not end
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = long.Rollback() }()
		var n int
		if err := long.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&n); err != nil {
			t.Fatal(err)
		}

		o := unsafe
		o.LockTimeout = 300 * time.Millisecond
		tries, who := make(chan string, 100), ""
		o.Progress = func(p migrate.Progress) {
			if strings.Contains(p.Waiting, "tried again in") {
				tries <- p.Waiting
			}
		}
		db := open(t, url, o)
		set := files(t, map[string]string{"1_b.expand.sql": "ALTER TABLE users ADD COLUMN b int DEFAULT 3;\n-- +goose Down\nALTER TABLE users DROP COLUMN b"})
		ended := make(chan error, 1)
		go func() { ended <- db.Expand(t.Context(), set, false) }()

		var longest time.Duration
		for failed := 0; failed < 3; {
			select {
			case who = <-tries:
				failed++
			case err := <-ended:
				t.Fatalf("it has ended with the table locked: %v", err)
			default:
			}
			began := time.Now()
			run(t, d, "UPDATE users SET name = 'written' WHERE id = 7")
			longest = max(longest, time.Since(began))
		}
		if err := long.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		bound := o.LockTimeout
		if d.Kind == dialect.MariaDB {
			bound = time.Second // it counts whole ones
		}
		if longest > bound+slack {
			t.Errorf("a writer has waited for %v", longest)
		}
		t.Logf("the longest of the writers' waits was %v", longest)
		if !strings.Contains(who, "(segue") {
			t.Errorf("told of %q: who is it?", who)
		}
	})
}

func TestALockThatIsNotToBeHadLeavesTheChangeToBeGoneOnWith(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 20)
		o := unsafe
		o.LockTimeout, o.RetryFor = 100*time.Millisecond, 300*time.Millisecond
		db, set := open(t, url, o), files(t, email(d.Kind))
		// Its record is there already.
		if err := errors.Join(db.Expand(t.Context(), set, false), db.Rollback(t.Context(), true)); err != nil {
			t.Fatal(err)
		}
		long, err := d.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = long.Rollback() }()
		if _, err := long.ExecContext(t.Context(), "UPDATE users SET name = 'held' WHERE id = 1"); err != nil {
			t.Fatal(err)
		}
		err = db.Expand(t.Context(), set, false)
		if err == nil || !strings.Contains(err.Error(), "last in the way: ") {
			t.Fatal(err)
		}
		if err := long.Rollback(); err != nil {
			t.Fatal(err)
		}
		if d.Kind != dialect.SQLite { // there not even the beginning could be written down
			if st := state(t, db, set); st.Open == nil || st.Open.State != migrate.Expanding {
				t.Errorf("%+v", st)
			}
			if !strings.Contains(err.Error(), "the same command goes on from here") {
				t.Error(err)
			}
		}
		if err := db.Expand(t.Context(), set, false); err != nil {
			t.Error(err)
		}
	})
}

func TestOneProcessDoesTheWorkAndTheOthersFindItDone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 20)
		set := files(t, email(d.Kind))
		var all sync.WaitGroup
		for range 4 {
			db := open(t, url, unsafe)
			all.Go(func() {
				if err := errors.Join(db.Expand(t.Context(), set, false), db.Backfill(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if st := state(t, open(t, url, unsafe), set); st.Open == nil || st.Open.ID != 1 || st.Open.State != migrate.Ready || len(st.Open.Steps) != 6 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAServerThatGoesAwayIsNoEnd(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...string) *servertest.Server{"postgres": servertest.Postgres, "mariadb": servertest.MariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			d, err := dialect.Open(t.Context(), server.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			users(t, d, 20)
			kill := ""
			o := unsafe
			o.Progress = func(p migrate.Progress) {
				if p.Note != "" && p.Note == kill {
					kill = ""
					server.Kill(t)
				}
			}
			db, set := open(t, server.URL(), o), files(t, email(d.Kind))
			for _, at := range []struct {
				note string
				do   func() error
			}{
				{"INSERT INTO mails", func() error { return db.Expand(t.Context(), set, false) }},
				{"UPDATE mails", func() error { return db.Backfill(t.Context()) }},
				{"DROP TABLE gone", func() error { return db.Contract(t.Context()) }},
			} {
				kill = at.note
				err := at.do()
				if err == nil || !strings.Contains(err.Error(), "goes on from here") || strings.Contains(err.Error(), server.Password()) {
					t.Errorf("%s: %v", at.note, err)
				}
				server.Start(t)
				if err := at.do(); err != nil {
					t.Fatalf("%s, again: %v", at.note, err)
				}
			}
			after := as(t, server.URL(), "") // what d has of connections died with the server
			if got := text(t, after, "SELECT count(email) FROM users WHERE email LIKE 'user%'"); got != "20" {
				t.Errorf("%s rows have a value", got)
			}
			if st := state(t, db, set); len(st.Applied) != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestAFullDiskIsGoneOnFrom(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + t.TempDir() + "/full.db"
	d, err := dialect.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	users(t, d, 20)
	set := files(t, map[string]string{"1_big.expand.sql": "CREATE TABLE big (data text);\nINSERT INTO big VALUES (hex(zeroblob(1000000)));\n-- +goose Down\nDROP TABLE big"})
	small := open(t, url+"?_pragma=max_page_count(40)", unsafe)
	if err := small.Expand(t.Context(), set, false); err == nil || !strings.Contains(err.Error(), "the same command goes on from here") {
		t.Fatal(err)
	}
	if err := open(t, url, unsafe).Expand(t.Context(), set, false); err != nil {
		t.Error(err)
	}
	if got := text(t, d, "SELECT count(*) FROM big"); got != "1" {
		t.Errorf("%s rows", got)
	}
}
