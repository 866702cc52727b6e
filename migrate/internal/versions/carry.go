package versions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// carried is what contract does about indexes and constraints that new columns have
// as their old ones.
type carried struct {
	drop  []script.Step // before the old columns go
	names []script.Step // when they are gone
}

// carry gives new columns the indexes and constraints of those that they replace:
// ON CONFLICT finds a unique index by the new release's columns, too. At contract
// they get the old ones' names.
func (c *compiler) carry(t *table) (carried, error) {
	var k carried
	sub := map[string]string{}
	dropped := map[string]bool{}
	for _, f := range t.gone() {
		dropped[f.phys] = true
	}
	for _, f := range t.fresh() {
		if f.replaces != nil {
			sub[f.replaces.phys] = f.phys
			delete(dropped, f.replaces.phys)
			c.requireNotNull(t, f)
		} else if f.checked() {
			c.requireNotNull(t, f)
		}
	}
	if len(sub) > 0 && t.Kind == "p" && t.hangsOn(sub) {
		return k, fmt.Errorf("%s is partitioned, and a column with an index or a foreign key is replaced: PostgreSQL makes neither without blocking writers there; do it by plain SQL, partition by partition", t.facts.Name)
	}
	touches := func(columns []string) bool {
		return slices.ContainsFunc(columns, func(n string) bool { return sub[n] != "" }) &&
			!slices.ContainsFunc(columns, func(n string) bool { return dropped[n] })
	}
	for _, x := range t.Indexes {
		if touches(x.Columns) && !t.without[x.Name] && !t.without[x.Constraint] {
			if err := c.carryIndex(t, x, sub, &k); err != nil {
				return k, err
			}
		}
	}
	for _, x := range t.Constraints {
		if (x.Type == "c" || x.Type == "f") && !t.without[x.Name] && (touches(x.Columns) || x.Type == "f" && c.refersTo(t, x, sub)) {
			c.carryConstraint(t, x, sub, &k)
		}
	}
	return k, c.carryInbound(t, sub, dropped, &k)
}

// hangsOn tells whether a column has what a partitioned table cannot be given
// without blocking.
func (t *table) hangsOn(sub map[string]string) bool {
	has := func(columns []string) bool {
		return slices.ContainsFunc(columns, func(n string) bool { return sub[n] != "" })
	}
	return slices.ContainsFunc(t.Indexes, func(x indexFacts) bool { return has(x.Columns) && !t.without[x.Constraint] && !t.without[x.Name] }) ||
		slices.ContainsFunc(t.Constraints, func(x constraintFacts) bool { return x.Type == "f" && has(x.Columns) && !t.without[x.Name] })
}

// requireNotNull has a new column checked for NULLs, if it is to have none.
// PostgreSQL believes a valid check when the column is then made NOT NULL.
func (c *compiler) requireNotNull(t *table, f field) {
	if !f.checked() {
		return
	}
	defer func(m string) { c.migration = m }(c.migration)
	c.migration = f.migration
	note, name := "not null "+t.Name+"."+f.Name, ident(notNullCheck(f.phys))
	c.guard(note, "ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID", t.sql(c.catalog), name, ident(f.phys))
	c.validate(note, "ALTER TABLE %s VALIDATE CONSTRAINT %s", t.sql(c.catalog), name)
}

func (c *compiler) carryIndex(t *table, x indexFacts, sub map[string]string, k *carried) error {
	if x.IsIdentity {
		return fmt.Errorf("index %s is the replica identity of %s, and one of its columns is replaced: set another with set_replica_identity in a migration before this one", x.Name, t.facts.Name)
	}
	head, def, _ := strings.Cut(x.Def, " USING ")
	if x.Constraint != "" && !x.Unique || strings.Contains(x.Def, "WITHOUT OVERLAPS") {
		return fmt.Errorf("exclusion constraint %s of %s has a column that is replaced, and cannot be made without blocking writers: drop it before", x.Name, t.facts.Name)
	}
	unique := ""
	if strings.HasPrefix(head, "CREATE UNIQUE") {
		unique = "UNIQUE "
	}
	method, fields, _ := strings.Cut(def, " ")
	name := newName(x.Name)
	c.checks = append(c.checks, c.indexStep(name, "index "+x.Name+" on new columns of "+t.facts.Name, "CREATE %sINDEX CONCURRENTLY %s ON %s USING %s %s",
		unique, ident(name), t.sql(c.catalog), method, substitute(fields, sub))) // undo drops it with its columns
	var s script.Step
	switch {
	case x.Primary:
		s = c.step("primary key "+x.Constraint, "ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s%s",
			t.sql(c.catalog), ident(x.Constraint), ident(name), x.Deferrable)
	case x.Constraint != "":
		s = c.step("unique constraint "+x.Constraint, "ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s%s",
			t.sql(c.catalog), ident(x.Constraint), ident(name), x.Deferrable)
	default:
		s = c.step("index "+x.Name, "ALTER INDEX %s RENAME TO %s", qualified(c.base, name), ident(x.Name))
	}
	k.names = append(k.names, s)
	if x.Comment != "" {
		k.names = append(k.names, c.step("comment on index "+x.Name, "COMMENT ON INDEX %s IS %s", qualified(c.base, x.Name), literal(x.Comment)))
	}
	return nil
}

func (c *compiler) carryConstraint(t *table, x constraintFacts, sub map[string]string, k *carried) {
	def := x.Def
	if x.Type == "f" {
		own, other, _ := strings.Cut(def, " REFERENCES ")
		if c.refersTo(t, x, sub) {
			other = substituteReferred(other, sub)
		}
		def = substitute(own, sub) + " REFERENCES " + other
	} else {
		def = substitute(def, sub)
	}
	name := newName(x.Name)
	note := "constraint " + x.Name + " on new columns of " + t.facts.Name
	add := c.guard
	if x.Type == "f" && c.refersTo(t, x, sub) { // the unique index is to be there first
		add = c.late
	}
	add(note, "ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", t.sql(c.catalog), ident(name), def)
	if x.Validated {
		c.validate(note, "ALTER TABLE %s VALIDATE CONSTRAINT %s", t.sql(c.catalog), ident(name))
	}
	if x.Type == "f" {
		c.undo(note, "ALTER TABLE IF EXISTS %s DROP CONSTRAINT IF EXISTS %s", t.sql(c.catalog), ident(name))
		k.drop = append(k.drop, c.step("constraint "+x.Name, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", t.sql(c.catalog), ident(x.Name)))
	}
	k.names = append(k.names, c.step("constraint "+x.Name, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s",
		t.sql(c.catalog), ident(name), ident(x.Name)))
	if x.Comment != "" {
		k.names = append(k.names, c.step("comment on constraint "+x.Name, "COMMENT ON CONSTRAINT %s ON %s IS %s", ident(x.Name), t.sql(c.catalog), literal(x.Comment)))
	}
}

// late adds a statement of backfill that is run when indexes before it are there.
func (c *compiler) late(note, sql string, args ...any) {
	c.checks = append(c.checks, c.step(note, sql, args...))
}

// refersTo tells whether a foreign key of a table is to columns of its own that are replaced.
func (c *compiler) refersTo(t *table, x constraintFacts, sub map[string]string) bool {
	for _, in := range t.Inbound {
		if in.Schema == c.base && in.Table == t.facts.Name && in.Name == x.Name {
			return slices.ContainsFunc(in.Columns, func(n string) bool { return sub[n] != "" })
		}
	}
	return false
}

// substituteReferred is substitute for what follows REFERENCES: only the columns
// in the first parenthesis are the other table's.
func substituteReferred(def string, sub map[string]string) string {
	table, rest, _ := strings.Cut(def, "(")
	columns, rest, _ := strings.Cut(rest, ")")
	return table + "(" + substitute(columns, sub) + ")" + rest
}

// carryInbound gives foreign keys of other tables the new columns to refer to, and
// drops the old ones at contract.
func (c *compiler) carryInbound(t *table, sub map[string]string, dropped map[string]bool, k *carried) error {
	for _, in := range t.Inbound {
		if slices.ContainsFunc(in.Columns, func(n string) bool { return dropped[n] }) {
			return fmt.Errorf("foreign key %s of %s.%s is to a column of %s that is dropped: drop it in a migration before this one", in.Name, in.Schema, in.Table, t.facts.Name)
		}
		if in.Schema == c.base && in.Table == t.facts.Name || !slices.ContainsFunc(in.Columns, func(n string) bool { return sub[n] != "" }) {
			continue
		}
		if other := c.physical(in.Table); in.Schema == c.base && other != nil && other.replacesKey(in.Name) {
			return fmt.Errorf("foreign key %s of %s has columns replaced at both its ends: do one in this release, and the other in the next", in.Name, in.Table)
		}
		table, name := qualified(in.Schema, in.Table), newName(in.Name)
		own, other, _ := strings.Cut(in.Def, " REFERENCES ")
		note := "foreign key " + in.Name + " of " + in.Table + " to new columns of " + t.facts.Name
		c.late(note, "ALTER TABLE %s ADD CONSTRAINT %s %s REFERENCES %s NOT VALID", table, ident(name), own, substituteReferred(other, sub))
		if in.Validated {
			c.validate(note, "ALTER TABLE %s VALIDATE CONSTRAINT %s", table, ident(name))
		}
		c.undo(note, "ALTER TABLE IF EXISTS %s DROP CONSTRAINT IF EXISTS %s", table, ident(name))
		k.drop = append(k.drop, c.step(note, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, ident(in.Name)))
		k.names = append(k.names, c.step(note, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table, ident(name), ident(in.Name)))
	}
	return nil
}

// replacesKey tells whether a column of one of the table's constraints is replaced.
func (t *table) replacesKey(name string) bool {
	k := t.constraint(name)
	return k != nil && slices.ContainsFunc(t.now, func(f field) bool {
		return f.replaces != nil && slices.Contains(k.Columns, f.replaces.phys)
	})
}
