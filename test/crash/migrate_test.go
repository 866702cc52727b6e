package crash_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/test/harness"
)

// A changing is a deploy whose release changes the database, of which the agent
// is killed: rollout 2 expands, backfills and rolls, rollout 3 contracts.
type changing struct {
	*harness.World
	file string // the database
	slow string // a condition of the backfill
}

// slowly is true for all rows, of which one takes seconds.
const slowly = " AND (id <> 1500 OR (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000000) SELECT count(*) FROM n) > 0)"

const customers = 3000

// serving has release 1 serve, which knows of no migrations, with its database.
func serving(t *testing.T, kill string) (*changing, *harness.Agent) {
	c := &changing{World: harness.NewWith(t, harness.SegueFast(t))}
	c.file = filepath.Join(c.Dir, "shop.db")
	c.exec(`CREATE TABLE customers (id INTEGER PRIMARY KEY, contact TEXT NOT NULL)`)
	c.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		INSERT INTO customers SELECT i, 'Who' || i || '@Example.COM' FROM n`, customers))
	c.yaml("")
	agent := c.Agent("SEGUE_TEST_KILL=" + kill)
	c.Must(0, "deploy")
	return c, agent
}

func (c *changing) yaml(more string) {
	c.Web(1, fmt.Sprintf("DATABASE_URL: %q", "sqlite:"+c.file), more+"\n"+harness.Probes(20*time.Millisecond, "", 0))
}

// deploys begins the deploy of release 2.
func (c *changing) deploys() *harness.Command {
	c.Write("bin/migrations/0001_email.expand.sql", "ALTER TABLE customers ADD COLUMN email TEXT;\n-- +goose Down\nALTER TABLE customers DROP COLUMN email;\n")
	c.Write("bin/migrations/0001_email.backfill.sql", "-- segue: table=customers key=id\nUPDATE customers SET email = lower(contact) WHERE {{range}} AND email IS NULL"+c.slow+";\n")
	c.Write("bin/migrations/0001_email.contract.sql", "ALTER TABLE customers DROP COLUMN contact;\n")
	c.yaml("\nmigrate: { dir: bin/migrations, bake: 10ms, batch: 200 }")
	return c.Background("deploy")
}

func (c *changing) open() *sql.DB {
	c.T.Helper()
	db, err := sql.Open("sqlite", "file:"+c.file+"?_pragma=busy_timeout(20000)")
	if err != nil {
		c.T.Fatal(err)
	}
	return db
}

func (c *changing) exec(query string) {
	c.T.Helper()
	db := c.open()
	defer db.Close()
	if _, err := db.ExecContext(c.T.Context(), query); err != nil {
		c.T.Fatal(err)
	}
}

func (c *changing) count(from string) (n int) {
	c.T.Helper()
	db := c.open()
	defer db.Close()
	if err := db.QueryRowContext(c.T.Context(), "SELECT count(*) FROM "+from).Scan(&n); err != nil {
		c.T.Fatal(err)
	}
	return n
}

// contracted reports whether the whole story has come to its end.
func (c *changing) contracted() bool {
	past, err := c.Client().History(c.T.Context(), "web", 1)
	return err == nil && len(past) == 1 && past[0].Kind == deploy.KindContract && past[0].Phase.Ended() && c.Service("web").Rollout == nil
}

// changed holds the database to what it is to be, every row of it.
func (c *changing) changed() {
	c.T.Helper()
	past, err := c.Client().History(c.T.Context(), "web", 0)
	if err != nil {
		c.T.Fatal(err)
	}
	for _, r := range past {
		if r.Phase != deploy.Done {
			c.T.Errorf("rollout %d, %s, ended as %q: %s", r.ID, r.Kind, r.Phase, r.Reason)
		}
	}
	if len(past) != 3 || past[0].Migrated != deploy.StepContracted || past[1].Migrated != deploy.StepBackfilled {
		c.T.Errorf("the history: %+v", past)
	}
	right := c.count(`customers WHERE email = 'who' || id || '@example.com'`)
	old := c.count(`pragma_table_info('customers') WHERE name = 'contact'`)
	if right != customers || old != 0 {
		c.T.Errorf("%d of %d rows are right, and there are %d old columns", right, customers, old)
	}
	var st migrate.Status
	if err := json.Unmarshal([]byte(c.Must(0, "migrate", "status", "--json").Out), &st); err != nil || st.Open != nil || !slices.Equal(st.Applied, []string{"0001_email"}) {
		c.T.Errorf("the database says %+v (%v)", st, err)
	}
	c.AllServing("web", 2, 1)
}

// TestAgentKilledWhileTheDatabaseIsChanged kills the agent before and after each
// thing that it writes from the deploy's begin to its first new instance, and of
// the contract, and in the middle of a backfill. The next agent goes on, and the
// change comes to its end: each row is right, and no request is lost.
func TestAgentKilledWhileTheDatabaseIsChanged(t *testing.T) {
	writes := wholeChange(t)
	for _, rollout := range []int{2, 3} {
		for at, verb := range writes[rollout] {
			for _, when := range []string{"before", "after"} {
				if at == 0 && when == "before" {
					continue // it never was
				}
				t.Run(fmt.Sprintf("rollout %d, write %d, %s %s", rollout, at+1, when, verb), func(t *testing.T) {
					t.Parallel()
					c, agent := serving(t, fmt.Sprintf("%d:%d:%s", rollout, at+1, when))
					c.goesOn(agent, rollout == 2 && at == 0, func() { c.Until("the agent has died", agent.IsOver) })
				})
			}
		}
	}
	t.Run("in the middle of a phase", func(t *testing.T) {
		t.Parallel()
		c, agent := serving(t, "")
		c.slow = slowly
		c.goesOn(agent, false, func() {
			c.Until("some rows are filled in", func() bool {
				return c.count(`pragma_table_info('customers') WHERE name = 'email'`) > 0 && c.count(`customers WHERE email IS NOT NULL`) > 0
			})
			if n := c.count(`customers WHERE email IS NULL`); n == 0 {
				t.Error("it was over already")
			}
			agent.Kill()
		})
	})
}

// goesOn deploys, with an agent that dies, and holds the next one to the end. The
// agent may have died before the command heard that anything was begun.
func (c *changing) goesOn(agent *harness.Agent, unheard bool, dies func()) {
	d := c.Drill(50, func(p *drill.Plan) { p.Timeout = 50 * time.Second })
	d.More(10)
	deploying := c.deploys()
	dies()
	come(c.World, d, 5)
	c.Agent()
	if got := deploying.Ran(); got.Code != 0 && !unheard {
		c.T.Errorf("deploy: %s", got)
	}
	c.Until("it is contracted", c.contracted)
	d.More(10)
	d.None()
	c.changed()
}

// wholeChange goes through it with nobody killed, and lists what is written: of
// the deploy up to its first new instance, of which the other tests are, and of
// the contract.
func wholeChange(t *testing.T) map[int][]string {
	writes := map[int][]string{}
	t.Run("left alone", func(t *testing.T) {
		c, _ := serving(t, "")
		if got := c.deploys().Ran(); got.Code != 0 {
			t.Fatal(got)
		}
		c.Until("it is contracted", c.contracted)
		c.changed()
		for _, id := range []int{2, 3} {
			started := false
			err := c.Client().Watch(t.Context(), int64(id), 0, func(e control.Event) error {
				if e.Step != nil && !started {
					started = e.Step.Verb == deploy.StepStart
					writes[id] = append(writes[id], string(e.Step.Verb))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(writes[2]) != 6 || len(writes[3]) != 3 { // begin, expanded, stage, backfilled, stage, start; begin, contracted, end
		t.Fatalf("what was written: %v", writes)
	}
	return writes
}
