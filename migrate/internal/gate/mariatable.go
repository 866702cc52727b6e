package gate

import "github.com/seguehq/segue/migrate/internal/script"

// An altering is an ALTER TABLE of MariaDB that is looked at.
type altering struct {
	j       *judge
	table   string
	t       string // as made calls it
	instant bool   // the server is told to refuse what is not done at once
	beside  bool   // the server is told to refuse what would lock others out
}

func (j *judge) mariaAlter(c *cursor) {
	c.take("ALTER")
	online := c.take("ONLINE")
	ignore := c.take("IGNORE")
	if !c.take("TABLE") {
		j.mariaAlterOther(c)
		return
	}
	c.take("IF", "EXISTS")
	table, ok := c.name()
	if !ok {
		j.unknown()
		return
	}
	a := &altering{j: j, table: table, t: tableOf(table)}
	a.instant, a.beside = j.mariaLocks(c.rest(), table)
	a.beside = a.beside || online
	if ignore {
		j.report("alter-ignore", a.t)
	}
	if c.take("WAIT") {
		c.skip()
	}
	c.take("NOWAIT")
	for _, part := range parts(c.rest()) {
		if len(part) == 0 {
			j.unknown()
			return
		}
		j.at = part[0].at
		a.action(newCursor(j.kind, part))
	}
}

func (j *judge) mariaAlterOther(c *cursor) {
	for !c.end() && (c.is("DEFINER") || c.is("ALGORITHM") || c.is("SQL")) {
		routinePrefix(c)
	}
	switch {
	case c.take("VIEW"):
		name, _ := c.name()
		j.report("replace-view", tableOf(name))
	case c.is("FUNCTION"), c.is("PROCEDURE"):
		j.report("replace-function")
	case c.is("EVENT"):
		j.report("replace-trigger")
	case c.is("SEQUENCE"):
		j.report("restart-sequence")
	case c.is("USER"), c.is("DATABASE"), c.is("SCHEMA"), c.is("SERVER"):
		j.report("alter-role")
	default:
		j.unknown()
	}
}

func (a *altering) action(c *cursor) {
	switch {
	case c.take("ADD"):
		a.add(c)
	case c.take("DROP"):
		a.drop(c)
	case c.take("MODIFY"):
		c.take("COLUMN")
		c.take("IF", "EXISTS")
		a.modify(c)
	case c.take("CHANGE"):
		c.take("COLUMN")
		c.take("IF", "EXISTS")
		a.change(c)
	case c.take("ALTER"):
		a.column(c)
	case c.take("RENAME"):
		a.rename(c)
	case a.option(c), a.partition(c):
	default:
		a.j.unknown()
	}
}

// option judges a setting of the table.
func (a *altering) option(c *cursor) bool {
	switch {
	case c.is("ALGORITHM"), c.is("LOCK"): // seen already
	case c.is("COMMENT"), c.is("AUTO_INCREMENT"), c.is("STATS_PERSISTENT"), c.is("STATS_AUTO_RECALC"), c.is("STATS_SAMPLE_PAGES"),
		c.is("DEFAULT"), c.is("CHARACTER", "SET"), c.is("CHARSET"), c.is("COLLATE"):
		// Of what comes in from now on, not of what is there.
	case c.is("CONVERT", "TO"):
		if !a.beside {
			a.j.report("change-type", a.t)
		}
	case c.is("ENGINE"), c.is("FORCE"), c.is("ROW_FORMAT"), c.is("KEY_BLOCK_SIZE"), c.is("PAGE_COMPRESSED"), c.is("PAGE_COMPRESSION_LEVEL"), c.is("ENCRYPTED"):
		if !a.beside {
			a.j.report("rewrite-table", a.t)
		}
	default:
		return false
	}
	return true
}

func (a *altering) partition(c *cursor) bool {
	if !c.is("TRUNCATE") && !c.is("EXCHANGE") && !c.is("REORGANIZE") && !c.is("COALESCE") {
		return false
	}
	a.j.report("detach-partition", a.t)
	if a.j.stmt.Phase == script.Contract && !c.is("TRUNCATE") {
		a.j.report("alter-copies", a.t)
	}
	return true
}

func (a *altering) add(c *cursor) {
	switch {
	case c.is("PARTITION"):
		a.j.report("attach-partition", a.t)
	case c.is("FULLTEXT"), c.is("SPATIAL"), c.is("INDEX"), c.is("KEY"):
		a.index(c, c.takeOne("FULLTEXT", "SPATIAL"))
	case beginsConstraint(c):
		a.constraint(c)
	case c.is("PERIOD"), c.is("SYSTEM"):
		a.j.unknown()
	default:
		c.take("COLUMN")
		exists := c.take("IF", "NOT", "EXISTS")
		if inner, ok := c.parens(); ok {
			for _, part := range parts(inner) {
				a.addColumn(newCursor(c.kind, part), exists)
			}
			a.j.finish(c)
			return
		}
		a.addColumn(c, exists)
	}
}

func (a *altering) addColumn(c *cursor, exists bool) {
	j := a.j
	d := readColumn(c)
	if !d.understood {
		j.unknown()
	}
	if d.references && !j.anyCheck {
		j.report("add-foreign-key", a.t)
	}
	j.addColumn(a.table, &d)
	j.make(columnOf(a.table, d.name), exists)
	if !d.noDefault() {
		j.make(withDefault(a.table, d.name), exists)
	}
}

// index reads an index behind ADD: [INDEX|KEY] [name] [USING type] (columns).
func (a *altering) index(c *cursor, kind string) {
	c.takeOne("INDEX", "KEY")
	c.take("IF", "NOT", "EXISTS")
	if !c.is("(") && !c.is("USING") {
		if name, ok := c.part(); ok {
			a.j.make("index "+name, false)
		}
	}
	if c.take("USING") {
		c.skip()
	}
	inner, ok := c.parens()
	if !ok {
		a.j.unknown()
		return
	}
	a.j.mariaNewIndex(kind, a.table, inner)
}

func (a *altering) constraint(c *cursor) {
	j := a.j
	if c.take("CONSTRAINT") && !beginsConstraint(c) {
		c.take("IF", "NOT", "EXISTS")
		name, _ := c.part()
		j.make(constraintOf(a.table, name), false)
	}
	switch {
	case c.take("UNIQUE"):
		a.index(c, "UNIQUE")
	case c.take("PRIMARY", "KEY"):
		j.report("set-not-null", a.t)
		if !a.beside {
			j.report("add-primary-key", a.t)
		}
	case c.take("FOREIGN", "KEY"):
		if !j.anyCheck {
			j.report("add-foreign-key", a.t)
		}
		c.take("IF", "NOT", "EXISTS")
		if !c.is("(") {
			c.skip()
		}
		j.newConstraint(c, a.table)
	case c.take("CHECK"):
		j.report("add-check", a.t)
		j.report("new-constraint", a.t)
	default:
		j.unknown()
	}
}

func (a *altering) drop(c *cursor) {
	j := a.j
	switch {
	case c.take("PRIMARY", "KEY"):
		j.report("drop-constraint", a.t)
		j.report("alter-copies", a.t)
	case c.take("INDEX"), c.take("KEY"):
		c.take("IF", "EXISTS")
		name, _ := c.part()
		j.report("drop-index", a.t, "index "+name)
	case c.take("FOREIGN", "KEY"), c.take("CONSTRAINT"), c.take("CHECK"):
		c.take("IF", "EXISTS")
		name, _ := c.part()
		j.report("drop-constraint", a.t, constraintOf(a.table, name))
	case c.take("PARTITION"):
		j.report("detach-partition", a.t)
	case c.is("SYSTEM"), c.is("PERIOD"):
		j.unknown()
	default:
		c.take("COLUMN")
		c.take("IF", "EXISTS")
		name, ok := c.part()
		if !ok {
			j.unknown()
		}
		j.report("drop-column", a.t, columnOf(a.table, name))
	}
}

func (a *altering) change(c *cursor) {
	from, _ := c.part()
	at := c.at
	to, _ := c.part()
	c.at = at
	if from != to {
		a.j.report("rename-column", a.t, columnOf(a.table, from))
	}
	a.modify(c)
}

// modify judges a column that is defined anew. The server knows what it was
// before; told to refuse what is not done at once, it lets no NULL become
// forbidden and no value be converted.
func (a *altering) modify(c *cursor) {
	j := a.j
	d := readColumn(c)
	if !d.understood {
		j.unknown()
	}
	if a.instant {
		return
	}
	if d.notNull || d.primary {
		j.report("set-not-null", a.t)
	}
	if !a.beside {
		j.report("change-type", a.t)
	}
}

func (a *altering) column(c *cursor) {
	j := a.j
	if c.take("INDEX") || c.take("KEY") {
		c.skip()
		if c.is("IGNORED") {
			j.report("drop-index", a.t)
		}
		return
	}
	c.take("COLUMN")
	if _, ok := c.part(); !ok {
		j.unknown()
		return
	}
	switch {
	case c.is("SET", "DEFAULT"):
	case c.is("DROP", "DEFAULT"):
		if !j.free(a.t) {
			j.report("drop-default")
		}
	default:
		j.unknown()
	}
}

func (a *altering) rename(c *cursor) {
	j := a.j
	switch {
	case c.is("INDEX"), c.is("KEY"): // no query of a release names one, but in a hint
	case c.take("COLUMN"):
		c.take("IF", "EXISTS")
		name, _ := c.part()
		j.report("rename-column", a.t, columnOf(a.table, name))
	default:
		j.report("rename-table", a.t)
	}
}
