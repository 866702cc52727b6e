package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/gate"
	"github.com/seguehq/segue/migrate/internal/phased"
	"github.com/seguehq/segue/migrate/internal/script"
)

// without gives the migrations that are not among names.
func (s Set) without(names []string) Set {
	var rest Set
	for _, m := range s {
		if !slices.Contains(names, m.Name) {
			rest = append(rest, m)
		}
	}
	return rest
}

// compile works out what migrations do together to the database as it is, and what
// the gate says of it.
func (d *Database) compile(ctx context.Context, on dialect.Session, set Set, fresh bool) (*Change, []Finding, error) {
	if err := set.operable(d.db.Kind); err != nil {
		return nil, nil, err
	}
	c := &Change{Who: d.options.Who}
	for _, m := range set {
		c.Migrations, c.sums = append(c.Migrations, m.Name), append(c.sums, m.Sum)
	}
	var findings []Finding
	var err error
	if set[0].operations != nil {
		c.Script, findings, err = d.compileOperations(ctx, on, set, fresh)
	} else {
		c.Script, findings, err = d.compilePhased(ctx, on, set, fresh)
	}
	c.Schema, c.Removes = c.Script.Schema, len(c.Script.Contract) > 0
	return c, findings, err
}

func (d *Database) compilePhased(ctx context.Context, on dialect.Session, set Set, fresh bool) (script.Script, []Finding, error) {
	var all [][]phased.Statement
	for _, m := range set {
		statements, err := phased.Read(d.db.Kind, m.phased)
		if err != nil {
			return script.Script{}, nil, err
		}
		all = append(all, statements)
	}
	findings := d.ask(ctx, on, slices.Concat(all...))
	if !fresh {
		for _, statements := range all {
			d.guard(statements, findings)
		}
	}
	s := phased.Script(all)
	for _, step := range s.Backfill {
		if step.Batches == nil {
			continue
		}
		if err := d.findKey(ctx, on, step.Batches); err != nil {
			return s, findings, fmt.Errorf("%s: %w", step.Migration, err)
		}
	}
	drop, err := d.dropViews(ctx, on, set[0].Name)
	s.Contract = append(drop, s.Contract...)
	return s, findings, err
}

// dropViews removes the views of the release before, if it has some: what is
// contracted may be a column of theirs.
func (d *Database) dropViews(ctx context.Context, on dialect.Session, migration string) ([]script.Step, error) {
	if has, err := d.store.exists(ctx, on); err != nil || !has || d.db.Kind != dialect.Postgres {
		return nil, err
	}
	last, err := d.store.ended(ctx, on)
	if err != nil {
		return nil, err
	}
	for _, c := range last {
		if c.State != Done {
			continue
		}
		if c.Schema == "" {
			return nil, nil
		}
		return []script.Step{{Migration: migration, Note: "drop schema " + c.Schema, SQL: "DROP SCHEMA IF EXISTS " + d.db.Quote(c.Schema) + " CASCADE"}}, nil
	}
	return nil, nil
}

// ask has the gate judge statements, in the order in which they are run.
func (d *Database) ask(ctx context.Context, on dialect.Session, statements []phased.Statement) []Finding {
	var change []gate.Statement
	for _, phase := range []script.Phase{script.Expand, script.Backfill, script.Contract} {
		for _, s := range statements {
			if s.Phase == phase {
				change = append(change, gate.Statement{Migration: s.Migration, File: s.File, Line: s.Line, Phase: s.Phase, SQL: s.SQL, Alone: s.Step.Alone || s.Step.Slow})
			}
		}
	}
	var findings []Finding
	for _, f := range gate.CheckOn(gate.Kind(d.db.Kind), d.types(ctx, on), change, d.options.Unsafe...) {
		findings = append(findings, Finding(f))
	}
	return findings
}

// types asks PostgreSQL what a column is. What it does not tell is not known, and
// the gate is strict.
func (d *Database) types(ctx context.Context, on dialect.Session) gate.Types {
	return func(table, column string) string {
		schema, name, qualified := strings.Cut(table, ".")
		if !qualified {
			schema, name = d.base, table
		}
		var t string
		err := on.QueryRowContext(ctx, `SELECT format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
			JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND NOT a.attisdropped`, schema, name, column).Scan(&t)
		if err != nil {
			return ""
		}
		return t
	}
}

func refused(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Refused })
}

// findKey writes a backfill's table as SQL wants it, and asks for its key, if the
// file names none.
func (d *Database) findKey(ctx context.Context, on dialect.Session, b *script.Batches) error {
	table, key, err := d.db.Key(ctx, on, b.Table)
	if err != nil {
		return fmt.Errorf("look for the key of %s: %w", b.Table, err)
	}
	if len(b.Key) == 0 {
		b.Key = key
	}
	if len(b.Key) == 0 {
		return fmt.Errorf("the backfill of %s needs a key by which to divide its rows, and the table has no primary key now; name a unique one without NULLs: -- segue: table=%[1]s key=COLUMN", b.Table)
	}
	b.Table = cmp.Or(table, b.Table)
	return nil
}
