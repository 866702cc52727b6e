package gate

import (
	"slices"

	"github.com/seguehq/segue/migrate/internal/script"
)

// mariadb judges a statement for MariaDB. What the server does at once, beside
// others or under a lock was asked of MariaDB 10.11 itself; claims_test.go asks again.
func (j *judge) mariadb(c *cursor) {
	if c.take("SET", "STATEMENT") && !j.settings(c) {
		return
	}
	switch {
	case c.is("ALTER"):
		j.mariaAlter(c)
	case c.take("CREATE"):
		j.mariaCreate(c)
	case c.take("DROP"):
		j.mariaDrop(c)
	case c.is("GRANT"), c.is("ANALYZE", "TABLE"):
	case c.take("REVOKE"):
		j.report("revoke")
	case j.transaction(c), j.dataStatement(c):
	case j.mariaMaintains(c), j.mariaSession(c), j.mariaHidden(c):
	default:
		j.unknown()
	}
}

// settings judges SET STATEMENT … FOR, whose settings hold for one statement.
func (j *judge) settings(c *cursor) bool {
	harmless := []string{"FOREIGN_KEY_CHECKS", "LOCK_WAIT_TIMEOUT", "INNODB_LOCK_WAIT_TIMEOUT", "MAX_STATEMENT_TIME", "SORT_BUFFER_SIZE", "INNODB_SORT_BUFFER_SIZE"}
	for !c.end() {
		name := c.peek().key
		c.skip()
		if !slices.Contains(harmless, name) || !c.take("=") {
			j.report("session-setting")
			return false
		}
		if value := c.peek(); name == "FOREIGN_KEY_CHECKS" && (value.key == "0" || value.is("OFF")) {
			j.anyCheck = true
		}
		c.skip()
		if c.take("FOR") {
			return true
		}
		if !c.take(",") {
			break
		}
	}
	j.unknown()
	return false
}

func (j *judge) mariaMaintains(c *cursor) bool {
	switch {
	case c.take("OPTIMIZE"), c.take("REPAIR"):
		j.report("rewrite-table")
	case c.is("LOCK", "TABLE"), c.is("LOCK", "TABLES"), c.is("UNLOCK"), c.is("FLUSH"):
		j.report("lock-table")
	case c.take("RENAME", "TABLE"), c.take("RENAME", "TABLES"):
		j.mariaRename(c)
	case c.is("RENAME", "USER"):
		j.report("alter-role")
	case c.take("TRUNCATE"):
		j.truncate(c)
	default:
		return false
	}
	return true
}

// mariaRename judges RENAME TABLE, which gives all names at one moment. In contract
// a table may take the name that another, a view as a rule, gives up in it.
func (j *judge) mariaRename(c *cursor) {
	from, to := []string{}, []string{}
	for {
		c.take("IF", "EXISTS")
		a, ok := c.name()
		if c.take("WAIT") {
			c.skip()
		}
		c.take("NOWAIT")
		isTo := c.take("TO")
		b, named := c.name()
		if !ok || !isTo || !named {
			j.unknown()
			return
		}
		from, to = append(from, a), append(to, b)
		if !c.take(",") {
			break
		}
	}
	for i, name := range from {
		taken := j.stmt.Phase == script.Contract && (slices.Contains(to, name) || slices.Contains(from, to[i]))
		if !taken {
			j.report("rename-table", tableOf(name))
		}
	}
	j.finish(c)
}

func (j *judge) mariaSession(c *cursor) bool {
	switch {
	case c.is("SET", "PASSWORD"), c.is("SET", "ROLE"), c.is("SET", "DEFAULT", "ROLE"):
		j.report("alter-role")
	case c.is("SET"), c.is("USE"):
		j.report("session-setting")
	case c.is("DELIMITER"), c.is("SOURCE"):
		j.report("client-command")
	default:
		return false
	}
	return true
}

func (j *judge) mariaHidden(c *cursor) bool {
	switch {
	case c.is("DO"), c.is("CALL"), c.is("EXECUTE"), c.is("PREPARE"), c.is("DEALLOCATE"), c.is("BEGIN", "NOT", "ATOMIC"):
		j.report("hidden-effect")
	case c.is("SELECT"), c.is("VALUES"), c.is("("), c.is("WITH"):
		j.query(c)
	default:
		return false
	}
	return true
}

func (j *judge) mariaCreate(c *cursor) {
	replace := routinePrefix(c)
	switch {
	case c.take("TABLE"):
		j.mariaCreateTable(c, replace)
	case c.is("UNIQUE"), c.is("FULLTEXT"), c.is("SPATIAL"), c.is("INDEX"):
		j.mariaIndex(c, replace)
	case c.take("VIEW"):
		j.createView(c, replace)
	case c.take("FUNCTION"), c.take("PROCEDURE"), c.take("PACKAGE"):
		j.createRoutine(c, replace)
	case c.take("TRIGGER"):
		j.mariaTrigger(c, replace)
	case c.take("EVENT"):
		if replace {
			j.report("replace-trigger")
		}
	case c.take("SEQUENCE"):
		if replace {
			j.report("drop-object")
		}
	case c.is("USER"), c.is("ROLE"):
		j.createRole(c)
		if replace {
			j.report("alter-role")
		}
	case c.is("DATABASE"), c.is("SCHEMA"):
		if replace {
			j.report("drop-schema")
		}
	default:
		j.unknown()
	}
}

func (j *judge) mariaCreateTable(c *cursor, replace bool) {
	exists := c.take("IF", "NOT", "EXISTS")
	name, ok := c.name()
	if !ok {
		j.unknown()
		return
	}
	if replace {
		j.report("drop-table", tableOf(name))
	}
	at := c.at
	if inner, ok := c.parens(); ok && !holds(j.kind, inner, "SELECT") {
		j.tableParts(inner)
	} else {
		c.at = at
	}
	if c.has("SELECT") {
		j.report("copy-table")
	}
	j.make(tableOf(name), exists || replace)
}

func (j *judge) mariaIndex(c *cursor, replace bool) {
	kind := c.takeOne("UNIQUE", "FULLTEXT", "SPATIAL")
	if !c.take("INDEX") {
		j.unknown()
		return
	}
	exists := c.take("IF", "NOT", "EXISTS")
	index, _ := c.name()
	if c.take("USING") {
		c.skip()
	}
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
	if replace {
		j.report("drop-index", tableOf(table))
	}
	j.mariaLocks(c.rest(), table)
	j.mariaNewIndex(kind, table, inner)
	j.make("index "+index, exists || replace)
}

func (j *judge) mariaNewIndex(kind, table string, inner []token) {
	if kind == "FULLTEXT" || kind == "SPATIAL" {
		j.report("fulltext-index-blocks", tableOf(table))
		return
	}
	j.indexColumns(table, inner, kind == "UNIQUE")
}

func (j *judge) mariaTrigger(c *cursor, replace bool) {
	c.take("IF", "NOT", "EXISTS")
	name, _ := c.name()
	for !c.end() && !c.take("ON") {
		c.skip()
	}
	table, _ := c.name()
	j.trigger(name, table, replace)
}

// mariaDrops: longer words first.
var mariaDrops = []dropped{
	{"TABLE", "drop-table", tableOf},
	{"VIEW", "drop-view", tableOf},
	{"FUNCTION", "drop-function", nil},
	{"PROCEDURE", "drop-function", nil},
	{"PACKAGE", "drop-function", nil},
	{"TRIGGER", "drop-trigger", nil},
	{"EVENT", "drop-trigger", nil},
	{"SEQUENCE", "drop-object", nil},
	{"SERVER", "drop-object", nil},
	{"DATABASE", "drop-schema", nil},
	{"SCHEMA", "drop-schema", nil},
	{"USER", "alter-role", nil},
	{"ROLE", "alter-role", nil},
}

func (j *judge) mariaDrop(c *cursor) {
	if !c.take("INDEX") {
		if c.is("PREPARE") {
			j.report("hidden-effect")
			return
		}
		j.drop(c, mariaDrops)
		return
	}
	c.take("IF", "EXISTS")
	name, _ := c.name()
	table := ""
	if c.take("ON") {
		table, _ = c.name()
	}
	j.mariaLocks(c.rest(), table)
	j.report("drop-index", "index "+name, tableOf(table))
}

// mariaLocks reports a lock that is asked for, and tells whether the server was
// told to refuse any: then it does nothing, rather than block.
func (j *judge) mariaLocks(rest []token, table string) (instant, beside bool) {
	for i := range rest {
		c := newCursor(j.kind, rest[i:])
		switch {
		case c.take("ALGORITHM"):
			c.take("=")
			instant = instant || c.is("INSTANT")
			if c.is("COPY") {
				j.report("alter-copies", tableOf(table))
			}
		case c.take("LOCK"):
			c.take("=")
			beside = beside || c.is("NONE")
			if c.is("SHARED") || c.is("EXCLUSIVE") {
				j.report("alter-copies", tableOf(table))
			}
		}
	}
	return instant, beside || instant
}
