package versions

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

// TestBothReleasesWriteWhileItIsFilledIn has both releases write all the time, from
// before expand to after contract, and each row be right in the end.
func TestBothReleasesWriteWhileItIsFilledIn(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, other int NOT NULL DEFAULT 0); INSERT INTO t SELECT i, i FROM generate_series(1, 400) i`)
	s := w.compile("0001", retype("t", "n", "text", "'v' || n", "substr(n, 2)::int"))
	old := crowd(t, w.open(""), func(r *rand.Rand) string {
		return fmt.Sprintf("INSERT INTO t (id, n) VALUES (%d, %d) ON CONFLICT (id) DO UPDATE SET n = excluded.n", 1+r.IntN(600), r.IntN(1000))
	})
	w.run(s, script.Expand)
	fresh := crowd(t, w.open(s.Schema), func(r *rand.Rand) string {
		if r.IntN(3) == 0 {
			return fmt.Sprintf("UPDATE t SET other = other + 1 WHERE id = %d", 1+r.IntN(600))
		}
		return fmt.Sprintf("INSERT INTO t (id, n) VALUES (%d, 'v%d') ON CONFLICT (id) DO UPDATE SET n = excluded.n", 1+r.IntN(600), r.IntN(1000))
	})
	for _, step := range s.Backfill {
		if step.Batches == nil {
			w.run(script.Script{Backfill: []script.Step{step}}, script.Backfill)
			continue
		}
		for from := 0; from < 600; from += 50 {
			w.exec(strings.ReplaceAll(step.Batches.SQL, "{{range}}", fmt.Sprintf("id > %d AND id <= %d", from, from+50)))
		}
	}
	old()
	w.is(t, w.value(w.admin, `SELECT count(*) FROM t WHERE "_segue_new_n" IS DISTINCT FROM 'v' || n OR _segue_state = 0`), "0")
	w.run(s, script.Contract)
	fresh()
	w.is(t, w.value(w.admin, `SELECT count(*) FROM t WHERE n NOT LIKE 'v%'`), "0")
}

// crowd writes until stop is called, which waits for them. No
// write may fail.
func crowd(t *testing.T, db *sql.DB, statement func(*rand.Rand) string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	r := rand.New(rand.NewPCG(1, 7))
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			if _, err := db.ExecContext(context.WithoutCancel(ctx), statement(r)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	stop = func() { cancel(); all.Wait() }
	t.Cleanup(stop)
	return stop
}
