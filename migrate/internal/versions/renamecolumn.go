package versions

import (
	"fmt"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// renameColumn gives a column another name in the new version's view. The table's
// own column has its old name until contract, when views follow it.
func (c *compiler) renameColumn(op *operation.RenameColumn) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	f, err := t.column(op.From)
	if err != nil {
		return err
	}
	if t.now.find(op.To) != nil {
		return fmt.Errorf("table %s has a column %s already", t.Name, op.To)
	}
	if t.created {
		return c.renameCreated(t, f, op.To)
	}
	l := c.layer(t, nil, nil)
	l.rename(op.From, op.To)
	f.Name = op.To
	return nil
}
