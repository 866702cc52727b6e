package gate

// sqlite judges a statement for SQLite, whose ALTER TABLE knows four actions.
func (j *judge) sqlite(c *cursor) {
	switch {
	case c.take("ALTER", "TABLE"):
		j.sqliteTable(c)
	case c.take("CREATE"):
		j.sqliteCreate(c)
	case c.take("DROP"):
		j.drop(c, sqliteDrops)
	case c.is("ANALYZE"):
	case j.transaction(c), j.dataStatement(c):
	case c.is("VACUUM"):
		j.report("rewrite-table")
	case c.is("REINDEX"):
		j.report("sqlite-index-blocks")
	case c.is("PRAGMA"):
		j.report("session-setting")
	case c.is("SELECT"), c.is("VALUES"), c.is("WITH"):
		// It reads, and changes nothing: SQLite's functions have no effects.
	case c.is("."):
		j.report("client-command")
	default:
		j.unknown()
	}
}

var sqliteDrops = []dropped{
	{"TABLE", "drop-table", tableOf},
	{"VIEW", "drop-view", tableOf},
	{"INDEX", "drop-index", prefixed("index")},
	{"TRIGGER", "drop-trigger", nil},
}

func (j *judge) sqliteTable(c *cursor) {
	table, _ := c.name()
	t := tableOf(table)
	switch {
	case c.take("RENAME", "TO"):
		j.renameTable(c, table)
	case c.take("RENAME"):
		j.report("rename-column", t)
	case c.take("ADD"):
		c.take("COLUMN")
		j.sqliteAdd(c, table)
	case c.take("DROP"):
		c.take("COLUMN")
		name, _ := c.part()
		j.report("drop-column", t, columnOf(table, name))
		j.report("sqlite-index-blocks", t)
	default:
		j.unknown()
	}
}

func (j *judge) sqliteAdd(c *cursor, table string) {
	d := readColumn(c)
	if !d.understood {
		j.unknown()
	}
	if d.unique || d.primary || d.stored || len(d.def) > 0 && (d.def[0].is("(") || d.def[0].is("CURRENT_TIMESTAMP") || d.def[0].is("CURRENT_DATE") || d.def[0].is("CURRENT_TIME")) {
		j.report("sqlite-add-column")
	}
	if d.notNull && d.noDefault() {
		j.report("add-not-null-without-default", tableOf(table))
	}
	j.make(columnOf(table, d.name), false)
	if !d.noDefault() {
		j.make(withDefault(table, d.name), false)
	}
}

func (j *judge) sqliteCreate(c *cursor) {
	c.takeOne("TEMP", "TEMPORARY")
	unique := c.take("UNIQUE")
	kind := c.takeOne("TABLE", "INDEX", "VIEW", "TRIGGER")
	exists := c.take("IF", "NOT", "EXISTS")
	name, ok := c.name()
	switch {
	case !ok:
		j.unknown()
	case kind == "TABLE":
		if c.take("AS") {
			j.report("copy-table")
		}
		j.make(tableOf(name), exists)
	case kind == "VIEW":
		j.make(tableOf(name), exists)
	case kind == "INDEX":
		j.sqliteIndex(c, name, unique, exists)
	case kind == "TRIGGER":
		for !c.end() && !c.take("ON") {
			c.skip()
		}
		table, _ := c.name()
		j.trigger(name, table, false)
	default:
		j.unknown()
	}
}

func (j *judge) sqliteIndex(c *cursor, name string, unique, exists bool) {
	if !c.take("ON") {
		j.unknown()
		return
	}
	table, _ := c.name()
	inner, ok := c.parens()
	if !ok {
		j.unknown()
		return
	}
	j.report("sqlite-index-blocks", tableOf(table))
	j.indexColumns(table, inner, unique)
	j.make("index "+name, exists)
}
