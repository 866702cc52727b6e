package versions

import (
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// noDefault is the default of a view's column that is to have none: without one the
// table's own would be used, and PostgreSQL forgets a default that is plain NULL.
func noDefault(kind string) string { return "CASE WHEN false THEN CAST(NULL AS " + kind + ") END" }

// settleDefault gives the steps of contract by which a default of the version's view
// becomes the table's.
func (c *compiler) settleDefault(t *table, f field) []script.Step {
	var steps []script.Step
	note := "default of " + t.facts.Name + "." + f.Name
	add := func(sql string, args ...any) { steps = append(steps, c.step(note, sql, args...)) }
	table, col := t.sql(c.catalog), ident(f.phys)
	if f.fallback != "" {
		switch {
		case f.Identity != "":
		case f.fallback == noDefault(f.Type):
			add("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, col)
		default:
			add("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, col, f.fallback)
		}
		add("ALTER VIEW %s ALTER COLUMN %s DROP DEFAULT", qualified(c.schema, t.Name), ident(f.Name))
	}
	switch {
	case t.before.has(f.column) || f.Sequence == "":
	case f.Identity != "":
		add("ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)", table, col,
			identityKind[f.Identity], qualified(c.base, newName(f.SequenceName)), f.Options)
		add("SELECT pg_catalog.setval(%s, s.last_value, s.is_called) FROM %s AS s",
			literal(qualified(c.base, newName(f.SequenceName))), f.Sequence)
	default:
		if integers[strings.ToLower(f.Type)] {
			add("ALTER SEQUENCE %s AS %s", f.Sequence, f.Type)
		}
		add("ALTER SEQUENCE %s OWNED BY %s.%s", f.Sequence, table, col)
	}
	return steps
}

var identityKind = map[string]string{"a": "ALWAYS", "d": "BY DEFAULT"}

// integers are the types that a sequence may have.
var integers = map[string]bool{
	"smallint": true, "integer": true, "bigint": true, "int": true, "int2": true, "int4": true, "int8": true,
}

// settleSequence gives an identity's sequence the name that it is to have, when the
// one that counted so far is gone with its column, or is not needed any more.
func (c *compiler) settleSequence(t *table, f field) []script.Step {
	if f.Identity == "" {
		return nil
	}
	note, name := "sequence of "+t.facts.Name+"."+f.Name, f.SequenceName
	var steps []script.Step
	if f.replaces == nil {
		steps = append(steps, c.step(note, "DROP SEQUENCE %s", f.Sequence))
		name = fit(t.facts.Name + "_" + f.Name + "_seq")
	}
	return append(steps, c.step(note, "ALTER SEQUENCE %s RENAME TO %s", qualified(c.base, newName(f.SequenceName)), ident(name)))
}
