package versions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// addColumn adds a column that only the new version knows.
func (c *compiler) addColumn(op *operation.AddColumn) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	if t.now.find(op.Column.Name) != nil {
		return fmt.Errorf("table %s has a column %s already", t.Name, op.Column.Name)
	}
	if t.created {
		return c.addToCreated(t, op)
	}
	n, up, err := c.added(t, op)
	if err != nil {
		return err
	}
	ups := map[string]string{}
	if up != "" {
		ups[op.Column.Name] = up
	}
	c.layer(t, ups, nil)
	t.now = append(t.now, field{op.Column.Name, n})
	return c.constrain(t, t.now.find(op.Column.Name), uniqueOf(t, &op.Column), op.Column.Check, op.Column.References)
}

// uniqueOf names the unique constraint of a column as PostgreSQL does.
func uniqueOf(t *table, col *operation.Column) *operation.Unique {
	if !col.Unique {
		return nil
	}
	return &operation.Unique{Name: fit(t.Name + "_" + col.Name + "_key")}
}

// added makes the column, and what its values are in rows that the old version
// writes. A default that is not the same for all rows would have PostgreSQL write the whole table
// while nobody may read it: the backfill brings it instead.
func (c *compiler) added(t *table, op *operation.AddColumn) (*column, string, error) {
	col, up := &op.Column, op.Up
	if col.PK {
		return nil, "", errors.New("a primary key is added by two operations: add_column with unique, then create_constraint of type primary_key")
	}
	n := &column{phys: t.unused(newName(col.Name)), added: true, migration: c.migration}
	n.columnFacts = columnFacts{Name: n.phys, Type: col.Type, NotNull: !col.Nullable, Comment: col.Comment, Target: -1}
	switch integer, is := serials[strings.ToLower(col.Type)]; {
	case is:
		n.Type = integer
		return n, c.sequence(t, n, col.Name, "", up), nil
	case col.Generated != nil && col.Generated.Identity != nil:
		n.Identity = "a"
		if col.Generated.Identity.UserSpecifiedValues == "BY DEFAULT" {
			n.Identity = "d"
		}
		n.Options = col.Generated.Identity.SequenceOptions
		return n, c.sequence(t, n, col.Name, n.Options, up), nil
	case col.Generated != nil && col.Generated.Expression != "":
		return n, "", c.generated(t, n, col)
	case col.Default != nil && constant(*col.Default):
		n.Default = *col.Default
	case col.Default != nil:
		n.fallback = *col.Default
		if up == "" {
			up = *col.Default
		}
	case up == "" && n.NotNull:
		return nil, "", fmt.Errorf("column %s.%s is NOT NULL, and neither has a default nor says by up what it is in rows that are there and that the old release goes on to write: give one of them, or nullable: true", t.Name, col.Name)
	}
	return n, up, nil
}

var serials = map[string]string{
	"smallserial": "smallint", "serial2": "smallint", "serial": "integer", "serial4": "integer",
	"bigserial": "bigint", "serial8": "bigint",
}

// sequence makes the sequence of a column that counts. It gives the column's value
// in rows that the old version writes.
func (c *compiler) sequence(t *table, n *column, name, options, up string) string {
	n.SequenceName = fit(t.facts.Name + "_" + name + "_seq")
	if n.Identity != "" {
		n.SequenceName = fit("_segue_" + n.SequenceName)
	}
	n.Sequence = qualified(c.base, n.SequenceName)
	n.NotNull = true
	n.fallback = say("pg_catalog.nextval(%s::pg_catalog.regclass)", literal(n.Sequence))
	kind := ""
	if integers[strings.ToLower(n.Type)] {
		kind = " AS " + n.Type
	}
	c.expand("sequence of "+t.Name+"."+name, "CREATE SEQUENCE %s%s %s", n.Sequence, kind, options)
	c.undo("sequence of "+t.Name+"."+name, "DROP SEQUENCE IF EXISTS %s", n.Sequence)
	if up == "" {
		up = n.fallback
	}
	return up
}

// generated adds a generated column. PostgreSQL writes the whole table for it, and
// lets nobody read it meanwhile.
func (c *compiler) generated(t *table, n *column, col *operation.Column) error {
	const most = 10_000
	if t.Rows > most {
		return fmt.Errorf("a generated column has all %.0f rows of %s written while nobody may read them: add a column with up and keep it by a trigger, or do it by plain SQL when nobody is there", t.Rows, t.Name)
	}
	n.Generated, n.Default = true, substitute(col.Generated.Expression, t.physicalNames())
	return nil
}

// physicalNames gives for each column of the new version whose name is another what it is
// called until contract.
func (t *table) physicalNames() map[string]string {
	names := map[string]string{}
	for _, f := range t.now {
		if f.phys != f.Name {
			names[f.Name] = f.phys
		}
	}
	return names
}

// unused gives a name that no column of the table has.
func (t *table) unused(name string) string {
	all := slices.Concat(t.before, t.now)
	for i := 2; slices.ContainsFunc(all, func(f field) bool { return f.phys == name }); i++ {
		name = fit(say("%s_%d", name, i))
	}
	return name
}
