package migrate_test

import (
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

func TestTheGateKnowsWhichTypeAColumnHas(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	d, err := dialect.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	run(t, d, `CREATE TABLE users (id int PRIMARY KEY, name varchar(40))`)
	run(t, d, `CREATE SCHEMA app`)
	run(t, d, `CREATE TABLE app.users (id int PRIMARY KEY, name varchar(90))`)
	db := open(t, url, migrate.Options{})
	for statement, refused := range map[string]bool{
		`ALTER TABLE users ALTER COLUMN name TYPE varchar(80);`:     false,
		`ALTER TABLE users ALTER COLUMN name TYPE varchar(20);`:     true,
		`ALTER TABLE app.users ALTER COLUMN name TYPE varchar(80);`: true,
		`ALTER TABLE users ALTER COLUMN id TYPE text;`:              true,
		`ALTER TABLE nobody ALTER COLUMN name TYPE text;`:           true,
	} {
		_, findings, err := db.Plan(t.Context(), files(t, map[string]string{"1_a.expand.sql": statement}))
		if err != nil {
			t.Fatal(err)
		}
		if (len(findings) > 0) != refused {
			t.Errorf("%s: %+v", statement, findings)
		}
	}
}
