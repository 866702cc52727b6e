package versions

import (
	"fmt"
	"slices"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// dropColumn takes a column from the new version. The old one keeps it until contract.
func (c *compiler) dropColumn(op *operation.DropColumn) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	f, err := t.column(op.Column)
	if err != nil {
		return err
	}
	if len(t.now) == 1 {
		return fmt.Errorf("%s is the last column of table %s: drop the table", op.Column, t.Name)
	}
	if t.created {
		c.expand("drop column "+t.Name+"."+f.Name, "ALTER TABLE %s DROP COLUMN %s", t.sql(c.catalog), ident(f.phys))
	} else {
		old := f.column
		if old.replaces != nil {
			old = old.replaces
		}
		if op.Down == "" && t.before.has(old) && old.NotNull && old.Default == "" && old.Identity == "" && !old.Generated {
			return fmt.Errorf("column %s.%s is NOT NULL without a default, and the old release still reads it: say by down what it is in rows that the new release writes", t.Name, op.Column)
		}
		c.layer(t, nil, only(op.Column, op.Down))
	}
	gone := f.column
	t.now = slices.DeleteFunc(t.now.clone(), func(f field) bool { return f.column == gone })
	return nil
}
