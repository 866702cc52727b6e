package gate

import "github.com/seguehq/segue/migrate/internal/script"

// pgConstraint judges a constraint that is added to a table.
func (j *judge) pgConstraint(c *cursor, table string) {
	name := ""
	if c.take("CONSTRAINT") {
		name, _ = c.part()
	}
	notValid := c.takeLast("NOT", "VALID")
	c.takeLast("NOT", "ENFORCED")
	t := tableOf(table)
	switch {
	case c.take("CHECK"):
		j.pgCheck(c, table, name, notValid)
	case c.take("UNIQUE"):
		if c.take("USING", "INDEX") {
			break
		}
		j.report("add-unique", t)
		j.newConstraint(c, table)
	case c.take("PRIMARY", "KEY"):
		j.pgPrimaryKey(c, t)
	case c.take("FOREIGN", "KEY"):
		if !notValid {
			j.report("add-foreign-key", t)
		}
		j.newConstraint(c, table)
	case c.take("EXCLUDE"):
		j.report("add-exclusion", t)
	default:
		j.unknown()
	}
	j.make(constraintOf(table, name), name == "")
}

func (j *judge) pgPrimaryKey(c *cursor, t string) {
	if !c.is("USING", "INDEX") {
		j.report("add-primary-key", t)
	}
	j.report("set-not-null", t)
}

// newConstraint warns of a constraint on columns that the running release writes.
// Of those that it does not know, all rows have NULL for now.
func (j *judge) newConstraint(c *cursor, table string) {
	inner, ok := c.parens()
	known := ok
	for _, p := range parts(inner) {
		name, ok := newCursor(j.kind, p).part()
		known = known && ok && j.has(columnOf(table, name)) && !j.has(withDefault(table, name))
	}
	if !known || j.stmt.Phase != script.Expand {
		j.report("new-constraint", tableOf(table))
	}
}

// pgCheck judges a CHECK. One that says IS NOT NULL is the first half of SET NOT NULL.
func (j *judge) pgCheck(c *cursor, table, name string, notValid bool) {
	t := tableOf(table)
	inner, ok := c.parens()
	c.take("NO", "INHERIT")
	j.finish(c)
	if !ok {
		return
	}
	if !notValid {
		j.report("add-check", t)
	}
	column, notNull := isNotNull(j.kind, inner)
	switch {
	case !notNull:
		j.report("new-constraint", t)
	case j.has(withDefault(table, column)):
	case j.has(columnOf(table, column)):
		j.report("add-not-null-without-default", t)
	default:
		j.report("set-not-null", t)
	}
	if notNull {
		j.make(notNullCheck(table, name)+column, false)
	}
}

// isNotNull gives the column of a condition that says no more than that it is not NULL.
func isNotNull(kind Kind, condition []token) (string, bool) {
	c := newCursor(kind, condition)
	for {
		inner, ok := c.parens()
		if !ok || !c.end() {
			break
		}
		c = newCursor(kind, inner)
	}
	name, ok := c.part()
	return name, ok && c.take("IS", "NOT", "NULL") && c.end()
}
