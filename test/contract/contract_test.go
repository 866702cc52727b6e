// Package contract_test holds a promise about databases: what an older release
// needs is there for as long as the way back to it is promised, and once it is
// gone no such release is started again.
package contract_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// A shop is a world with a database.
type shop struct {
	*harness.World
	file string
}

func open(t *testing.T, bin func(testing.TB) string) *shop {
	s := &shop{World: harness.NewWith(t, bin(t))}
	s.file = filepath.Join(s.Dir, "shop.db")
	s.exec("CREATE TABLE customers (id INTEGER PRIMARY KEY, contact TEXT); INSERT INTO customers VALUES (1, 'A@Example.COM')")
	return s
}

func (s *shop) exec(query string) {
	s.T.Helper()
	db, err := sql.Open("sqlite", "file:"+s.file+"?_pragma=busy_timeout(20000)")
	if err != nil {
		s.T.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(s.T.Context(), query); err != nil {
		s.T.Fatal(err)
	}
}

// release writes a release; with migrations, its block migrate.
func (s *shop) release(version int, migrate string) {
	if migrate != "" {
		migrate = "migrate: { dir: bin/migrations, " + migrate + " }"
	}
	s.Web(1, fmt.Sprintf("VERSION: %d, DATABASE_URL: %q", version, "sqlite:"+s.file), migrate)
}

// migration writes one that adds a column, and drops another at last.
func (s *shop) migration(name, add, drop string) {
	s.Write("bin/migrations/"+name+".expand.sql", "ALTER TABLE customers ADD COLUMN "+add+" TEXT;\n-- +goose Down\nALTER TABLE customers DROP COLUMN "+add+";\n")
	s.Write("bin/migrations/"+name+".contract.sql", "ALTER TABLE customers DROP COLUMN "+drop+";\n")
}

// last is the newest rollout that has ended.
func (s *shop) last() deploy.Rollout {
	s.T.Helper()
	past, err := s.Client().History(s.T.Context(), "web", 2)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, r := range past {
		if r.Phase.Ended() {
			return r
		}
	}
	return deploy.Rollout{}
}

// says wants an exit code, and a text in what the command says.
func (s *shop) says(code int, text string, args ...string) {
	s.T.Helper()
	if r := s.Must(code, args...); !strings.Contains(r.Out+r.Err, text) {
		s.T.Errorf("segue %s does not say %q:\n%s", strings.Join(args, " "), text, r)
	}
}

// TestTheWayBack goes forth and back while the way back is promised, and finds it
// closed after the contract.
func TestTheWayBack(t *testing.T) {
	t.Parallel()
	s := open(t, harness.Segue)
	clock := s.Clock(time.Now())
	agent := s.Agent()
	s.release(1, "")
	s.Must(0, "deploy")
	d := s.Drill(100)
	s.migration("0001_email", "email", "contact")
	s.release(2, "bake: 1h")
	s.says(0, "0001_email: expanded", "deploy")
	s.says(1, "works with what 0001_email added", "migrate", "rollback")
	s.says(0, "contract of 0001_email due in ", "status")
	s.says(5, "the way back from 0001_email is promised until ", "migrate", "contract", "web")
	s.says(2, "say why", "migrate", "contract", "web", "--now")

	s.says(0, "release 1 serves", "rollback")
	if c := s.Service("web").Contract; c != nil {
		t.Errorf("after the rollback a contract is to come: %+v", c)
	}
	s.says(0, "release 2 serves", "deploy")

	// Further migrations have to wait, and say so before anything is done.
	s.migration("0002_phone", "phone", "email")
	s.release(3, "bake: 1h")
	s.says(2, "brings 0002_phone while 0001_email waits for its contract", "deploy")

	// The next agent knows of it. A freeze is no time for a contract.
	agent.Stop()
	s.Agent()
	s.Must(0, "freeze", "on", "web", "--why", "holidays")
	clock.Advance(2 * time.Hour)
	s.Until("it waits for the freeze", func() bool {
		c := s.Service("web").Contract
		return c != nil && strings.Contains(c.Waiting, "holidays")
	})
	if got := s.last(); got.Kind != deploy.KindDeploy {
		t.Errorf("in the freeze: %+v", got)
	}
	s.Must(0, "freeze", "off", "web")
	s.Until("it is contracted", func() bool { return s.last().Kind == deploy.KindContract && s.Service("web").Rollout == nil })
	s.says(0, "0001_email: done, in ", "history")

	// No way leads back to what cannot work any more.
	s.says(2, "release 1 has no migration 0001_email", "rollback")
	s.says(2, "release 1 has no migration 0001_email", "rollback", "web", "1")
	s.says(0, "cannot serve: lacks 0001_email", "releases")
	s.release(1, "")
	s.says(2, "this release has no migration 0001_email", "deploy")
	s.says(0, "release 2 serves", "restart")
	d.More(20)
	d.None()

	s.release(3, "contract: manual")
	s.says(0, "release 3 serves", "deploy")
	s.says(0, "contract of 0002_phone by command", "status")
	s.says(0, "contract of 0002_phone is done", "migrate", "contract", "web")
	s.says(0, "nothing to do", "migrate", "contract", "web")
}

// TestContractThatFails is told of, leaves everything as it is, and is tried again.
func TestContractThatFails(t *testing.T) {
	t.Parallel()
	s := open(t, harness.SegueFast)
	clock := s.Clock(time.Now())
	s.release(1, "")
	s.Agent()
	s.Must(0, "deploy")
	s.migration("0001_email", "email", "contact")
	s.Write("bin/migrations/0001_email.contract.sql", "INSERT INTO audit VALUES ('0001_email');\nALTER TABLE customers DROP COLUMN contact;\n")
	s.release(2, "bake: 0s")
	d := s.Drill(50)
	s.Must(0, "deploy")
	clock.Advance(time.Minute) // it stands still else, and the deploy has ended after it
	s.Until("it has failed", func() bool { c := s.Service("web").Contract; return c != nil && c.Failed != "" })
	if c := s.Service("web").Contract; !strings.Contains(c.Failed, "contract 0001_email: ") || c.Retry.IsZero() {
		t.Errorf("%+v", c)
	}
	s.says(0, "failed", "history")
	s.says(2, "whose contract is done or has begun", "rollback")
	s.release(4, "bake: 0s")
	s.says(0, "release 3 serves", "deploy") // without further migrations, it goes

	s.exec("CREATE TABLE audit (what TEXT)")
	clock.Advance(2 * time.Minute)
	s.Until("it is contracted", func() bool {
		r := s.last()
		return r.Kind == deploy.KindContract && r.Phase == deploy.Done && s.Service("web").Contract == nil
	})
	d.More(10)
	d.None()
	s.AllServing("web", 3, 1)
}

// TestUndoneDeployKeepsTheChange: a release that fails is undone, and what was
// added to the database for it stays, for the next attempt.
func TestUndoneDeployKeepsTheChange(t *testing.T) {
	t.Parallel()
	s := open(t, harness.SegueFast)
	s.release(1, "")
	s.Agent()
	s.Must(0, "deploy")
	s.migration("0001_email", "email", "contact")
	s.Web(1, fmt.Sprintf("BROKEN: 1, DATABASE_URL: %q", "sqlite:"+s.file), "migrate: { dir: bin/migrations, bake: 1h }")
	s.says(3, "the database keeps what 0001_email added", "deploy")
	s.says(0, "(the database keeps 0001_email)", "history")
	s.exec("UPDATE customers SET email = contact") // it is there
	s.release(3, "bake: 1h")
	s.says(0, "release 3 serves", "deploy")

	// A statement that fails leaves nothing behind.
	s.says(0, "contract of 0001_email is done", "migrate", "contract", "web", "--now", "--why", "the test goes on")
	s.Write("bin/migrations/0002_bad.expand.sql", "ALTER TABLE nobody ADD COLUMN x TEXT;\n")
	s.release(4, "bake: 1h")
	r := s.Must(3, "deploy")
	if text := r.Out + r.Err; !strings.Contains(text, "expand 0002_bad: ") || strings.Contains(text, "the database keeps") {
		t.Errorf("%s", text)
	}
	s.AllServing("web", 3, 1)
}
