// Package versions compiles operations into the script of a change of a
// PostgreSQL database that two releases use at the same time, each as it knows it.
//
// The new release gets a schema of views, by which it sees the tables as they are
// to be; the old one goes on with the views of its own schema, or with the tables.
// A column that both know, but not alike, is there twice, and triggers carry over
// what either writes. A trigger knows who writes by current_schema(), which is the
// first schema of the search_path that exists and may be used: never by the text
// of the setting, which others may have put more into.
//
// The design is that which pgroll's documentation describes
// (https://pgroll.com/docs); what an operation means is the same. It differs in
// these: all migrations that a release brings are one change, with one schema, one
// pair of triggers and one backfill for each table; how far a row has come stands
// in the row itself; and the whole change is data, before its first statement is run.
package versions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A Queryer asks the database. Compile changes nothing.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// A Migration is one file of operations.
type Migration struct {
	Name          string
	File          string // for errors
	VersionSchema string // replaces Name in the schema's; empty: it does not
	Ops           []operation.Operation
}

// Schema gives the name of the schema of views that a release finds whose last
// migration this is: "public_0008_split". It is one that PostgreSQL does not cut off.
func (m Migration) Schema(base string) string {
	if m.VersionSchema != "" {
		return fit(base + "_" + m.VersionSchema)
	}
	return fit(base + "_" + m.Name)
}

// Compile works out what the migrations do together to the schema base, as it is
// now: no change is open. The statements name all that is base's or the version's with its
// schema; what they find by search_path is what the user's expressions name so, and is
// to be found by that of q's connection.
//
// fresh says that nobody uses the database yet. It makes no difference to the
// script, which is right for an empty database, too.
func Compile(ctx context.Context, q Queryer, base string, ms []Migration, fresh bool) (script.Script, error) {
	if len(ms) == 0 {
		return script.Script{}, errors.New("compile a change: there are no migrations")
	}
	cat, err := read(ctx, q, base)
	if err != nil {
		return script.Script{}, fmt.Errorf("read the tables of schema %s: %w", base, err)
	}
	around, err := cat.look(ctx, q)
	if err != nil {
		return script.Script{}, fmt.Errorf("read the routines of schema %s: %w", base, err)
	}
	c := newCompiler(cat, around, ms[len(ms)-1].Schema(base))
	for _, m := range ms {
		c.migration = m.Name
		for _, op := range m.Ops {
			if err := c.apply(op); err != nil {
				return script.Script{}, at(m, op, err)
			}
		}
	}
	return c.finish()
}
