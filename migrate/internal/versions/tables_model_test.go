package versions

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

// A seen is a row as one release sees it.
type seen struct {
	zip  int
	note string
}

// A modelled is what both releases should see of a table with a check that only the
// new one has, on zip, and one that only the old one has, on note.
type modelled struct{ old, new map[int]seen }

const modelledChange = `
  - create_constraint: {type: check, table: items, name: items_zip, check: zip >= 10, up: {zip: "greatest(zip, 10)"}, down: {zip: zip}}
  - drop_constraint: {table: items, name: items_note, up: note, down: "left(note, 3)"}
  - rename_table: {from: items, to: goods}`

func up(r seen) seen   { return seen{max(r.zip, 10), r.note} }
func down(r seen) seen { return seen{r.zip, r.note[:min(3, len(r.note))]} }

// writeOld has the old release write: what of the row it leaves as it was, the new
// one keeps as it knows it.
func (m *modelled) writeOld(id int, r seen) {
	was, there := m.old[id]
	is, converted := m.new[id], up(r)
	if !there || was.zip != r.zip {
		is.zip = converted.zip
	}
	if !there || was.note != r.note {
		is.note = converted.note
	}
	m.old[id], m.new[id] = r, is
}

func (m *modelled) writeNew(id int, r seen) {
	was, there := m.new[id]
	is, converted := m.old[id], down(r)
	if !there || was.zip != r.zip {
		is.zip = converted.zip
	}
	if !there || was.note != r.note {
		is.note = converted.note
	}
	m.new[id], m.old[id] = r, is
}

func show(rows map[int]seen) string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		lines = append(lines, fmt.Sprintf("%d %d %s", id, rows[id].zip, rows[id].note))
	}
	return strings.Join(lines, ", ")
}

func TestWhatReleasesSeeIsWhatTheyWrote(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	s := newShared(t, "CREATE TABLE items (id int PRIMARY KEY, zip int, note text CONSTRAINT items_note CHECK (length(note) <= 3))")
	m := modelled{map[int]seen{}, map[int]seen{}}
	notes := []string{"a", "bcd", "efg"}
	for id := range 10 {
		row := seen{r.IntN(20), notes[r.IntN(3)]}
		m.writeOld(id, row)
		s.exec(s.old, fmt.Sprintf("INSERT INTO items VALUES (%d, %d, '%s')", id, row.zip, row.note))
	}
	begin := func() {
		s.begin(migrationOf(t, "0002_change", modelledChange))
	}
	look := func(when string) {
		t.Helper()
		s.want(s.old, "the old release, "+when, "SELECT id, zip, note FROM items ORDER BY id", show(m.old))
		s.want(s.new, "the new release, "+when, "SELECT id, zip, note FROM goods ORDER BY id", show(m.new))
	}
	writes := func() {
		for range 60 {
			m.write(s, r, notes)
		}
	}
	begin()
	writes()
	s.must(script.Backfill)
	look("after the backfill")
	writes()
	look("after more")
	s.must(script.Undo)
	for id, row := range m.old {
		m.new[id] = up(row)
	}
	begin()
	s.must(script.Backfill)
	look("forward again")
	writes()
	s.must(script.Contract)
	s.want(s.new, "the new release, after contract", "SELECT id, zip, note FROM goods ORDER BY id", show(m.new))
	s.want(s.admin, "the table", "SELECT id, zip, note FROM goods ORDER BY id", show(m.new))
}

// write has one of the releases write something.
func (m *modelled) write(s *shared, r *rand.Rand, notes []string) {
	id, row := r.IntN(20), seen{r.IntN(20), notes[r.IntN(3)]}
	db, table, write := s.old, "items", m.writeOld
	if r.IntN(2) == 0 {
		db, table, write = s.new, "goods", m.writeNew
		row.zip += 10
		row.note += []string{"", "longer"}[r.IntN(2)]
	}
	now, there := m.old[id]
	if table == "goods" {
		now = m.new[id]
	}
	switch kind := r.IntN(4); {
	case there && kind == 0:
		delete(m.old, id)
		delete(m.new, id)
		s.exec(db, fmt.Sprintf("DELETE FROM %s WHERE id = %d", table, id))
	case there && kind == 1:
		write(id, seen{row.zip, now.note})
		s.exec(db, fmt.Sprintf("UPDATE %s SET zip = %d WHERE id = %d", table, row.zip, id))
	case there && kind == 2:
		write(id, seen{now.zip, row.note})
		s.exec(db, fmt.Sprintf("UPDATE %s SET note = '%s' WHERE id = %d", table, row.note, id))
	default:
		write(id, row)
		s.exec(db, fmt.Sprintf("INSERT INTO %s VALUES (%d, %d, '%s') ON CONFLICT (id) DO UPDATE SET zip = excluded.zip, note = excluded.note", table, id, row.zip, row.note))
	}
}
