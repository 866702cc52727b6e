package migrate_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

// dump is what a change of the tests may leave behind.
func dump(t *testing.T, d *dialect.DB) string {
	t.Helper()
	var all []string
	for _, q := range []string{
		"SELECT count(*) FROM users", "SELECT min(name) FROM users", "SELECT count(email) FROM users", "SELECT max(email) FROM users",
		"SELECT count(*) FROM mails", "SELECT max(text) FROM mails", "SELECT count(*) FROM gone",
		d.Bind(map[dialect.Kind]string{
			dialect.Postgres: "SELECT count(*) FROM pg_indexes WHERE indexname = 'by_email'",
			dialect.MariaDB:  "SELECT count(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = database() AND INDEX_NAME = 'by_email'",
			dialect.SQLite:   "SELECT count(*) FROM sqlite_schema WHERE name = 'by_email'",
		}[d.Kind]),
	} {
		all = append(all, q+": "+text(t, d, q))
	}
	return strings.Join(all, "\n")
}

func TestAProcessKilledAtAnyStepIsGoneOnFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   []string
		want string
	}{
		{"to the end", []string{"expand", "backfill", "contract"}, "20 gone 20 user 9 1 filled gone 1"},
		{"and back", []string{"expand", "backfill", "rollback"}, "20 User 1 gone gone gone gone gone 0"},
		{"of an expand that fails", []string{"expand"}, "20 User 1 gone gone gone gone gone 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, url string, d *dialect.DB) {
				users(t, d, 20)
				files := maps.Clone(email(d.Kind))
				fails := strings.HasSuffix(c.name, "fails")
				if fails && d.Kind == dialect.SQLite {
					t.Skip("it is one transaction")
				}
				if fails {
					files["0007_email.expand.sql"] = strings.Replace(files["0007_email.expand.sql"], "INSERT INTO mails", "INSERT INTO nowhere", 1)
				}
				points, said := migrate.DieEverywhere(t, url, files, c.do...)
				if len(points) < 8 || (said != "") != fails {
					t.Errorf("killed at %q; the last one said %q", points, said)
				}
				t.Logf("killed at %d points", len(points))
				if fails && !strings.Contains(said, "taken back") {
					t.Errorf("the last one said %q", said)
				}
				var got []string
				for line := range strings.Lines(dump(t, d)) {
					_, value, _ := strings.Cut(line, ": ")
					got = append(got, strings.TrimSpace(value))
				}
				if got := strings.Join(got, " "); got != c.want {
					t.Errorf("the database has %q, want %q; killed at %q", got, c.want, points)
				}
			})
		})
	}
}

func TestOperationsAreGoneOnFromAfterAnyKill(t *testing.T) {
	t.Parallel()
	files := map[string]string{"0008_upper.json": retype}
	for last, want := range map[string]string{"contract": "USER 1", "rollback": "User 1"} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			url := servertest.PostgresURL(t)
			d := as(t, url, "")
			users(t, d, 20)
			points, said := migrate.DieEverywhere(t, url, files, "expand", "backfill", last)
			if len(points) < 8 || said != "" {
				t.Errorf("killed at %q; the last one said %q", points, said)
			}
			if got := text(t, d, "SELECT name FROM users WHERE id = 1"); got != want {
				t.Errorf("the name is %q, want %q", got, want)
			}
			left := text(t, d, "SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped")
			triggers := text(t, d, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'users'::regclass")
			if left != "id name" || triggers != "0" {
				t.Errorf("left are the columns %s and %s triggers", left, triggers)
			}
		})
	}
}
