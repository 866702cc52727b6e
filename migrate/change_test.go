package migrate_test

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

func TestAChangeWhoseFilesHaveChangedIsTakenBackFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 20)
		db, first := open(t, url, unsafe), email(d.Kind)
		expand := func(set migrate.Set) error { return db.Expand(t.Context(), set, false) }
		if err := errors.Join(expand(files(t, first)), db.Backfill(t.Context())); err != nil {
			t.Fatal(err)
		}
		run(t, d, "DELETE FROM mails")
		changed := maps.Clone(first)
		changed["0007_email.contract.sql"] = "ALTER TABLE users DROP COLUMN name;"

		run(t, d, "UPDATE users SET email = 'new one' WHERE id = 1")
		var lost *migrate.LossError
		if err := expand(files(t, changed)); !errors.As(err, &lost) || !strings.Contains(err.Error(), "put the files back") {
			t.Fatalf("with a value that would be lost: %v", err)
		}
		if st := state(t, db, nil); st.Open.ID != 1 || st.Open.State != migrate.Ready {
			t.Errorf("%+v", st.Open)
		}
		run(t, d, "UPDATE users SET email = NULL")
		if err := expand(files(t, changed)); err != nil {
			t.Fatal(err)
		}
		if st := state(t, db, nil); st.Open == nil || st.Open.ID != 2 || st.Last[0].State != migrate.Undone {
			t.Errorf("%+v", st)
		}
		// Another name, which takes the place.
		other := map[string]string{"0008_other.expand.sql": "CREATE TABLE other (id int);\n-- +goose Down\nDROP TABLE other;"}
		if err := errors.Join(db.Backfill(t.Context()), db.Rollback(t.Context(), true), expand(files(t, other))); err != nil {
			t.Fatal(err)
		}
		if st := state(t, db, nil); !slices.Equal(st.Open.Migrations, []string{"0008_other"}) {
			t.Errorf("%+v", st.Open)
		}
	})
}

func TestOnlyOneChangeIsOpen(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		first := map[string]string{"1_a.expand.sql": "CREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;"}
		both := maps.Clone(first)
		both["2_b.expand.sql"] = "CREATE TABLE b (id int);\n-- +goose Down\nDROP TABLE b;"
		db := open(t, url, unsafe)
		expand := func(texts map[string]string) error {
			t.Helper()
			return db.Expand(t.Context(), files(t, texts), false)
		}
		if err := db.Contract(t.Context()); err != nil {
			t.Errorf("contract of nothing: %v", err)
		}
		if err := db.Rollback(t.Context(), false); err == nil || !strings.Contains(err.Error(), "no change is open") {
			t.Errorf("rollback of nothing: %v", err)
		}
		if err := expand(first); err != nil {
			t.Fatal(err)
		}
		if err := db.Contract(t.Context()); err == nil || !strings.Contains(err.Error(), "1_a is expanded") {
			t.Errorf("contract before backfill: %v", err)
		}
		if err := expand(both); err != nil { // it was not ready: they become one
			t.Fatal(err)
		}
		if st := state(t, db, nil); len(st.Open.Migrations) != 2 {
			t.Errorf("%+v", st.Open)
		}
		if err := db.Rollback(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(expand(first), db.Backfill(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := expand(both); err == nil || !strings.Contains(err.Error(), "1_a waits for its contract") {
			t.Errorf("a second change: %v", err)
		}
		if err := expand(map[string]string{}); err != nil { // an older release
			t.Errorf("a set without migrations: %v", err)
		}
		if err := errors.Join(db.Contract(t.Context()), expand(both)); err != nil {
			t.Error(err)
		}
		if st := state(t, db, nil); !slices.Equal(st.Applied, []string{"1_a"}) || !slices.Equal(st.Open.Migrations, []string{"2_b"}) {
			t.Errorf("%+v", st)
		}
	})
}

func TestWithoutADownThereIsNoWayBackButToGiveItUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		db := open(t, url, unsafe)
		set := files(t, map[string]string{"1_a.expand.sql": "CREATE TABLE a (id int);"})
		if err := db.Expand(t.Context(), set, false); err != nil {
			t.Fatal(err)
		}
		if err := db.Rollback(t.Context(), false); err == nil || !strings.Contains(err.Error(), "1_a.expand.sql does not say how it is taken back") {
			t.Fatal(err)
		}
		if st := state(t, db, nil); st.Open == nil || st.Open.State != migrate.Expanded {
			t.Errorf("%+v", st)
		}
		if err := db.Rollback(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if st := state(t, db, nil); st.Open != nil {
			t.Errorf("%+v", st)
		}
	})
}

func TestABaselineIsWhatSomebodyElseHasDone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		run(t, d, "CREATE TABLE goose_db_version (id int PRIMARY KEY, version_id bigint, is_applied boolean)")
		run(t, d, "INSERT INTO goose_db_version VALUES (1, 0, true), (2, 1, true), (3, 2, true), (4, 3, true), (5, 3, false)")
		set := files(t, map[string]string{"0001_a.expand.sql": "CREATE TABLE a (id int);", "0002_b.expand.sql": "CREATE TABLE b (id int);",
			"0003_c.expand.sql": "CREATE TABLE c (id int);"})
		db := open(t, url, unsafe)
		for range 2 { // it is not guessed
			err := db.Expand(t.Context(), set, false)
			if err == nil || !strings.Contains(err.Error(), "goose has written down in this database that 0002_b is done") ||
				!strings.Contains(err.Error(), "segue migrate baseline 0002_b") {
				t.Fatal(err)
			}
		}
		if err := db.Baseline(t.Context(), set, "0004_d"); err == nil || !strings.Contains(err.Error(), "there are 0001_a, 0002_b, 0003_c") {
			t.Error(err)
		}
		if err := db.Baseline(t.Context(), set, "0002_b"); err != nil {
			t.Fatal(err)
		}
		if st := state(t, db, set); !slices.Equal(st.Applied, []string{"0001_a", "0002_b"}) || !slices.Equal(st.Pending, []string{"0003_c"}) {
			t.Errorf("%+v", st)
		}
		if err := db.Expand(t.Context(), set, false); err != nil {
			t.Error(err)
		}
		if got := text(t, d, "SELECT count(*) FROM c"); got != "0" {
			t.Errorf("c is %s", got)
		}
		if got := text(t, d, "SELECT count(*) FROM a"); got != "gone" {
			t.Errorf("a is %s", got)
		}
	})
}

func TestWhatPgrollHasDoneIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	d := as(t, url, "")
	run(t, d, "CREATE SCHEMA pgroll")
	run(t, d, "CREATE TABLE pgroll.migrations (schema name, name text, done boolean)")
	run(t, d, "INSERT INTO pgroll.migrations VALUES ('public', '01_users', true), ('public', '02_upper', false), ('other', '02_upper', true)")
	set := files(t, map[string]string{"01_users.json": `{"operations": [{"sql": {"up": "SELECT 1"}}]}`, "02_upper.json": retype})
	_, _, err := open(t, url, unsafe).Plan(t.Context(), set)
	if err == nil || !strings.Contains(err.Error(), "pgroll has written down") || !strings.Contains(err.Error(), "segue migrate baseline 01_users") {
		t.Error(err)
	}
}

func TestWhatTheGateRefusesIsNotBegun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string, d *dialect.DB) {
		users(t, d, 3)
		db := open(t, url, migrate.Options{})
		set := files(t, map[string]string{"1_a.expand.sql": "-- why not\nALTER TABLE users DROP COLUMN name;"})
		var refused *migrate.RefusedError
		if err := db.Expand(t.Context(), set, false); !errors.As(err, &refused) {
			t.Fatalf("%v: want a refusal", err)
		}
		if f := refused.Findings[0]; f.File != "1_a.expand.sql" || f.Migration != "1_a" || f.Why == "" || f.Safe == "" {
			t.Errorf("%+v", f)
		}
		if st := state(t, db, set); st.Open != nil {
			t.Errorf("begun: %+v", st.Open)
		}
		_, findings, err := db.Plan(t.Context(), set)
		if err != nil || len(findings) == 0 || !findings[0].Refused {
			t.Errorf("the plan says %+v %v", findings, err)
		}
	})
}

func TestAPasswordIsInNoErrorOfAChange(t *testing.T) {
	t.Parallel()
	for _, at := range []string{servertest.PostgresURL(t), servertest.MariaDBURL(t)} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		db := open(t, at, unsafe)
		for name, text := range map[string]string{
			"1_syntax.expand.sql": "ALTER TABEL users;",
			"2_gone.expand.sql":   "ALTER TABLE gone ADD COLUMN a int; -- " + at,
			"3_said.expand.sql":   "SELECT '" + password + "' FROM nowhere;",
			"4_error.expand.sql":  "INSERT INTO \"" + at + "\" VALUES (1);",
		} {
			err := db.Expand(t.Context(), files(t, map[string]string{name: text}), false)
			if err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, wrong := range []string{strings.Replace(at, u.Host, "127.0.0.1:1", 1), strings.Replace(at, u.Path, "/gone", 1), strings.Replace(at, "//", "//other", 1)} {
			if _, err := migrate.Open(t.Context(), wrong, migrate.Options{}); err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("%v", err)
			}
		}
	}
}
