package backfill_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate/internal/backfill"
	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// copied is the backfill of the tests with processes: n counts how often a row was
// in a batch.
var copied = script.Batches{Table: "t", Key: []string{"id"}, SQL: "UPDATE t SET copy = v, n = n + 1 WHERE {{range}}"}

// child is this binary, run again to be killed.
func child() {
	ctx := context.Background()
	d, err := dialect.Open(ctx, os.Getenv("BACKFILL_URL"))
	if err == nil {
		var r script.Record
		if r, err = (journal{d}).Load(ctx, d); err == nil {
			err = backfill.Run(ctx, d, copied, r, journal{d}, backfill.Options{Size: 50})
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// spawn starts a child that backfills.
func spawn(t *testing.T, url string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd, out := exec.Command(os.Args[0]), &strings.Builder{}
	cmd.Env = append(os.Environ(), "BACKFILL_URL="+url)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// TestKilledAtAnyPointItGoesOnAndNoRowIsLeftOutOrChangedTwice has others insert,
// change and delete rows, before, in and behind the stretch that is being done.
func TestKilledAtAnyPointItGoesOnAndNoRowIsLeftOutOrChangedTwice(t *testing.T) {
	t.Parallel()
	const rows = 40_000
	for name, at := range map[string]func(testing.TB) string{"postgres": servertest.PostgresURL, "mariadb": servertest.MariaDBURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := at(t)
			d := open(t, url)
			run(t, d, journalTable, "INSERT INTO journal VALUES (1, '', 0, 0)",
				"CREATE TABLE t (id bigint PRIMARY KEY, v int NOT NULL, copy int, n int NOT NULL DEFAULT 0)")
			series(t, d, "t (id, v)", "id * 10, id % 1000", rows)
			run(t, d, carryOver(d.Kind)...)
			stop := write(t, d, rows*10)
			for killed := range 3 {
				cmd, out := spawn(t, url)
				before := number(t, d, "SELECT done FROM journal")
				servertest.Eventually(t, "it gets further", func() bool { return number(t, d, "SELECT done FROM journal") > before+100 })
				_ = cmd.Process.Kill()
				if err := cmd.Wait(); err == nil {
					t.Fatalf("it had ended before it was killed the %d. time: more rows are needed", killed+1)
				} else if out.Len() > 0 {
					t.Fatalf("%v: %s", err, out)
				}
			}
			cmd, out := spawn(t, url)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			stop()
			for what, query := range map[string]string{
				"rows were changed twice":    "SELECT count(*) FROM t WHERE n > 1",
				"rows were left out":         "SELECT count(*) FROM t WHERE n = 0 AND id % 10 = 0",
				"rows have the wrong value":  "SELECT count(*) FROM t WHERE copy IS NULL OR copy <> v",
				"tables of its own are left": "SELECT count(*) FROM information_schema.tables WHERE table_name = 'segue_canary' AND table_schema = " + schema(d.Kind),
			} {
				if n := number(t, d, query); n != 0 {
					t.Errorf("%d %s", n, what)
				}
			}
		})
	}
}

func schema(kind dialect.Kind) string {
	if kind == dialect.MariaDB {
		return "DATABASE()"
	}
	return "'public'"
}

// carryOver has the database do for new values what the backfill does for old ones.
func carryOver(kind dialect.Kind) []string {
	if kind == dialect.MariaDB {
		return []string{
			"CREATE TRIGGER i BEFORE INSERT ON t FOR EACH ROW SET NEW.copy = NEW.v",
			"CREATE TRIGGER u BEFORE UPDATE ON t FOR EACH ROW SET NEW.copy = NEW.v",
		}
	}
	return []string{
		"CREATE FUNCTION carry() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.copy := NEW.v; RETURN NEW; END'",
		"CREATE TRIGGER carry BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION carry()",
	}
}

// write has some clients write all over the table until stop is called.
func write(t *testing.T, d *dialect.DB, most int64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for client := range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				id := rand.Int64N(most)
				var err error
				switch what := rand.IntN(10); {
				case what < 3: // what is new has numbers of its own
					_, err = d.ExecContext(ctx, fmt.Sprintf("INSERT INTO t (id, v) VALUES (%d, %d)", id/10*10+int64(client)+1+rand.Int64N(3)*3, id%777))
				case what == 3:
					_, err = d.ExecContext(ctx, fmt.Sprintf("DELETE FROM t WHERE id = %d", id/10*10))
				default:
					_, err = d.ExecContext(ctx, fmt.Sprintf("UPDATE t SET v = %d WHERE id = %d", id%555, id/10*10))
				}
				if err != nil && ctx.Err() == nil && !strings.Contains(strings.ToLower(err.Error()), "duplicate") && !d.Class(err).Passing() {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func TestSomebodyElseHasGoneOnWithIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *dialect.DB) {
		run(t, d, "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v int, copy int, n int DEFAULT 0)")
		series(t, d, "t", "id, id, 0, 0", 20_000)
		var other sync.Once
		o := backfill.Options{Size: 50, Progress: func(p backfill.Progress) {
			if p.Rows == 0 {
				return
			}
			other.Do(func() {
				if err := fill(t, d, copied, backfill.Options{Size: 50}); err != nil {
					t.Error(err)
				}
			})
		}}
		if err := fill(t, d, copied, o); err != nil {
			t.Error(err)
		}
		if n := number(t, d, "SELECT count(*) FROM t WHERE n <> 1"); n != 0 {
			t.Errorf("%d rows were not changed once", n)
		}
	})
}
