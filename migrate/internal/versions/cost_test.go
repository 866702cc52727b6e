package versions

import (
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/operation"
)

func TestAnUpdateOfOtherColumnsCallsNoTrigger(t *testing.T) {
	w := newWorld(t, `CREATE TABLE t (id int PRIMARY KEY, a text, c int); INSERT INTO t SELECT i, 'a b', i FROM generate_series(1, 20) i`)
	s := w.version("0001",
		&operation.AddColumn{Table: "t", Up: "split_part(a, ' ', 1)", Column: operation.Column{Name: "first", Type: "text", Nullable: true}},
		&operation.DropColumn{Table: "t", Column: "a", Down: "first || ' ?'"})
	old, fresh := w.open(""), w.open(s.Schema)
	for _, k := range []struct {
		sql    string
		isNew  bool
		called bool
	}{
		{"UPDATE t SET c = c + 1", false, false},
		{"UPDATE t SET a = a", false, false},
		{"UPDATE t SET a = a || '!'", false, true},
		{"UPDATE t SET c = c + 1", true, false},
		{"UPDATE t SET first = first || '!'", true, true},
	} {
		db := old
		if k.isNew {
			db = fresh
		}
		plan := strings.Join(w.list(db, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) "+k.sql), "\n")
		if strings.Contains(plan, "calls=20") != k.called {
			t.Errorf("%s, of the new release: %v:\n%s", k.sql, k.isNew, plan)
		}
	}
}
