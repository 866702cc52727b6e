package gate

import (
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// pgTable judges ALTER TABLE, action by action.
func (j *judge) pgTable(c *cursor) {
	if c.is("ALL", "IN", "TABLESPACE") {
		j.report("set-tablespace")
		return
	}
	c.take("IF", "EXISTS")
	c.take("ONLY")
	table, ok := c.name()
	if !ok {
		j.unknown()
		return
	}
	c.take("*")
	for _, part := range parts(c.rest()) {
		if len(part) == 0 {
			j.unknown()
			return
		}
		j.at = part[0].at
		j.pgAction(newCursor(j.kind, part), table)
	}
}

func (j *judge) pgAction(c *cursor, table string) {
	if c.take("VALIDATE", "CONSTRAINT") {
		j.validate(c, table)
		return
	}
	if c.is("SET", "(") || c.is("RESET", "(") || c.is("CLUSTER", "ON") || c.is("SET", "WITHOUT", "CLUSTER") {
		return // settings of the table: no lock that reads or writes wait for
	}
	j.lock(table)
	switch {
	case c.take("ADD"):
		j.pgAdd(c, table)
	case c.take("DROP"):
		j.pgDrop(c, table)
	case c.take("ALTER", "CONSTRAINT"):
		j.unknown()
	case c.take("ALTER"):
		c.take("COLUMN")
		j.pgColumn(c, table)
	case j.pgRename(c, table), j.pgWhole(c, table), j.pgPartition(c, table):
	default:
		j.unknown()
	}
}

// validate: reading all rows blocks nobody, unless the table is locked already.
func (j *judge) validate(c *cursor, table string) {
	name, _ := c.part()
	if j.locked[table] {
		j.report("validate-in-same-transaction")
	}
	for key := range j.made {
		if column, ok := strings.CutPrefix(key, notNullCheck(table, name)); ok {
			j.make(neverNull(table, column), false)
		}
	}
	j.finish(c)
}

func (j *judge) pgAdd(c *cursor, table string) {
	if beginsConstraint(c) {
		j.pgConstraint(c, table)
		return
	}
	c.take("COLUMN")
	exists := c.take("IF", "NOT", "EXISTS")
	d := readColumn(c)
	if !d.understood {
		j.unknown()
	}
	j.addColumn(table, &d)
	j.make(columnOf(table, d.name), exists)
	if !d.noDefault() {
		j.make(withDefault(table, d.name), exists)
	}
}

// addColumn judges a column that is added to a table, in any database.
func (j *judge) addColumn(table string, d *column) {
	t := tableOf(table)
	if d.numbered {
		j.report("add-serial", t)
	}
	if d.stored {
		j.report("add-stored-generated", t)
	}
	if d.notNull && d.noDefault() {
		j.report("add-not-null-without-default", t)
	}
	if volatile(j.kind, d.def) {
		j.report("add-volatile-default", t)
	}
	if d.primary {
		j.report("add-primary-key", t)
	}
	if j.kind == Postgres {
		j.pgAddChecked(t, d)
	}
	j.advise(d)
}

// pgAddChecked: PostgreSQL reads the table for a new column's constraints, but for
// a foreign key of a column that is NULL everywhere.
func (j *judge) pgAddChecked(t string, d *column) {
	if d.unique {
		j.report("add-unique", t)
	}
	if d.check != nil {
		j.report("add-check", t)
	}
	if d.references && !d.noDefault() {
		j.report("add-foreign-key", t)
	}
}

func (j *judge) pgDrop(c *cursor, table string) {
	cascade := c.takeLast("CASCADE")
	c.takeLast("RESTRICT")
	rule, about := "drop-column", columnOf
	if c.take("CONSTRAINT") {
		rule, about = "drop-constraint", constraintOf
	} else {
		c.take("COLUMN")
	}
	c.take("IF", "EXISTS")
	name, ok := c.part()
	if !ok {
		j.unknown()
		return
	}
	j.report(rule, tableOf(table), about(table, name))
	if cascade && !j.free(tableOf(table), about(table, name)) {
		j.report("drop-cascade")
	}
	j.finish(c)
}

// pgColumn judges ALTER COLUMN.
func (j *judge) pgColumn(c *cursor, table string) {
	name, ok := c.part()
	t := tableOf(table)
	switch {
	case !ok:
		j.unknown()
	case c.is("TYPE"), c.is("SET", "DATA", "TYPE"):
		j.retypes(c, table, name)
	case c.take("SET", "NOT", "NULL"):
		j.setNotNull(table, name)
		j.finish(c)
	case c.is("SET", "DEFAULT"), c.is("SET", "STATISTICS"), c.is("SET", "STORAGE"), c.is("SET", "COMPRESSION"), c.is("SET", "("), c.is("RESET", "("):
	case c.take("DROP", "NOT", "NULL"):
		j.report("drop-not-null", t, columnOf(table, name))
		j.finish(c)
	case c.is("DROP", "DEFAULT"), c.is("DROP", "IDENTITY"), c.is("DROP", "EXPRESSION"):
		if !j.free(t) {
			j.report("drop-default")
		}
	case c.is("ADD", "GENERATED"), c.is("SET", "GENERATED"):
		j.unknown()
	case c.is("RESTART"), c.is("SET", "START"), c.is("SET", "INCREMENT"):
		j.report("restart-sequence", t)
	default:
		j.unknown()
	}
}

func (j *judge) setNotNull(table, name string) {
	t := tableOf(table)
	if !j.has(withDefault(table, name)) {
		j.report("set-not-null", t)
	}
	if !j.has(neverNull(table, name)) {
		j.report("set-not-null-scans", t)
	}
}

func (j *judge) pgRename(c *cursor, table string) bool {
	switch {
	case c.take("RENAME", "TO"):
		j.renameTable(c, table)
	case c.is("SET", "SCHEMA"):
		j.report("rename-table", tableOf(table))
	case c.take("RENAME", "CONSTRAINT"):
		name, _ := c.part()
		j.report("rename-object", tableOf(table), constraintOf(table, name))
	case c.take("RENAME"):
		c.take("COLUMN")
		name, ok := c.part()
		j.report("rename-column", tableOf(table), columnOf(table, name))
		return ok && c.is("TO")
	default:
		return false
	}
	return true
}

// renameTable judges RENAME TO. A table may take the name of a view that the same
// transaction has dropped: the new release used that name before, and does after.
func (j *judge) renameTable(c *cursor, table string) {
	name, ok := c.part()
	if !ok {
		j.unknown()
		return
	}
	if j.stmt.Phase != script.Contract || !j.dropped[tableOf(name)] {
		j.report("rename-table", tableOf(table))
	}
	if j.free(tableOf(table)) {
		j.make(tableOf(name), false)
	}
}

// pgWhole judges what is done to the table as a whole.
func (j *judge) pgWhole(c *cursor, table string) bool {
	t := tableOf(table)
	switch {
	case c.is("OWNER", "TO"):
		j.report("change-owner", t)
	case c.is("SET", "LOGGED"), c.is("SET", "UNLOGGED"), c.is("SET", "ACCESS", "METHOD"):
		j.report("rewrite-table", t)
	case c.is("SET", "TABLESPACE"):
		j.report("set-tablespace", t)
	case c.has("ROW", "LEVEL", "SECURITY"):
		j.report("row-level-security", t)
	case c.is("ENABLE"), c.is("DISABLE"):
		j.report("disable-trigger", t)
	case c.is("REPLICA", "IDENTITY"):
	default:
		return false
	}
	return true
}

func (j *judge) pgPartition(c *cursor, table string) bool {
	switch {
	case c.take("ATTACH", "PARTITION"):
		name, _ := c.name()
		j.report("attach-partition", tableOf(table), tableOf(name))
	case c.take("DETACH", "PARTITION"):
		j.report("detach-partition", tableOf(table))
		if !c.has("FINALIZE") {
			j.concurrent(c.has("CONCURRENTLY"), "detach-blocks", tableOf(table))
		}
	default:
		return false
	}
	return true
}

// beginsConstraint tells a constraint of the table from a column.
func beginsConstraint(c *cursor) bool {
	return slices.ContainsFunc([]string{"CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE"}, func(w string) bool { return c.is(w) })
}
