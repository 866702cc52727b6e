package versions

import (
	"fmt"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// alterColumn changes a column. What only the new version's view has to know (a
// name, a default) is done without another column; all else would be in the old
// release's way, which goes on with its own.
func (c *compiler) alterColumn(op *operation.AlterColumn) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	f, err := t.column(op.Column)
	if err != nil {
		return err
	}
	name := op.Column
	if op.Name != "" && op.Name != op.Column {
		if t.now.find(op.Name) != nil {
			return fmt.Errorf("table %s has a column %s already", t.Name, op.Name)
		}
		name = op.Name
	}
	if t.created {
		return c.alterCreated(t, f, op, name)
	}
	if err := c.convertible(t, f, op); err != nil {
		return err
	}
	up, down := only(name, op.Up), only(op.Column, op.Down)
	if !replaces(op) { // both see the same values, whatever is written there
		up, down = nil, nil
	}
	l := c.layer(t, up, down)
	l.rename(op.Column, name)
	f.Name = name
	if replaces(op) {
		c.replace(t, f)
	}
	c.alterFacts(f, op)
	return c.constrain(t, f, op.Unique, op.Check, op.References)
}

// replaces tells whether the versions need a column each.
func replaces(op *operation.AlterColumn) bool {
	return op.Type != "" || op.Nullable != nil || op.Unique != nil || op.Check != nil || op.References != nil
}

// convertible tells what is missing to have both versions see values that they
// can live with.
func (c *compiler) convertible(t *table, f *field, op *operation.AlterColumn) error {
	of := t.Name + "." + op.Column
	switch {
	case !replaces(op):
		return nil
	case f.Generated:
		return fmt.Errorf("column %s is generated: drop it, and add another", of)
	case op.Nullable != nil && !*op.Nullable && op.Up == "":
		return fmt.Errorf("column %s becomes NOT NULL, and the old release goes on to write NULLs: say by up what they are for the new one, as in up: COALESCE(%s, '')", of, op.Column)
	case op.Nullable != nil && *op.Nullable && f.NotNull && op.Down == "":
		return fmt.Errorf("column %s may be NULL for the new release, and not for the old one: say by down what it is for the old one, as in down: COALESCE(%s, '')", of, op.Column)
	case op.Check != nil && op.Up == "":
		return fmt.Errorf("column %s gets a check, and the old release goes on to write what it likes: say by up what a value is for the new one that breaks the check", of)
	case op.References != nil && op.Up == "":
		return fmt.Errorf("column %s gets a foreign key, and the old release goes on to write what it likes: say by up what a value is for the new one that refers to nothing", of)
	}
	return nil
}

// replace gives a field of the new version a column of its own, which triggers
// keep like the old one. One that it has already is changed as it is, which
// nobody has used yet.
func (c *compiler) replace(t *table, f *field) {
	if !t.before.has(f.column) {
		f.migration = c.migration
		return
	}
	old := f.column
	n := &column{columnFacts: old.columnFacts, phys: t.unused(newName(old.phys)), replaces: old, migration: c.migration, fallback: old.fallback}
	n.Default = ""
	if old.comment != nil {
		n.Comment = *old.comment
	}
	switch {
	case n.fallback != "":
	case old.Identity != "":
		n.fallback = say("pg_catalog.nextval(%s::pg_catalog.regclass)", literal(old.Sequence))
	default:
		n.fallback = old.Default
	}
	old.fallback = ""
	f.column = n
}

// alterFacts says what the column is from now on.
func (c *compiler) alterFacts(f *field, op *operation.AlterColumn) {
	if op.Type != "" {
		f.Type, f.Collation = op.Type, ""
		if f.fallback != "" && f.Sequence == "" {
			f.fallback = say("CAST((%s) AS %s)", f.fallback, f.Type)
		}
	}
	if op.Nullable != nil {
		f.NotNull = !*op.Nullable
	}
	switch {
	case op.Default.Set && op.Default.Null:
		f.fallback = noDefault(f.Type)
	case op.Default.Set:
		f.fallback = op.Default.Text
	}
	if op.Comment.Set {
		f.Comment, f.comment = op.Comment.Text, &op.Comment.Text
	}
}

func only(name, expr string) map[string]string {
	if expr == "" {
		return nil
	}
	return map[string]string{name: expr}
}
