package gate

// dataStatement judges a statement that changes rows.
func (j *judge) dataStatement(c *cursor) bool {
	switch {
	case c.take("UPDATE"):
		c.takeOne("LOW_PRIORITY", "ONLY")
		c.take("IGNORE")
		if c.take("OR") { // SQLite
			c.skip()
		}
		j.changes(c, c.tokens)
	case c.take("DELETE"):
		c.takeOne("LOW_PRIORITY", "QUICK", "IGNORE")
		c.take("FROM")
		c.take("ONLY")
		j.deletes(c)
	case c.is("INSERT"), c.is("REPLACE"):
		j.inserts(c)
	case c.take("MERGE", "INTO"):
		c.take("ONLY")
		j.changes(c, c.tokens)
	case c.is("LOAD", "DATA"), c.is("LOAD", "XML"):
		j.report("change-rows-at-once")
	case c.is("WITH") && (c.has("UPDATE") || c.has("DELETE") || c.has("INSERT") || c.has("MERGE")):
		j.changes(newCursor(c.kind, nil), c.tokens)
	default:
		return false
	}
	return true
}

// changes judges a statement that changes rows of the table that comes next.
func (j *judge) changes(c *cursor, statement []token) {
	name, _ := c.name()
	j.report("change-rows-at-once", tableOf(name))
	if !hasRange(statement) {
		j.report("backfill-without-range", tableOf(name))
	}
}

func (j *judge) deletes(c *cursor) {
	at := c.at
	name, _ := c.name()
	j.report("delete-rows", tableOf(name))
	c.at = at
	j.changes(c, c.tokens)
}

// inserts judges INSERT and REPLACE. Rows that are written down in the statement
// are few.
func (j *judge) inserts(c *cursor) {
	replaces := c.is("REPLACE")
	c.skip()
	if c.take("OR") {
		replaces = c.is("REPLACE")
		c.skip()
	}
	c.takeOne("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY")
	c.take("IGNORE")
	c.take("INTO")
	if replaces || c.has("SELECT") || c.has("TABLE") {
		j.changes(c, c.tokens)
	}
}

func hasRange(tokens []token) bool {
	for _, t := range tokens {
		if t.class == hole && t.key == "range" {
			return true
		}
	}
	return false
}

// trigger judges a new trigger of a table.
func (j *judge) trigger(name, table string, replace bool) {
	what := "TRIGGER " + name + " ON " + table
	if replace {
		j.report("replace-trigger", what, tableOf(table))
	}
	j.report("add-trigger", tableOf(table))
	j.lock(table)
	j.make(what, replace)
}

// lock notes that the transaction has a lock on a table from here on.
func (j *judge) lock(table string) { j.locked[table] = true }
