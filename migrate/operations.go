package migrate

import (
	"context"
	"fmt"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
	"github.com/seguehq/segue/migrate/internal/versions"
)

// Schema gives the schema that the set's release finds its tables in, if its last
// migration is one of operations (PostgreSQL): "public_0008_split". Empty: it finds
// them in the base schema.
func (s Set) Schema(base string) string {
	if len(s) == 0 || s[len(s)-1].operations == nil {
		return ""
	}
	return s[len(s)-1].version().Schema(base)
}

// version gives a migration of operations as the compiler takes it.
func (m Migration) version() versions.Migration {
	return versions.Migration{Name: m.Name, File: m.Files[0], VersionSchema: m.operations.VersionSchema, Ops: m.operations.Operations}
}

// compileOperations makes the script of migrations of operations, and asks the gate
// about the SQL that is among them.
func (d *Database) compileOperations(ctx context.Context, on dialect.Session, set Set, fresh bool) (script.Script, []Finding, error) {
	var all []versions.Migration
	for _, m := range set {
		all = append(all, m.version())
	}
	plain, err := versions.Statements(all)
	if err != nil {
		return script.Script{}, nil, err
	}
	s, err := versions.Compile(ctx, on, d.base, all, fresh)
	return s, d.ask(ctx, on, plain), err
}

// operable refuses operations where they cannot be done.
func (s Set) operable(kind dialect.Kind) error {
	first, last := -1, -1
	for i, m := range s {
		if m.operations == nil {
			last = i
			continue
		}
		first = i
		if kind != dialect.Postgres {
			return fmt.Errorf("%s:1: operations are for PostgreSQL alone; write %s.expand.sql and %[2]s.contract.sql instead", m.Files[0], m.Name)
		}
	}
	if first >= 0 && last >= 0 {
		return fmt.Errorf("%s and %s cannot be one change, since what SQL makes is not known before it is run, and the other builds on it: "+
			"deploy one after the other, or write both in the same way", s[first].Files[0], s[last].Files[0])
	}
	return nil
}
