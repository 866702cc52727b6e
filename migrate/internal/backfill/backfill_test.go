package backfill_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/backfill"
	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A keyed is a table's key: its columns, their names, and their values from id.
type keyed struct {
	name, columns, key, values string
	only                       dialect.Kind // empty: all
}

var keys = []keyed{
	{name: "a number", columns: "k bigint NOT NULL", key: "k", values: "id * 7 - 2000"},
	{name: "a text", columns: "k varchar(40) NOT NULL", key: "k", values: "'it''s \\ ä' || (id * 7919 % 100003)"},
	{name: "two columns", columns: "a int NOT NULL, b varchar(20) NOT NULL", key: "a, b", values: "id / 10, 'x' || (id % 10)"},
	{name: "three columns", columns: "a int NOT NULL, b int NOT NULL, c int NOT NULL", key: "a, b, c", values: "id / 50, id / 7 % 8, id"},
	{name: "a time", columns: "k timestamp NOT NULL", key: "k", values: "TIMESTAMP '2026-01-01 00:00:00' + id * INTERVAL '1 hour'", only: dialect.Postgres},
	{name: "a time", columns: "k datetime(6) NOT NULL", key: "k", values: "'2026-01-01 00:00:00' + INTERVAL id HOUR", only: dialect.MariaDB},
	{name: "a uuid", columns: "k uuid NOT NULL", key: "k", values: "md5(id::text)::uuid", only: dialect.Postgres},
	{name: "a uuid", columns: "k uuid NOT NULL", key: "k", values: "concat(lpad(hex(id * 7919), 8, '0'), '-0000-4000-8000-00000000', lpad(id * 13 % 10000, 4, '0'))", only: dialect.MariaDB},
	{name: "bytes", columns: "k bytea NOT NULL", key: "k", values: "decode(md5(id::text), 'hex')", only: dialect.Postgres},
	{name: "bytes", columns: "k binary(16) NOT NULL", key: "k", values: "unhex(md5(id))", only: dialect.MariaDB},
	{name: "bytes", columns: "k blob NOT NULL", key: "k", values: "CAST(id * 7919 AS blob)", only: dialect.SQLite},
	{name: "a fraction", columns: "k double precision NOT NULL", key: "k", values: "id / 3.0"},
	{name: "a large number", columns: "k bigint unsigned NOT NULL", key: "k", values: "18446744073709551615 - id", only: dialect.MariaDB},
	{name: "a decimal", columns: "k decimal(30, 5) NOT NULL", key: "k", values: "id * 1234567890123456789.00001"},
	{name: "no case", columns: "k varchar(20) COLLATE utf8mb4_general_ci NOT NULL", key: "k", values: "concat(if(id % 2, 'a', 'B'), id)", only: dialect.MariaDB},
	{name: "a word of a list", columns: "k enum('z', 'y', 'a') NOT NULL, b int NOT NULL", key: "k, b", values: "elt(1 + id % 3, 'z', 'y', 'a'), id", only: dialect.MariaDB},
	{name: "quoted names", columns: `"Order Id" int NOT NULL`, key: `"Order Id"`, values: "id", only: dialect.Postgres},
}

// on gives what the case is on a kind of database.
func (k keyed) on(kind dialect.Kind) (values string, ok bool) {
	values = k.values
	if kind == dialect.MariaDB {
		values = mariadbConcat(values)
	}
	return values, k.only == "" || k.only == kind
}

func TestEveryRowIsChangedOnceWhateverTheKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *dialect.DB) {
		for _, k := range keys {
			values, ok := k.on(d.Kind)
			if !ok {
				continue
			}
			run(t, d, "CREATE TABLE t ("+k.columns+", n int DEFAULT 0, PRIMARY KEY ("+k.key+"))", "UPDATE journal SET last = '', done = 0, total = 0")
			series(t, d, "t", values+", 0", 1000)
			b := script.Batches{Table: "t", Key: strings.Split(k.key, ", "), SQL: "UPDATE t SET n = n + 1 WHERE {{range}}"}
			if err := fill(t, d, b, backfill.Options{Size: 70}); err != nil {
				t.Errorf("%s: %v", k.name, err)
			}
			if got := number(t, d, "SELECT count(*) FROM t WHERE n = 1"); got != 1000 {
				t.Errorf("%s: %d of 1000 rows are changed once; %d not at all", k.name, got, number(t, d, "SELECT count(*) FROM t WHERE n = 0"))
			}
			if got := number(t, d, "SELECT done FROM journal"); got != 1000 {
				t.Errorf("%s: the record tells of %d rows", k.name, got)
			}
			run(t, d, "DROP TABLE t")
		}
	})
}

// mariadbConcat writes 'a' || b as MariaDB has it.
func mariadbConcat(values string) string {
	switch values {
	case "'it''s \\ ä' || (id * 7919 % 100003)":
		return "concat('it''s \\\\ ä', id * 7919 % 100003)"
	case "id / 10, 'x' || (id % 10)":
		return "id div 10, concat('x', id % 10)"
	case "id / 50, id / 7 % 8, id":
		return "id div 50, id div 7 % 8, id"
	}
	return values
}

func TestATableThatCannotBeWalkedIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *dialect.DB) {
		run(t, d, "CREATE TABLE t (a int, b int NOT NULL, n int)", "CREATE UNIQUE INDEX nulls ON t (a)", "CREATE INDEX twice ON t (b)",
			"CREATE TABLE keyed (a int NOT NULL, b int NOT NULL, n int, PRIMARY KEY (a, b))")
		for _, c := range []struct{ table, key, want string }{
			{"t", "a", "no unique key without NULLs"},
			{"t", "b", "primary key"},
			{"keyed", "b", "name one that it has: (a, b)"},
			{"keyed", "b, a", "name one that it has: (a, b)"},
			{"gone", "a", "gone"},
		} {
			if d.Kind == dialect.SQLite && c.table == "t" {
				c.want = "name one that it has: (rowid)"
			}
			b := script.Batches{Table: c.table, Key: strings.Split(c.key, ", "), SQL: "UPDATE t SET n = 1 WHERE {{range}}"}
			if err := fill(t, d, b, backfill.Options{}); err != nil && c.table != "gone" {
				t.Errorf("%s, which is empty: %v", c.table, err)
			}
			if c.table != "gone" {
				run(t, d, "INSERT INTO "+c.table+" (a, b) VALUES (1, 2)")
			}
			c.want = strings.Replace(c.want, "has: (a", map[bool]string{true: "has: (rowid), (a", false: "has: (a"}[d.Kind == dialect.SQLite], 1)
			if err := fill(t, d, b, backfill.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s by (%s): %v, want: %s", c.table, c.key, err, c.want)
			}
			if c.table != "gone" {
				run(t, d, "DELETE FROM "+c.table)
			}
		}
	})
}

func TestAStatementWithoutItsRangeIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t, "sqlite:"+t.TempDir()+"/test.db")
	err := backfill.Run(t.Context(), d, script.Batches{Table: "t", SQL: "UPDATE t SET n = 1"}, script.Record{}, journal{d}, backfill.Options{})
	if err == nil || !strings.Contains(err.Error(), "put {{range}} into its WHERE") {
		t.Error(err)
	}
}

func TestAFailureThatStaysIsToldAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *dialect.DB) {
		run(t, d, "CREATE TABLE t (k int NOT NULL PRIMARY KEY, n int CHECK (n < 500))")
		series(t, d, "t", "id, 0", 1000)
		b := script.Batches{Table: "t", Key: []string{"k"}, SQL: "UPDATE t SET n = k WHERE {{range}}"}
		err := fill(t, d, b, backfill.Options{Size: 20})
		if err == nil || !strings.Contains(err.Error(), "backfill of t: ") {
			t.Fatal(err)
		}
		if got := number(t, d, "SELECT count(*) FROM t WHERE n > 0"); got == 0 || got != number(t, d, "SELECT done FROM journal") {
			t.Errorf("%d rows are changed, the record tells of %d", got, number(t, d, "SELECT done FROM journal"))
		}
	})
}

func TestItIsCalledOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *dialect.DB) {
		run(t, d, "CREATE TABLE t (k int NOT NULL PRIMARY KEY, n int)")
		series(t, d, "t", "id, 0", 1000)
		ctx, cancel := context.WithCancel(t.Context())
		b := script.Batches{Table: "t", Key: []string{"k"}, SQL: "UPDATE t SET n = k WHERE {{range}}"}
		o := backfill.Options{Size: 1, Progress: func(p backfill.Progress) {
			if p.Rows > 0 || p.Total > 0 {
				cancel()
			}
		}}
		if err := backfill.Run(ctx, d, b, script.Record{}, journal{d}, o); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := fill(t, d, b, backfill.Options{}); err != nil {
			t.Error(err)
		}
		if got := number(t, d, "SELECT count(*) FROM t WHERE n = k"); got != 1000 {
			t.Errorf("%d of 1000 rows are changed", got)
		}
	})
}

func TestWhoHoldsARowIsWaitedForAndNamed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *dialect.DB) {
		ctx := t.Context()
		run(t, d, "CREATE TABLE t (k int NOT NULL PRIMARY KEY, n int)")
		series(t, d, "t", "id, 0", 10_000)
		tx, err := d.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, "UPDATE t SET n = n WHERE k = 5000"); err != nil {
			t.Fatal(err)
		}
		named, want := false, "its transaction is"
		if d.Kind == dialect.SQLite {
			want = "another process that writes"
		}
		o := backfill.Options{Size: 50, Progress: func(p backfill.Progress) {
			if !named && strings.Contains(p.Waiting, "tried again") && strings.Contains(p.Waiting, want) {
				named = true
				if err := tx.Rollback(); err != nil {
					t.Error(err)
				}
			}
		}}
		b := script.Batches{Table: "t", Key: []string{"k"}, SQL: "UPDATE t SET n = n + 1 WHERE {{range}}"}
		if err := fill(t, d, b, o); err != nil {
			t.Fatal(err)
		}
		if got := number(t, d, "SELECT count(*) FROM t WHERE n = 1"); got != 10_000 || !named {
			t.Errorf("%d of 10,000 rows are changed once; who was in the way was named: %v", got, named)
		}
	})
}
