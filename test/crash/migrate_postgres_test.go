package crash_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/test/harness"
)

// TestAgentKilledInTheMiddleOnPostgreSQL kills the agent in the middle of each
// phase, which waits for a lock of the test's just then. What the dead agent has
// left running is ended by the next one, and holds nothing up; each row is right.
func TestAgentKilledInTheMiddleOnPostgreSQL(t *testing.T) {
	for phase, holds := range map[string]string{
		"expand":   "LOCK TABLE customers IN ACCESS SHARE MODE",
		"backfill": "SELECT pg_advisory_xact_lock(7)",
		"contract": "LOCK TABLE customers IN ACCESS SHARE MODE",
	} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			url := servertest.PostgresURL(t)
			w := harness.NewWith(t, harness.SegueFast(t))
			w.Env = append(w.Env, "DATABASE_URL="+url)
			c := &onPostgres{World: w, db: customersIn(t, url)}
			c.killedIn(phase, holds)
		})
	}
}

type onPostgres struct {
	*harness.World
	db *sql.DB
}

// customersIn fills a database. It is closed at the test's end.
func customersIn(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	_, err = db.ExecContext(t.Context(), fmt.Sprintf(`CREATE TABLE customers (id bigint PRIMARY KEY, contact text NOT NULL);
		INSERT INTO customers SELECT i, 'Who' || i || '@Example.COM' FROM generate_series(1, %d) i`, customers))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (c *onPostgres) yaml(more string) {
	c.Web(1, `DATABASE_URL: "${DATABASE_URL}"`, more+"\n"+harness.Probes(20*time.Millisecond, "", 0))
}

func (c *onPostgres) killedIn(phase, holds string) {
	c.yaml("")
	agent := c.Agent()
	c.Must(0, "deploy")
	d := c.Drill(50, func(p *drill.Plan) { p.Timeout = 50 * time.Second })
	c.Write("bin/migrations/0001_email.expand.sql", "ALTER TABLE customers ADD COLUMN email text;\n-- +goose Down\nALTER TABLE customers DROP COLUMN email;\n")
	c.Write("bin/migrations/0001_email.backfill.sql", "-- segue: table=customers key=id\nUPDATE customers SET email = lower(contact) WHERE {{range}} AND email IS NULL "+
		"AND (id <> 1500 OR (SELECT true FROM (SELECT pg_advisory_xact_lock(7)) held));\n")
	c.Write("bin/migrations/0001_email.contract.sql", "ALTER TABLE customers DROP COLUMN contact;\n")
	c.yaml("\nmigrate: { dir: bin/migrations, bake: 0s, contract: manual, batch: 200 }")

	commands := [][]string{{"deploy"}, {"migrate", "contract", "web"}}
	for n, command := range commands {
		if (phase == "contract") != (n == 1) {
			c.Must(0, command...)
			continue
		}
		held, err := c.db.BeginTx(c.T.Context(), nil)
		if err != nil {
			c.T.Fatal(err)
		}
		if _, err := held.ExecContext(c.T.Context(), holds); err != nil {
			c.T.Fatal(err)
		}
		running := c.Background(command...)
		c.Until(phase+" waits", func() bool { return len(c.Processes("migrate "+phase)) > 0 && c.waits() })
		agent.Kill()
		come(c.World, d, 5)
		c.Agent()
		if err := held.Rollback(); err != nil {
			c.T.Fatal(err)
		}
		if got := running.Ran(); got.Code != 0 {
			c.T.Errorf("segue %s: %s", command, got)
		}
	}
	d.More(10)
	d.None()
	if n := c.count("customers WHERE email = 'who' || id || '@example.com'"); n != customers {
		c.T.Errorf("%d of %d rows are right", n, customers)
	}
	if n := c.count("pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'contact'"); n != 0 {
		c.T.Error("the old column is left")
	}
	c.AllServing("web", 2, 1)
}

// waits reports whether somebody waits for a lock.
func (c *onPostgres) waits() bool {
	return c.count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
}

func (c *onPostgres) count(from string) (n int) {
	c.T.Helper()
	if err := c.db.QueryRowContext(c.T.Context(), "SELECT count(*) FROM "+from).Scan(&n); err != nil {
		c.T.Fatal(err)
	}
	return n
}
