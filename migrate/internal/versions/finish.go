package versions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// finished is what comes of a table as a whole.
type finished struct {
	add      []script.Step // expand: new columns
	triggers []script.Step // expand
	fill     []script.Step // backfill
	settle   []script.Step // contract: old columns go, new ones get their names
	names    []script.Step // contract: what was called after columns gets the old ones' names
	lost     []script.Loss
}

// finishTable makes of a table what the operations have come to.
func (c *compiler) finishTable(t *table) (finished, error) {
	var f finished
	if t.created || t.dropped || len(t.layers) == 0 && !t.falls() {
		return f, nil
	}
	t.close()
	if err := t.possible(); err != nil {
		return f, fmt.Errorf("migration %s: %w", c.migration, err)
	}
	carries := t.carries()
	f.add = c.addColumns(t, carries)
	carried, err := c.carry(t)
	if err != nil {
		return f, fmt.Errorf("migration %s: %w", c.migration, err)
	}
	for _, n := range t.fresh() {
		c.guards = append(c.guards, n.guards...)
		c.checks = append(c.checks, n.checks...)
		carried.names = append(carried.names, n.renames...)
	}
	if carries {
		f.triggers = c.triggers(t)
		if f.fill, err = c.fill(t); err != nil {
			return f, err
		}
	}
	f.lost = c.losses(t)
	f.settle = append(carried.drop, c.settle(t, carries)...)
	f.names = carried.names
	return f, nil
}

// close says for each layer what is behind it.
func (t *table) close() {
	for i := range t.layers {
		if i+1 < len(t.layers) {
			t.layers[i].after = t.layers[i+1].before
		} else {
			t.layers[i].after = t.now
		}
	}
}

// fresh gives the columns that only the new version has.
func (t *table) fresh() []field {
	return slices.DeleteFunc(t.now.clone(), func(f field) bool { return t.before.has(f.column) })
}

// gone gives the columns that only the old version has.
func (t *table) gone() []field {
	return slices.DeleteFunc(t.before.clone(), func(f field) bool { return t.now.has(f.column) })
}

// possible tells why the old columns could not go, at contract, or new ones not come.
func (t *table) possible() error {
	gone := t.gone()
	if len(gone) == 0 && len(t.fresh()) == 0 {
		return nil
	}
	if t.Kind == "f" {
		return fmt.Errorf("%s is a foreign table: its columns are changed where it is", t.facts.Name)
	}
	if t.Inherited {
		return fmt.Errorf("other tables inherit from %s, and what is written to them goes past its triggers: change them by plain SQL", t.facts.Name)
	}
	var hanging []string
	for _, f := range gone {
		for _, d := range t.Dependents {
			if d.Column == f.phys && !slices.Contains(hanging, d.What) {
				hanging = append(hanging, d.What)
			}
		}
	}
	if len(hanging) > 0 {
		return fmt.Errorf("what hangs on columns of %s that go at contract would go with them: %s; drop or change it in a migration before this one",
			t.facts.Name, strings.Join(hanging, ", "))
	}
	for _, f := range gone {
		if t.Partition != "" && slices.Contains(mentions(t.Partition, "", []string{f.phys}), f.phys) {
			return fmt.Errorf("%s is partitioned by %s, which cannot be dropped or replaced: make another table", t.facts.Name, f.phys)
		}
	}
	return nil
}

// addColumns gives the steps that add the new columns. A column that is computed
// has no default of its own: the old release's rows would get it, too.
func (c *compiler) addColumns(t *table, carries bool) []script.Step {
	var steps []script.Step
	var drops []string
	for _, f := range t.fresh() {
		steps = append(steps, c.addColumnSteps(t, f)...)
		drops = append(drops, "DROP COLUMN IF EXISTS "+ident(f.phys))
	}
	if carries {
		note := "marks of rows of " + t.facts.Name
		steps = append(steps,
			c.step(note, "ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s smallint DEFAULT 0", t.sql(c.catalog), state),
			c.step(note, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT 1", t.sql(c.catalog), state))
		drops = append(drops, "DROP COLUMN IF EXISTS "+state)
	}
	if len(drops) > 0 {
		c.undo("drop what was added to "+t.facts.Name, "ALTER TABLE IF EXISTS %s %s", t.sql(c.catalog), strings.Join(drops, ", "))
	}
	return steps
}

func (c *compiler) addColumnSteps(t *table, f field) []script.Step {
	def := ident(f.phys) + " " + f.Type
	if f.Collation != "" {
		def += " COLLATE " + f.Collation
	}
	if f.Generated {
		def += " GENERATED ALWAYS AS (" + f.Default + ") STORED"
	} else if f.Default != "" {
		def += " DEFAULT " + f.Default
	}
	if f.NotNull && !f.checked() {
		def += " NOT NULL"
	}
	at := func(s script.Step) script.Step { s.Migration = f.migration; return s }
	steps := []script.Step{at(c.step("add column "+t.facts.Name+"."+f.Name, "ALTER TABLE %s ADD COLUMN %s", t.sql(c.catalog), def))}
	for _, g := range f.Grants {
		option := ""
		if g.Option {
			option = " WITH GRANT OPTION"
		}
		steps = append(steps, at(c.step("rights on "+t.facts.Name+"."+f.Name, "GRANT %s (%s) ON %s TO %s%s",
			g.Privilege, ident(f.phys), t.sql(c.catalog), g.To, option)))
	}
	if f.Comment != "" {
		steps = append(steps, at(c.step("comment on "+t.facts.Name+"."+f.Name, "COMMENT ON COLUMN %s.%s IS %s",
			t.sql(c.catalog), ident(f.phys), literal(f.Comment))))
	}
	if f.Target >= 0 && f.replaces != nil {
		steps = append(steps, at(c.step("statistics of "+t.facts.Name+"."+f.Name, "ALTER TABLE %s ALTER COLUMN %s SET STATISTICS %d",
			t.sql(c.catalog), ident(f.phys), f.Target)))
	}
	return steps
}

// checked tells whether a new column is not NULL by a check, since its rows are
// filled in later.
func (c *column) checked() bool {
	return c.NotNull && (c.Default == "" || c.replaces != nil) && !c.Generated
}

// fill gives the backfill of a table.
func (c *compiler) fill(t *table) ([]script.Step, error) {
	if len(t.upTargets()) == 0 {
		return nil, nil
	}
	s := c.step("backfill "+t.facts.Name, "")
	key := t.key()
	if key == nil {
		const most = 10_000
		if t.Rows > most {
			return nil, fmt.Errorf("migration %s: table %s has no primary key, and no unique index of columns that are NOT NULL, by which its %.0f rows could be filled in batch by batch: add one first",
				c.migration, t.facts.Name, t.Rows)
		}
		s.SQL = say("UPDATE %s SET %[2]s = NULL WHERE %[2]s = 0", t.sql(c.catalog), state)
		return []script.Step{s}, nil
	}
	s.Batches = &script.Batches{
		Table: t.sql(c.catalog),
		Key:   key,
		SQL:   say("UPDATE %s SET %[2]s = NULL WHERE {{range}} AND %[2]s = 0", t.sql(c.catalog), state),
	}
	return []script.Step{s}, nil
}

// key gives the quoted columns by which a table is walked.
func (t *table) key() []string {
	var best *indexFacts
	for i := range t.Indexes {
		x := &t.Indexes[i]
		if x.Unique && x.Whole && x.Deferrable == "" && len(x.Key) > 0 && t.notNull(x.Key) &&
			(best == nil || x.Primary || len(x.Key) < len(best.Key) && !best.Primary) {
			best = x
		}
	}
	if best == nil {
		return nil
	}
	var key []string
	for _, name := range best.Key {
		key = append(key, ident(name))
	}
	return key
}

func (t *table) notNull(columns []string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool {
		return !slices.ContainsFunc(t.facts.Columns, func(f columnFacts) bool { return f.Name == name && f.NotNull })
	})
}

// losses tells what undo would destroy: values that the new release has written,
// and that do not follow from what the old one knows.
func (c *compiler) losses(t *table) []script.Loss {
	ups := t.upTargets()
	var lost []script.Loss
	for _, f := range t.fresh() {
		if f.Generated {
			continue
		}
		what := say("values of %s.%s that the old release does not know", t.Name, f.Name)
		if slices.ContainsFunc(ups, func(g target) bool { return g.column == f.column }) {
			lost = append(lost, script.Loss{What: what, Count: say(
				"SELECT count(*) FROM %s AS %[2]s CROSS JOIN LATERAL (%[3]s) AS r WHERE %[2]s.%[4]s = 2 AND pg_catalog.record_image_ne(ROW(%[2]s.%[5]s), ROW(CAST(r.%[6]s AS %[7]s)))",
				t.sql(c.catalog), stored, t.ups(stored), state, ident(f.phys), ident(f.Name), f.Type)})
			continue
		}
		without := "NULL"
		if f.Default != "" {
			without = f.Default
		}
		lost = append(lost, script.Loss{What: what, Count: say(
			"SELECT count(*) FROM %s AS t WHERE pg_catalog.record_image_ne(ROW(t.%s), ROW(CAST(%s AS %s)))",
			t.sql(c.catalog), ident(f.phys), without, f.Type)})
	}
	return lost
}

// settle gives the steps of contract that make of the table what the new version
// knows.
func (c *compiler) settle(t *table, carries bool) []script.Step {
	var steps []script.Step
	add := func(note, sql string, args ...any) { steps = append(steps, c.step(note, sql, args...)) }
	table := t.sql(c.catalog)
	for _, f := range t.fresh() {
		if f.checked() {
			add("not null "+t.facts.Name+"."+f.Name, "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", table, ident(f.phys))
			add("not null "+t.facts.Name+"."+f.Name, "ALTER TABLE %s DROP CONSTRAINT %s", table, ident(notNullCheck(f.phys)))
		}
	}
	for _, f := range t.now {
		steps = append(steps, c.settleDefault(t, f)...)
		if f.comment != nil && t.before.has(f.column) {
			add("comment on "+t.facts.Name+"."+f.Name, "COMMENT ON COLUMN %s.%s IS %s", table, ident(f.phys), literal(*f.comment))
		}
	}
	for _, f := range t.gone() {
		add("drop column "+t.facts.Name+"."+f.Name, "ALTER TABLE %s DROP COLUMN %s", table, ident(f.phys))
	}
	for _, f := range t.fresh() {
		steps = append(steps, c.settleSequence(t, f)...)
	}
	if carries {
		add("marks of rows of "+t.facts.Name, "ALTER TABLE %s DROP COLUMN %s", table, state)
	}
	return append(steps, c.settleNames(t)...)
}

func notNullCheck(phys string) string { return fit(phys + "_not_null") }

// settleNames renames columns. Two may have exchanged their names: who is in
// another's way steps aside first.
func (c *compiler) settleNames(t *table) []script.Step {
	var steps []script.Step
	rename := func(from, to string) {
		steps = append(steps, c.step("rename column "+t.facts.Name+"."+to, "ALTER TABLE %s RENAME COLUMN %s TO %s",
			t.sql(c.catalog), ident(from), ident(to)))
	}
	taken := map[string]bool{}
	is := map[*column]string{}
	for _, f := range t.now {
		taken[f.phys], is[f.column] = true, f.phys
	}
	for i, f := range t.now {
		if f.phys != f.Name && taken[f.Name] {
			is[f.column] = fit(say("_segue_aside_%d_%s", i, f.Name))
			rename(f.phys, is[f.column])
		}
	}
	for _, f := range t.now {
		if is[f.column] != f.Name {
			rename(is[f.column], f.Name)
		}
	}
	return steps
}
