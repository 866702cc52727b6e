package versions

import "github.com/seguehq/segue/migrate/internal/operation"

// What follows is done to tables that this very change makes: nobody uses them yet,
// so they are changed as they are. The rows that they may have are those that the change's own SQL
// has put there.

// addToCreated adds a column.
func (c *compiler) addToCreated(t *table, op *operation.AddColumn) error {
	col := &op.Column
	def := ident(col.Name) + " " + col.Type
	switch {
	case col.Generated != nil && col.Generated.Expression != "":
		def += " GENERATED ALWAYS AS (" + col.Generated.Expression + ") STORED"
	case col.Generated != nil && col.Generated.Identity != nil:
		kind := col.Generated.Identity.UserSpecifiedValues
		if kind == "" {
			kind = "ALWAYS"
		}
		def += " GENERATED " + kind + " AS IDENTITY"
		if o := col.Generated.Identity.SequenceOptions; o != "" {
			def += " (" + o + ")"
		}
	case col.Default != nil:
		def += " DEFAULT " + *col.Default
	}
	if col.PK {
		def += " PRIMARY KEY"
	}
	table := t.sql(c.catalog)
	note := "add column " + t.Name + "." + col.Name
	c.expand(note, "ALTER TABLE %s ADD COLUMN %s", table, def)
	n := &column{phys: col.Name, added: true, migration: c.migration}
	n.columnFacts = columnFacts{Name: col.Name, Type: col.Type, NotNull: !col.Nullable, Target: -1, Comment: col.Comment}
	t.now = append(t.now, field{col.Name, n})
	if op.Up != "" {
		c.expand(note, "UPDATE %s SET %s = (%s)", table, ident(col.Name), op.Up)
	}
	if !col.Nullable && !col.PK {
		c.expand(note, "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", table, ident(col.Name))
	}
	if col.Comment != "" {
		c.expand(note, "COMMENT ON COLUMN %s.%s IS %s", table, ident(col.Name), literal(col.Comment))
	}
	return c.constrainCreated(t, t.now.find(col.Name), uniqueOf(t, col), col.Check, col.References)
}

// alterCreated changes a column.
func (c *compiler) alterCreated(t *table, f *field, op *operation.AlterColumn, name string) error {
	table, col, note := t.sql(c.catalog), ident(f.phys), "alter column "+t.Name+"."+f.Name
	up := op.Up
	if up == "" {
		up = col
	}
	alter := func(what string) { c.expand(note, "ALTER TABLE %s ALTER COLUMN %s %s", table, col, what) }
	switch {
	case op.Type != "":
		if f.Default != "" || f.fallback != "" {
			alter("DROP DEFAULT")
		}
		f.Type = op.Type
		alter("TYPE " + op.Type + " USING CAST((" + up + ") AS " + op.Type + ")")
	case op.Up != "":
		c.expand(note, "UPDATE %s SET %s = (%s)", table, col, up)
	}
	if op.Nullable != nil {
		f.NotNull = !*op.Nullable
		alter(map[bool]string{true: "DROP NOT NULL", false: "SET NOT NULL"}[*op.Nullable])
	}
	switch {
	case op.Default.Set && op.Default.Null:
		alter("DROP DEFAULT")
	case op.Default.Set:
		alter("SET DEFAULT " + op.Default.Text)
	}
	if op.Comment.Set {
		f.Comment = op.Comment.Text
		value := literal(op.Comment.Text)
		if op.Comment.Null {
			value = "NULL"
		}
		c.expand(note, "COMMENT ON COLUMN %s.%s IS %s", table, col, value)
	}
	if name != f.Name {
		if err := c.renameCreated(t, f, name); err != nil {
			return err
		}
	}
	return c.constrainCreated(t, f, op.Unique, op.Check, op.References)
}

// renameCreated renames a column.
func (c *compiler) renameCreated(t *table, f *field, name string) error {
	c.expand("rename column "+t.Name+"."+f.Name, "ALTER TABLE %s RENAME COLUMN %s TO %s", t.sql(c.catalog), ident(f.phys), ident(name))
	f.Name, f.phys = name, name
	return nil
}

// constrainCreated gives a column its constraints.
func (c *compiler) constrainCreated(t *table, f *field, u *operation.Unique, k *operation.Check, r *operation.References) error {
	add := func(name, def string) {
		c.expand("constraint "+name+" of "+t.Name, "ALTER TABLE %s ADD CONSTRAINT %s %s", t.sql(c.catalog), ident(name), def)
	}
	if u != nil {
		add(u.Name, "UNIQUE ("+ident(f.phys)+")")
	}
	if k != nil {
		add(k.Name, "CHECK ("+k.Constraint+")")
	}
	if r == nil {
		return nil
	}
	to, err := c.table(r.Table)
	if err != nil {
		return err
	}
	col, err := to.column(r.Column)
	if err != nil {
		return err
	}
	add(r.Name, say("FOREIGN KEY (%s) %s", ident(f.phys), referring(to.sql(c.catalog), col.phys, r)))
	return nil
}
