package versions

import (
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// constrain gives a new column its constraints: made without blocking writers, and named
// at contract as the file has it.
func (c *compiler) constrain(t *table, f *field, u *operation.Unique, k *operation.Check, r *operation.References) error {
	if u != nil {
		if err := t.whole("unique constraint"); err != nil {
			return err
		}
		c.unique(t, f, u)
	}
	if k != nil {
		def := "CHECK (" + substitute(k.Constraint, t.physicalNames()) + ")"
		if k.NoInherit {
			def += " NO INHERIT"
		}
		c.constraint(t, f, k.Name, def, false)
		c.ruleCheck(t, k.Name, k.Constraint)
	}
	if r != nil {
		if err := t.whole("foreign key"); err != nil {
			return err
		}
		return c.references(t, f, r)
	}
	return nil
}

func (c *compiler) unique(t *table, f *field, u *operation.Unique) {
	name := newName(u.Name)
	c.ruleUnique(t, "constraint "+u.Name, []string{f.Name}, "")
	f.checks = append(f.checks, c.indexStep(name, "unique index on "+t.Name+"."+f.Name,
		"CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)", ident(name), t.sql(c.catalog), ident(f.phys)))
	f.renames = append(f.renames, c.step("unique constraint "+u.Name, "ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s",
		t.sql(c.catalog), ident(u.Name), ident(name)))
}

// constraint adds a check or a foreign key to a new column. The foreign key is late if
// what it refers to has no unique index before the backfill.
func (c *compiler) constraint(t *table, f *field, as, def string, late bool) {
	name, note := ident(newName(as)), "constraint "+as+" of "+t.Name
	add := c.step(note, "ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", t.sql(c.catalog), name, def)
	check := c.step(note, "ALTER TABLE %s VALIDATE CONSTRAINT %s", t.sql(c.catalog), name)
	check.Alone, check.Slow = true, true
	if late {
		f.checks = append(f.checks, add)
	} else {
		f.guards = append(f.guards, add)
	}
	f.checks = append(f.checks, check)
	f.renames = append(f.renames, c.step(note, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", t.sql(c.catalog), name, ident(as)))
}

func (c *compiler) references(t *table, f *field, r *operation.References) error {
	to, err := c.table(r.Table)
	if err != nil {
		return err
	}
	col, err := to.column(r.Column)
	if err != nil {
		return err
	}
	late := !to.created && !to.before.has(col.column)
	c.constraint(t, f, r.Name, say("FOREIGN KEY (%s) %s", ident(f.phys), referring(to.sql(c.catalog), col.phys, r)), late)
	c.ruleForeignKey(t, r.Name, []string{f.Name}, &operation.TableReferences{Table: r.Table, Columns: []string{r.Column}})
	return nil
}

// referring gives what follows a foreign key's own columns.
func referring(table, column string, r *operation.References) string {
	var b strings.Builder
	b.WriteString("REFERENCES " + table + " (" + ident(column) + ")")
	if r.MatchType != "" {
		b.WriteString(" MATCH " + r.MatchType)
	}
	if r.OnDelete != "" {
		b.WriteString(" ON DELETE " + r.OnDelete)
	}
	if r.OnUpdate != "" {
		b.WriteString(" ON UPDATE " + r.OnUpdate)
	}
	if r.Deferrable || r.InitiallyDeferred {
		b.WriteString(" DEFERRABLE")
	}
	if r.InitiallyDeferred {
		b.WriteString(" INITIALLY DEFERRED")
	}
	return b.String()
}
