package versions

import (
	"fmt"
	"slices"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A compiler applies one operation after the other to the catalog, and gathers the
// steps. What concerns a table as a whole (its new columns, its triggers, its
// backfill, what of its old columns goes) is made by finish from what the table has become,
// since several operations may have had a hand in it.
type compiler struct {
	*catalog
	tableOps
	schema    string // of the new version
	migration string // which is being applied
	direct    []script.Step
	guards    []script.Step // of expand, when the triggers are there
	checks    []script.Step // of backfill, when the rows are filled in
	removals  []script.Step // of contract, when the old version and the triggers are gone
	renames   []script.Step // of contract, at its end
	undos     []script.Step // in the order of their operations: they are run backwards
	lost      []script.Loss
	stays     string
}

func newCompiler(cat *catalog, around surroundings, schema string) *compiler {
	return &compiler{catalog: cat, tableOps: newTableOps(around), schema: schema}
}

// apply adds what an operation does.
func (c *compiler) apply(op operation.Operation) error {
	switch op := op.(type) {
	case *operation.AddColumn:
		return c.addColumn(op)
	case *operation.DropColumn:
		return c.dropColumn(op)
	case *operation.RenameColumn:
		return c.renameColumn(op)
	case *operation.AlterColumn:
		return c.alterColumn(op)
	}
	return c.applyToTable(op)
}

// step makes a step of the migration that is being applied.
func (c *compiler) step(note, sql string, args ...any) script.Step {
	return script.Step{Migration: c.migration, Note: note, SQL: say(sql, args...)}
}

// expand adds a statement that the old version does not notice. It is run before
// the new columns are there (see guard).
func (c *compiler) expand(note, sql string, args ...any) {
	c.direct = append(c.direct, c.step(note, sql, args...))
}

// guard adds a statement of expand that is run when new columns and triggers are
// there: a constraint on a new column, NOT VALID.
func (c *compiler) guard(note, sql string, args ...any) {
	c.guards = append(c.guards, c.step(note, sql, args...))
}

// validate adds a statement of backfill that reads a table without blocking its
// writers, when its rows are filled in.
func (c *compiler) validate(note, sql string, args ...any) {
	s := c.step(note, sql, args...)
	s.Alone, s.Slow = true, true
	c.checks = append(c.checks, s)
}

// index adds an index, made without blocking writers when the rows are filled in.
// sql is the statement, in which name is the index's.
func (c *compiler) index(name, note, sql string, args ...any) {
	c.checks = append(c.checks, c.indexStep(name, note, sql, args...))
	c.undo("drop index "+name, "DROP INDEX IF EXISTS %s", qualified(c.base, name))
}

func (c *compiler) indexStep(name, note, sql string, args ...any) script.Step {
	s := c.step(note, sql, args...)
	s.Alone, s.Slow = true, true
	s.Done = say("SELECT 1 FROM pg_catalog.pg_index i WHERE i.indexrelid = pg_catalog.to_regclass(%s) AND i.indisvalid",
		literal(qualified(c.base, name)))
	s.Before = say("DROP INDEX CONCURRENTLY IF EXISTS %s", qualified(c.base, name))
	return s
}

// contract adds a statement that removes something of the old version: in the
// transaction in which the triggers go, or at contract's end if it cannot be in one. The
// old version's schema and the triggers are gone when it is run; columns still have the
// names that they have during the change.
func (c *compiler) contract(note, sql string, args ...any) {
	c.removals = append(c.removals, c.step(note, sql, args...))
}

// rename adds a statement of contract's end: columns have their final names, tables
// those that they had before the change.
func (c *compiler) rename(note, sql string, args ...any) {
	c.renames = append(c.renames, c.step(note, sql, args...))
}

// undo adds a statement that takes back what the operation did. The new version's
// schema and the triggers are gone when it is run. It must work when that has not been
// done, or is taken back already: it is run whichever migrations were begun.
func (c *compiler) undo(note, sql string, args ...any) {
	c.undos = append(c.undos, script.Step{Note: note, SQL: say(sql, args...)})
}

// loses adds something that undo destroys; count gives how many rows.
func (c *compiler) loses(what, count string, args ...any) {
	c.lost = append(c.lost, script.Loss{What: what, Count: say(count, args...)})
}

// finish makes the script.
func (c *compiler) finish() (script.Script, error) {
	last := c.migration // what concerns them all is said to be the last one's, of which the first step is
	s := script.Script{Schema: c.schema, Lost: c.lost, Stays: c.stays}
	if err := c.makeIndexes(); err != nil {
		return s, err
	}
	drops, err := c.dropTables()
	if err != nil {
		return s, err
	}
	var add, carry, fill, settle, name []script.Step
	for _, t := range c.tables {
		c.migration = last
		f, err := c.finishTable(t)
		if err != nil {
			return s, err
		}
		add = append(add, f.add...)
		carry = append(carry, f.triggers...)
		fill = append(fill, f.fill...)
		settle = append(settle, f.settle...)
		name = append(name, f.names...)
		s.Lost = append(s.Lost, f.lost...)
	}
	c.migration = last
	slices.Reverse(c.undos)
	s.Expand = slices.Concat(c.createSchema(), c.direct, add, carry, c.guards, c.views(), c.newRoutines)
	s.Backfill = slices.Concat(c.lookAhead(), fill, c.checks)
	now, behind := apart(c.removals)
	s.Contract = slices.Concat(c.dropOld(), c.dropTriggers(), now, settle, name, drops, c.renames, c.tableRenames, c.settled, c.viewsAgain(), behind)
	c.migration = "" // as in undo
	s.Undo = slices.Concat(c.dropTriggers(), []script.Step{c.dropSchema()}, c.undos)
	return s, nil
}

// apart divides steps into those that are run in the transaction in which the
// triggers go, and those that cannot be. Between the one and the other nothing would carry
// over what the new release writes, and what the old one's columns want would refuse it.
func apart(steps []script.Step) (now, behind []script.Step) {
	for _, s := range steps {
		if s.Alone {
			behind = append(behind, s)
		} else {
			now = append(now, s)
		}
	}
	return now, behind
}

func say(sql string, args ...any) string {
	if len(args) == 0 {
		return sql
	}
	return fmt.Sprintf(sql, args...)
}
