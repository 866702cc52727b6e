package gate

// pgAlter judges ALTER.
func (j *judge) pgAlter(c *cursor) {
	switch {
	case c.take("TABLE"), c.take("FOREIGN", "TABLE"):
		j.pgTable(c)
	case c.take("INDEX"):
		j.pgAlterIndex(c)
	case c.take("MATERIALIZED", "VIEW"), c.take("VIEW"):
		j.pgAlterView(c)
	case c.take("TYPE"):
		j.pgType(c)
	case c.take("DOMAIN"):
		j.pgDomain(c)
	case c.take("FUNCTION"), c.take("PROCEDURE"), c.take("ROUTINE"), c.take("AGGREGATE"):
		name, _ := c.name()
		parameters, _ := c.parens()
		j.alterTail(c, "replace-function", "rename-object", routineOf(name, parameters))
	case c.take("SEQUENCE"):
		c.take("IF", "EXISTS")
		name, _ := c.name()
		if !c.is("OWNED", "BY") {
			j.alterTail(c, "restart-sequence", "rename-object", "sequence "+name)
		}
	case c.take("TRIGGER"), c.take("POLICY"):
		j.report("replace-trigger")
	case c.take("SCHEMA"):
		name, _ := c.name()
		j.alterTail(c, "unknown-statement", "rename-schema", "schema "+name)
	default:
		j.pgAlterOther(c)
	}
}

// pgAlterOther judges what is altered beyond the tables.
func (j *judge) pgAlterOther(c *cursor) {
	switch {
	case c.take("DATABASE"):
		c.skip()
		if c.is("RENAME") {
			j.report("rename-schema")
		} else {
			j.report("alter-role")
		}
	case c.is("ROLE"), c.is("USER"), c.is("GROUP"), c.is("SYSTEM"):
		j.report("alter-role")
	case c.is("DEFAULT", "PRIVILEGES"):
		if c.has("REVOKE") {
			j.report("revoke")
		}
	default:
		j.unknown()
	}
}

// alterTail judges what follows the name in most forms of ALTER: another name,
// another schema, another owner, or else.
func (j *judge) alterTail(c *cursor, otherwise, rename string, about ...string) {
	switch {
	case c.is("RENAME"), c.is("SET", "SCHEMA"):
		j.report(rename, about...)
	case c.is("OWNER", "TO"):
		j.report("change-owner", about...)
	default:
		j.report(otherwise, about...)
	}
}

func (j *judge) pgAlterIndex(c *cursor) {
	if c.is("ALL", "IN", "TABLESPACE") {
		j.report("set-tablespace")
		return
	}
	c.take("IF", "EXISTS")
	name, _ := c.name()
	switch {
	case c.is("RENAME", "TO"), c.is("SET", "("), c.is("RESET", "("), c.is("ATTACH", "PARTITION"), c.has("SET", "STATISTICS"):
		// No query names an index, and none waits for this.
	case c.is("SET", "TABLESPACE"):
		j.report("set-tablespace", "index "+name)
	default:
		j.unknown()
	}
}

func (j *judge) pgAlterView(c *cursor) {
	c.take("IF", "EXISTS")
	name, _ := c.name()
	t := tableOf(name)
	switch {
	case c.is("RENAME", "TO"), c.is("SET", "SCHEMA"):
		j.report("rename-table", t)
	case c.is("RENAME"):
		j.report("rename-column", t)
	case c.is("SET", "TABLESPACE"):
		j.report("set-tablespace", t)
	case c.has("SET", "DEFAULT"), c.is("CLUSTER", "ON"):
	default:
		j.alterTail(c, "replace-view", "rename-table", t)
	}
}

func (j *judge) pgType(c *cursor) {
	name, _ := c.name()
	t := "type " + name
	switch {
	case c.take("ADD", "VALUE"):
		j.report("add-enum-value", t)
	case c.is("RENAME", "VALUE"):
		j.report("rename-enum-value", t)
	case c.is("ADD", "ATTRIBUTE"), c.is("DROP", "ATTRIBUTE"), c.is("ALTER", "ATTRIBUTE"):
		j.report("change-type", t)
	default:
		j.alterTail(c, "unknown-statement", "rename-object", t)
	}
}

func (j *judge) pgDomain(c *cursor) {
	name, _ := c.name()
	t := "type " + name
	switch {
	case c.is("ADD"):
		if !c.takeLast("NOT", "VALID") {
			j.report("alter-domain", t)
		}
		j.report("new-constraint", t)
	case c.is("SET", "NOT", "NULL"), c.is("VALIDATE"), c.is("SET", "DEFAULT"):
		j.report("alter-domain", t)
	case c.is("DROP", "DEFAULT"):
		if !j.free(t) {
			j.report("drop-default")
		}
	case c.is("DROP", "NOT", "NULL"):
		j.report("drop-not-null", t)
	case c.is("DROP", "CONSTRAINT"):
		j.report("drop-constraint", t)
	default:
		j.alterTail(c, "unknown-statement", "rename-object", t)
	}
}
