package versions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/phased"
	"github.com/seguehq/segue/migrate/internal/script"
)

// Statements gives the plain SQL of migrations, statement by statement, as a gate
// wants to see it.
func Statements(ms []Migration) ([]phased.Statement, error) {
	var all []phased.Statement
	for _, m := range ms {
		for _, op := range m.Ops {
			plain, ok := op.(*operation.SQL)
			if !ok {
				continue
			}
			some, err := statements(m.Name, plain)
			if err != nil {
				return nil, at(m, op, err)
			}
			for i := range some {
				some[i].File, some[i].Line = m.File, op.Where().Line
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

func at(m Migration, op operation.Operation, err error) error {
	return fmt.Errorf("%s:%d: %s: %w", m.File, op.Where().Line, op.Kind(), err)
}

// statements takes an operation's SQL apart as that of a phased migration is, since
// PostgreSQL wants some statements to be alone.
func statements(migration string, op *operation.SQL) ([]phased.Statement, error) {
	f := phased.File{Name: "up", Phase: script.Expand, Text: op.Up}
	if op.OnComplete {
		f.Phase = script.Contract
	}
	if strings.TrimSpace(op.Down) != "" {
		f.Text += "\n;\n-- +goose Down\n" + op.Down
	}
	return phased.Read(dialect.Postgres, phased.Migration{Name: migration, Files: []phased.File{f}})
}

// plainSQL runs statements as they are, at the beginning of expand or at contract.
// What they do to the tables is shown by the views, which are made behind them.
func (c *compiler) plainSQL(op *operation.SQL) error {
	all, err := statements(c.migration, op)
	if err != nil {
		return err
	}
	var undos []script.Step
	for _, s := range all {
		switch s.Phase {
		case script.Expand:
			c.direct = append(c.direct, s.Step)
		case script.Contract:
			c.removals = append(c.removals, s.Step)
		default:
			undos = append(undos, s.Step)
			c.lost = append(c.lost, s.Lost...)
		}
	}
	slices.Reverse(undos) // since all are taken back from the end
	c.undos = append(c.undos, undos...)
	c.showAgain = c.showAgain || op.OnComplete
	if !op.OnComplete && len(undos) == 0 {
		c.stays = fmt.Sprintf("migration %s runs SQL and does not say how it is taken back (down)", c.migration)
	}
	return nil
}

// viewsAgain gives the step that shows in the new version what plain SQL has done
// at contract: then names and columns are the tables' own.
func (c *compiler) viewsAgain() []script.Step {
	if !c.showAgain {
		return nil
	}
	after := &compiler{catalog: &catalog{base: c.base, server: c.server, old: c.schema, path: c.path}, schema: c.schema, migration: c.migration}
	return after.views()
}

// setReplicaIdentity changes it for both versions: it is the table's.
func (c *compiler) setReplicaIdentity(op *operation.SetReplicaIdentity) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	to := strings.ToUpper(op.Identity.Type)
	if op.Identity.Type == "index" {
		if !t.created && t.index(op.Identity.Index) == nil {
			return fmt.Errorf("table %s has no index %s that is there before this change", op.Table, op.Identity.Index)
		}
		to = "USING INDEX " + ident(op.Identity.Index)
	}
	c.expand("replica identity of "+op.Table, "ALTER TABLE %s REPLICA IDENTITY %s", t.sql(c.catalog), to)
	if !t.created {
		c.undo("replica identity of "+op.Table, "ALTER TABLE %s REPLICA IDENTITY %s", t.sql(c.catalog), t.identity())
	}
	return nil
}

func (t *table) index(name string) *indexFacts {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name {
			return &t.Indexes[i]
		}
	}
	return nil
}

// identity gives the replica identity that the table has.
func (t *table) identity() string {
	switch t.Identity {
	case "f":
		return "FULL"
	case "n":
		return "NOTHING"
	}
	for _, x := range t.Indexes {
		if t.Identity == "i" && x.IsIdentity {
			return "USING INDEX " + ident(x.Name)
		}
	}
	return "DEFAULT"
}
