package gate

import "slices"

// pgCreate judges CREATE.
func (j *judge) pgCreate(c *cursor) {
	replace := c.take("OR", "REPLACE")
	for c.takeOne("GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "RECURSIVE", "FOREIGN", "CONSTRAINT", "TRUSTED") != "" {
	}
	switch {
	case c.take("TABLE"):
		j.pgCreateTable(c)
	case c.is("UNIQUE", "INDEX"), c.is("INDEX"):
		j.pgIndex(c)
	case c.take("VIEW"), c.take("MATERIALIZED", "VIEW"):
		j.createView(c, replace)
	case c.is("FUNCTION"), c.is("PROCEDURE"), c.is("AGGREGATE"):
		c.skip()
		j.createRoutine(c, replace)
	case c.take("TRIGGER"):
		name, _ := c.part()
		for !c.end() && !c.take("ON") {
			c.skip()
		}
		table, _ := c.name()
		j.trigger(name, table, replace)
	case c.take("RULE"):
		j.report("create-rule")
	case c.take("POLICY"):
		j.policy(c)
	case c.is("ROLE"), c.is("USER"), c.is("GROUP"):
		j.createRole(c)
	default:
		j.pgCreateOther(c)
	}
}

func (j *judge) pgCreateTable(c *cursor) {
	exists := c.take("IF", "NOT", "EXISTS")
	name, ok := c.name()
	if !ok {
		j.unknown()
		return
	}
	if c.take("PARTITION", "OF") {
		parent, _ := c.name()
		j.report("attach-partition", tableOf(parent))
	}
	inner, _ := c.parens()
	j.tableParts(inner)
	if c.has("AS") || c.has("EXECUTE") {
		j.report("copy-table")
	}
	j.make(tableOf(name), exists)
}

// tableParts gives advice on what a new table is made of.
func (j *judge) tableParts(inner []token) {
	keys := map[string]bool{}
	for _, part := range parts(inner) {
		c := newCursor(j.kind, part)
		if beginsConstraint(c) {
			for name := range keyColumns(c) {
				keys[name] = true
			}
		}
	}
	for _, part := range parts(inner) {
		c := newCursor(j.kind, part)
		if c.end() || beginsConstraint(c) || c.is("LIKE") {
			continue
		}
		d := readColumn(c)
		d.primary = d.primary || keys[d.name]
		j.advise(&d)
	}
}

// keyColumns are the columns of PRIMARY KEY (…).
func keyColumns(c *cursor) map[string]bool {
	if c.take("CONSTRAINT") {
		c.skip()
	}
	all := map[string]bool{}
	if !c.take("PRIMARY", "KEY") {
		return all
	}
	inner, _ := c.parens()
	for _, p := range parts(inner) {
		name, _ := newCursor(c.kind, p).part()
		all[name] = true
	}
	return all
}

func (j *judge) pgIndex(c *cursor) {
	unique := c.take("UNIQUE")
	c.take("INDEX")
	concurrently := c.take("CONCURRENTLY")
	exists := c.take("IF", "NOT", "EXISTS")
	index := ""
	if !c.is("ON") {
		index, _ = c.name()
	}
	if !c.take("ON") {
		j.unknown()
		return
	}
	c.take("ONLY")
	table, ok := c.name()
	if c.take("USING") {
		c.skip()
	}
	inner, columns := c.parens()
	if !ok || !columns {
		j.unknown()
		return
	}
	j.concurrent(concurrently, "create-index-blocks", tableOf(table))
	j.indexColumns(table, inner, unique)
	j.make("index "+index, exists || index == "")
}

// indexColumns judges what an index is over, in any database.
func (j *judge) indexColumns(table string, inner []token, unique bool) {
	if len(parts(inner)) > 3 && !unique {
		j.report("wide-index")
	}
	if unique {
		wrapped := append(append([]token{{class: punct, key: "("}}, inner...), token{class: punct, key: ")"})
		j.newConstraint(newCursor(j.kind, wrapped), table)
	}
}

func (j *judge) createView(c *cursor, replace bool) {
	exists := c.take("IF", "NOT", "EXISTS")
	name, ok := c.name()
	if !ok {
		j.unknown()
		return
	}
	if replace {
		j.report("replace-view", tableOf(name))
	}
	j.make(tableOf(name), exists || replace)
}

func (j *judge) createRoutine(c *cursor, replace bool) {
	exists := c.take("IF", "NOT", "EXISTS")
	name, ok := c.name()
	parameters, _ := c.parens()
	if j.kind == MariaDB {
		parameters = nil // a name is one routine there
	}
	if !ok {
		j.unknown()
		return
	}
	if replace {
		j.report("replace-function", routineOf(name, parameters))
	}
	j.make(routineOf(name, parameters), exists || replace)
}

func (j *judge) policy(c *cursor) {
	name, _ := c.part()
	if !c.take("ON") {
		j.unknown()
		return
	}
	table, _ := c.name()
	j.report("row-level-security", tableOf(table))
	j.make("POLICY "+name+" ON "+table, false)
}

// createRole: a role does nobody harm, but its password is read by everybody.
func (j *judge) createRole(c *cursor) {
	if c.has("PASSWORD") || c.has("IDENTIFIED") {
		j.report("alter-role")
	}
}

// pgCreateOther judges what is created without touching what is there.
func (j *judge) pgCreateOther(c *cursor) {
	kind := c.takeOne("TYPE", "SEQUENCE", "EXTENSION", "STATISTICS", "COLLATION", "SCHEMA", "DOMAIN")
	if kind == "" {
		j.unknown()
		return
	}
	exists := c.take("IF", "NOT", "EXISTS")
	name, _ := c.name()
	switch kind {
	case "DOMAIN":
		if c.has("CHECK") || c.has("NOT", "NULL") {
			j.report("domain-with-constraint")
		}
		kind = "TYPE"
	case "SCHEMA":
		if c.take("AUTHORIZATION") {
			c.skip()
		}
		j.finish(c)
	}
	j.make(map[string]string{"TYPE": "type ", "SEQUENCE": "sequence ", "EXTENSION": "extension ", "STATISTICS": "statistics ", "SCHEMA": "schema "}[kind]+name, exists)
}

// advise tells what will be regretted about a new column.
func (j *judge) advise(d *column) {
	if len(d.typ) == 0 {
		return
	}
	if j.kind == Postgres {
		j.pgAdvise(d)
	}
	short := slices.Contains([]string{"INT", "INTEGER", "INT4", "SMALLINT", "INT2", "SERIAL", "SERIAL4", "SMALLSERIAL", "SERIAL2", "MEDIUMINT", "TINYINT"}, d.typ[0])
	if short && (d.primary || d.numbered) {
		j.report("int-key")
	}
}

func (j *judge) pgAdvise(d *column) {
	switch d.typ[0] {
	case "JSON":
		j.report("json-column")
	case "VARCHAR":
		j.limited(d)
	case "CHAR", "CHARACTER", "BPCHAR":
		if len(d.typ) > 1 && d.typ[1] == "VARYING" {
			j.limited(d)
		} else {
			j.report("char-column")
		}
	case "TIMESTAMP":
		if !slices.Contains(d.typ, "WITH") {
			j.report("timestamp-without-zone")
		}
	case "SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8":
		j.report("serial-column")
	}
}

func (j *judge) limited(d *column) {
	if d.sized {
		j.report("varchar-limit")
	}
}

// longNames reports names that PostgreSQL would cut off.
func (j *judge) longNames(tokens []token) {
	for _, t := range tokens {
		if (t.class == word || t.class == quoted) && len(t.key) > 63 {
			j.report("long-name")
			return
		}
	}
}
