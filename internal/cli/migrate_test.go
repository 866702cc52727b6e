package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/migrate"
)

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		p    migrate.Progress
		want string
	}{
		{migrate.Progress{Phase: migrate.Expand, Step: 1, Of: 3, Note: "add column users.email"}, "expand 1/3: add column users.email"},
		{migrate.Progress{Phase: migrate.Backfill, Step: 1, Of: 1, Note: "users", Rows: 41200, Total: 50000, Rate: 38000, Left: 230 * time.Millisecond},
			"backfill 1/1: users: 41200 of about 50000 rows (82 %), 38000/s, 0.2s left"},
		{migrate.Progress{Phase: migrate.Backfill, Step: 1, Of: 1, Note: "users", Rows: 60000, Total: 50000}, "backfill 1/1: users: 60000 rows"}, // the estimate was too low
		{migrate.Progress{Phase: migrate.Contract, Step: 2, Of: 2, Note: "drop\x1b[31m", Waiting: "a lock of session 7"}, "contract 2/2: drop; waits: a lock of session 7"},
	} {
		if got := progressLine(c.p); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

// Where lines stay, a backfill does not fill a log: a line when a step begins,
// one now and then, and one at its end.
func TestMigrateViewIsPlain(t *testing.T) {
	var b bytes.Buffer
	e := &env{out: &b, flags: &globals{}}
	v := e.migrateView("auto")
	for n := range int64(1001) {
		v.show(migrate.Progress{Phase: migrate.Backfill, Step: 1, Of: 1, Note: "users", Rows: n, Total: 1000})
	}
	v.end()
	want := "backfill 1/1: users\nbackfill 1/1: users: 1000 of about 1000 rows (100 %)\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	b.Reset()
	e.migrateView("none").show(migrate.Progress{Phase: migrate.Expand, Step: 1, Of: 1, Note: "x"})
	if b.Len() > 0 {
		t.Errorf("none shows %q", b.String())
	}
}

func TestMigrateStatusLines(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	st := migrate.Status{
		Applied: []string{"0001_init", "0002_email"},
		Open:    &migrate.Change{Migrations: []string{"0003_split"}, State: migrate.Ready, Schema: "public_0003_split", Began: at, Who: "ana"},
		Pending: []string{"0004_more"},
		Last:    []migrate.Change{{Migrations: []string{"0002_email"}, State: migrate.Done, Began: at.Add(-time.Hour), Ended: at.Add(-time.Minute), Who: "bo"}},
	}
	var b bytes.Buffer
	writeMigrateStatus(&b, st, at.Add(time.Minute))
	for _, want := range []string{"applied  0001_init … 0002_email (2)\n", "open     0003_split: ready: both releases can work; next:", "schema: public_0003_split\n", "pending  0004_more\n", "done    0002_email, by bo, in 59m0s\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

// A command tells what it has come to, and what comes next; of what is kept in a
// rollout's history, only the first.
func TestMigratedLine(t *testing.T) {
	st := migrate.Status{Open: &migrate.Change{Migrations: []string{"0003_split"}, State: migrate.Expanded}}
	var b bytes.Buffer
	writeMigrated(&b, st, 1300*time.Millisecond, false, true)
	writeMigrated(&b, st, 1300*time.Millisecond, false, false)
	writeMigrated(&b, migrate.Status{}, time.Second, false, true)
	writeMigrated(&b, migrate.Status{Last: []migrate.Change{{Migrations: []string{"0003_split"}, State: migrate.Done}}}, time.Second, true, false)
	want := "0003_split: expanded, in 1.3s; next: segue migrate backfill\n0003_split: expanded, in 1.3s\nnothing to do: no change of the database is open\n0003_split: done, nothing had to be removed, in 1s\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
