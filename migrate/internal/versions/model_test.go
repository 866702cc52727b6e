package versions

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A value is a column's, as text; nil is NULL.
type value = *string

func text(s string) value { return &s }

// A conversion gives a column of one version from columns of the other. It is made
// again when one of them changes, and only then.
type conversion struct {
	from []string
	make func(map[string]value) value
}

// A kind is a kind of change, with what is to come of it.
type kind struct {
	name  string
	setup string // the table is t, its key id
	ops   []operation.Operation
	plain string // the same change by plain definitions: what contract has to come to

	old, new map[string]func(*rand.Rand) value // columns, and what each release writes into them
	up, down map[string]conversion             // of columns that are not the same in both
	same     map[string]string                 // new name → old name, of renamed columns
	initial  map[string]value                  // of new columns, in rows that the old release writes, if there is no conversion
	leaves   map[string]value                  // of old columns, in rows that the new release writes, if there is no conversion
	table    string                            // the table's new name; empty: t
	lossy    bool                              // undo is expected to tell of losses
}

// A model is what every row has to be, by key, as each version sees it.
type model struct {
	kind
	rand     *rand.Rand
	old, new map[int]map[string]value
	next     int
}

func newModel(k kind, seed uint64) *model {
	return &model{kind: k, rand: rand.New(rand.NewPCG(seed, 1)), old: map[int]map[string]value{}, new: map[int]map[string]value{}, next: 1}
}

// side is one of the versions, in the model.
type side struct {
	rows, others map[int]map[string]value
	columns      map[string]func(*rand.Rand) value
	otherColumns map[string]func(*rand.Rand) value
	conversions  map[string]conversion // of the others' columns
	initial      map[string]value
	table        string
	newIsThis    bool
}

func (m *model) side(isNew bool) side {
	table := m.table
	if table == "" {
		table = "t"
	}
	if isNew {
		return side{m.new, m.old, m.kind.new, m.kind.old, m.down, m.leaves, table, true}
	}
	return side{m.old, m.new, m.kind.old, m.kind.new, m.up, m.initial, "t", false}
}

func names[V any](m map[string]V) []string {
	var all []string
	for n := range m {
		all = append(all, n)
	}
	sort.Strings(all)
	return all
}

// insert writes a row through a version, and into the model.
func (m *model) insert(t testing.TB, db *sql.DB, isNew bool) {
	t.Helper()
	s := m.side(isNew)
	id := m.next
	m.next++
	row := map[string]value{"id": text(strconv.Itoa(id))}
	var columns, values []string
	for _, c := range names(s.columns) {
		row[c] = s.columns[c](m.rand)
		columns, values = append(columns, ident(c)), append(values, quoted(row[c]))
	}
	must(t, db, fmt.Sprintf("INSERT INTO %s (id, %s) VALUES (%d, %s)", s.table, strings.Join(columns, ", "), id, strings.Join(values, ", ")))
	s.rows[id] = row
	m.fill(s, id)
}

// fill gives the other version its row.
func (m *model) fill(s side, id int) {
	row, other := s.rows[id], map[string]value{"id": text(strconv.Itoa(id))}
	for c := range s.otherColumns {
		switch conv, is := s.conversions[c]; {
		case is:
			other[c] = conv.make(row)
		case m.origin(s, c) != "":
			other[c] = row[m.origin(s, c)]
		default:
			other[c] = s.initial[c]
		}
	}
	s.others[id] = other
}

// origin gives which of a side's columns one of the other's is.
func (m *model) origin(s side, other string) string {
	for c := range s.columns {
		if n := s.counterpartOf(c, m); n == other {
			return c
		}
	}
	return ""
}

// counterpartOf gives what a column of the side is called on the other; empty: it
// is not there.
func (s side) counterpartOf(c string, m *model) string {
	back := map[string]string{}
	for n, o := range m.same {
		back[o] = n
	}
	names := back
	if s.newIsThis {
		names = m.same
	}
	if n, is := names[c]; is {
		return n
	}
	if _, is := s.otherColumns[c]; is {
		return c
	}
	return ""
}

// update writes some columns of a row through a version, and into the model.
func (m *model) update(t testing.TB, db *sql.DB, isNew bool, id int) {
	t.Helper()
	s := m.side(isNew)
	unfilled := s.rows[id] == nil
	if unfilled {
		m.fill(m.side(!isNew), id)
		s = m.side(isNew)
	}
	var sets []string
	changed := map[string]bool{}
	for _, c := range names(s.columns) {
		if m.rand.IntN(2) == 0 {
			continue
		}
		v := s.columns[c](m.rand)
		if unfilled && v == nil { // a NULL that is set is not told from one that was there
			continue
		}
		sets = append(sets, ident(c)+" = "+quoted(v))
		changed[c] = quoted(v) != quoted(s.rows[id][c])
		s.rows[id][c] = v
	}
	if len(sets) == 0 {
		if unfilled {
			delete(s.rows, id)
		}
		return
	}
	if s.others[id] == nil { // the backfill has not come to it, so that the trigger does it
		m.fill(s, id)
	}
	must(t, db, fmt.Sprintf("UPDATE %s SET %s WHERE id = %d", s.table, strings.Join(sets, ", "), id))
	for c := range s.otherColumns {
		conv, is := s.conversions[c]
		switch {
		case is && slices.ContainsFunc(conv.from, func(f string) bool { return changed[f] }):
			s.others[id][c] = conv.make(s.rows[id])
		case !is && m.origin(s, c) != "":
			s.others[id][c] = s.rows[id][m.origin(s, c)]
		}
	}
}

// write writes through both versions at random.
func (m *model) write(t testing.TB, old, new *sql.DB, n int) {
	t.Helper()
	for range n {
		isNew := new != nil && m.rand.IntN(2) == 0
		db := old
		if isNew {
			db = new
		}
		switch {
		case m.next < 4 || m.rand.IntN(2) == 0:
			m.insert(t, db, isNew)
		default:
			id := 1 + m.rand.IntN(m.next-1)
			if m.old[id] == nil {
				continue
			}
			if m.rand.IntN(8) == 0 {
				must(t, db, fmt.Sprintf("DELETE FROM %s WHERE id = %d", m.side(isNew).table, id))
				delete(m.old, id)
				delete(m.new, id)
				continue
			}
			m.update(t, db, isNew, id)
		}
	}
}

// forget has the new version's rows be what the old one's come to, after undo.
func (m *model) forget() {
	m.new = map[int]map[string]value{}
	m.backfill()
}

// backfill gives rows that only the old version has its new ones.
func (m *model) backfill() {
	for id := range m.old {
		if m.new[id] == nil {
			m.fill(m.side(false), id)
		}
	}
}

// check compares what a version reads with the model.
func (m *model) check(t testing.TB, db *sql.DB, isNew bool, when string) {
	t.Helper()
	s := m.side(isNew)
	columns := names(s.columns)
	var items []string
	for _, c := range columns {
		items = append(items, fmt.Sprintf("coalesce(quote_literal(%s::text), 'NULL')", ident(c)))
	}
	rows, err := db.QueryContext(t.Context(), fmt.Sprintf("SELECT id, %s FROM %s ORDER BY id", strings.Join(items, " || ', ' || "), s.table))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var id int
		var got string
		if err := rows.Scan(&id, &got); err != nil {
			t.Fatal(err)
		}
		seen++
		var want []string
		for _, c := range columns {
			want = append(want, quoted(s.rows[id][c]))
		}
		if w := strings.Join(want, ", "); got != w {
			t.Errorf("%s: row %d, by the %s release: %s are\n %s, not\n %s", when, id, map[bool]string{true: "new", false: "old"}[isNew], columns, got, w)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if seen != len(s.rows) {
		t.Errorf("%s: %d rows, not %d", when, seen, len(s.rows))
	}
}

func quoted(v value) string {
	if v == nil {
		return "NULL"
	}
	return literal(*v)
}

// live takes a kind through its whole life.
func (k kind) live(t *testing.T, seed uint64) {
	w := newWorld(t, k.setup)
	m := newModel(k, seed)
	old := w.open("")
	m.write(t, old, nil, 20)
	m.new = map[int]map[string]value{} // nothing is carried over yet
	before := w.definition("public")

	s := w.compile("0001_"+strings.ReplaceAll(k.name, " ", "_"), k.ops...)
	w.run(s, script.Expand)
	fresh := w.open(s.Schema)
	m.check(t, old, false, "expanded")
	m.write(t, old, fresh, 30)
	m.check(t, old, false, "written before the backfill")
	w.run(s, script.Backfill)
	m.backfill()
	for _, when := range []string{"filled in", "written"} {
		m.check(t, old, false, when)
		m.check(t, fresh, true, when)
		m.write(t, old, fresh, 40)
	}
	m.check(t, old, false, "written more")
	m.check(t, fresh, true, "written more")
	if lost := w.lost(s); (lost != "") != k.lossy {
		t.Errorf("undo loses %q", lost)
	}

	w.run(s, script.Undo)
	w.run(s, script.Undo) // again, as after a crash
	if after := w.definition("public"); !slices.Equal(before, after) {
		t.Errorf("undo left\n%s\nof\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	m.check(t, old, false, "undone")
	m.forget()
	m.write(t, old, nil, 10)

	s = w.compile("0001_"+strings.ReplaceAll(k.name, " ", "_"), k.ops...)
	w.run(s, script.Expand)
	w.run(s, script.Backfill)
	m.check(t, fresh, true, "forward again")
	m.write(t, old, fresh, 20)
	m.check(t, old, false, "forward again")
	m.check(t, fresh, true, "written forward again")
	w.run(s, script.Contract)
	m.check(t, fresh, true, "contracted")
	for range 10 {
		m.insert(t, fresh, true)
	}
	m.check(t, fresh, true, "written after contract")
	k.compare(t, w)
}

// compare compares what contract has come to with the plain definitions.
func (k kind) compare(t *testing.T, w *world) {
	t.Helper()
	got, want := w.definition("public"), w.plainly(k.setup, k.plain)
	if !slices.Equal(got, want) {
		t.Errorf("contract came to\n%s\n\nnot to\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
