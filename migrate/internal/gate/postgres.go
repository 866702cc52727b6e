package gate

import "strings"

// postgres judges a statement for PostgreSQL.
func (j *judge) postgres(c *cursor) {
	switch {
	case c.take("ALTER"):
		j.pgAlter(c)
	case c.take("CREATE"):
		j.pgCreate(c)
	case c.take("DROP"):
		j.drop(c, pgDrops)
	case c.is("COMMENT"), c.is("GRANT"), c.is("ANALYZE"), c.is("ANALYSE"), c.is("NOTIFY"):
		// They take no lock that anybody waits for, and take nothing away.
	case c.take("REVOKE"):
		j.report("revoke")
	case j.transaction(c), j.dataStatement(c):
	case j.pgMaintains(c), j.pgSession(c), j.pgHidden(c):
	default:
		j.unknown()
	}
}

// transaction reports what begins or ends one.
func (j *judge) transaction(c *cursor) bool {
	switch {
	case c.kind == MariaDB && c.is("BEGIN", "NOT", "ATOMIC"):
		return false
	case c.is("BEGIN"), c.is("START", "TRANSACTION"), c.is("COMMIT"), c.is("ROLLBACK"), c.is("ABORT"), c.is("END"), c.is("SAVEPOINT"),
		c.is("RELEASE"), c.is("PREPARE", "TRANSACTION"), c.is("SET", "TRANSACTION"), c.is("SET", "AUTOCOMMIT"), c.is("SET", "CONSTRAINTS"), c.is("XA"):
		j.report("ends-transaction")
		return true
	}
	return false
}

// pgMaintains judges what is done to a whole table for its upkeep.
func (j *judge) pgMaintains(c *cursor) bool {
	switch {
	case c.take("VACUUM"):
		if c.has("FULL") {
			j.report("rewrite-table")
		}
		if !j.stmt.Alone {
			j.report("concurrently-in-transaction")
		}
	case c.take("CLUSTER"), c.take("REPACK"):
		j.report("rewrite-table")
	case c.take("REINDEX"):
		j.concurrent(c.has("CONCURRENTLY"), "reindex-blocks")
	case c.take("REFRESH", "MATERIALIZED", "VIEW"):
		concurrently := c.take("CONCURRENTLY")
		if name, _ := c.name(); !concurrently { // this one may be run in a transaction
			j.report("refresh-blocks", tableOf(name))
		}
	case c.take("LOCK"):
		c.take("TABLE")
		c.take("ONLY")
		name, _ := c.name()
		j.report("lock-table", tableOf(name))
	case c.take("TRUNCATE"):
		j.truncate(c)
	default:
		return false
	}
	return true
}

// concurrent reports what blocks if it is not done CONCURRENTLY, or what cannot
// be done so where it is.
func (j *judge) concurrent(concurrently bool, rule string, about ...string) {
	if !concurrently {
		j.report(rule, about...)
	} else if !j.stmt.Alone {
		j.report("concurrently-in-transaction")
	}
}

func (j *judge) truncate(c *cursor) {
	c.take("TABLE")
	c.take("ONLY")
	names, ok := c.names()
	if !ok {
		j.unknown()
		return
	}
	for _, n := range names {
		j.report("truncate", tableOf(n))
	}
	if c.take("CASCADE") {
		j.report("truncate")
	}
	c.takeOne("RESTART", "CONTINUE")
	c.takeOne("IDENTITY", "RESTRICT", "WAIT", "NOWAIT")
}

// pgSession judges what changes the session.
func (j *judge) pgSession(c *cursor) bool {
	switch {
	case c.take("SET", "LOCAL"):
		for _, w := range []string{"SEARCH_PATH", "LOCK_TIMEOUT", "ROLE", "SESSION", "SCHEMA", "SESSION_REPLICATION_ROLE", "STANDARD_CONFORMING_STRINGS"} {
			if c.is(w) {
				j.report("session-setting")
			}
		}
	case c.is("SET"), c.is("RESET"), c.is("DISCARD"), c.is("LISTEN"), c.is("UNLISTEN"), c.is("LOAD"):
		j.report("session-setting")
	case c.is("REASSIGN"):
		j.report("alter-role")
	default:
		return false
	}
	return true
}

// pgHidden judges what cannot be seen into.
func (j *judge) pgHidden(c *cursor) bool {
	switch {
	case c.is("DO"), c.is("CALL"), c.is("EXECUTE"), c.is("PREPARE"), c.is("DEALLOCATE"):
		j.report("hidden-effect")
	case c.is("SELECT"), c.is("VALUES"), c.is("TABLE"), c.is("("), c.is("WITH"):
		j.query(c)
	case c.take("COPY"):
		if c.has("STDIN") {
			j.report("client-command")
		} else {
			j.unknown()
		}
	default:
		return false
	}
	return true
}

// query judges what reads, or looks as if it did.
func (j *judge) query(c *cursor) {
	switch {
	case c.has("INTO"):
		j.report("copy-table")
	case c.has("SET_CONFIG"):
		j.report("session-setting")
	case c.has("SETVAL"):
		j.report("restart-sequence")
	case c.has("FOR", "UPDATE"), c.has("FOR", "SHARE"):
		j.report("change-rows-at-once")
	}
	j.report("hidden-effect")
}

// A dropping is a kind of thing that DROP drops.
type dropped struct {
	words string // behind DROP
	rule  string
	what  func(name string) string // what it is called in made; nil: it is not kept there
}

func prefixed(prefix string) func(string) string {
	return func(name string) string { return prefix + " " + name }
}

// pgDrops: longer words first.
var pgDrops = []dropped{
	{"MATERIALIZED VIEW", "drop-view", tableOf},
	{"FOREIGN TABLE", "drop-table", tableOf},
	{"TABLE", "drop-table", tableOf},
	{"VIEW", "drop-view", tableOf},
	{"INDEX", "drop-index", prefixed("index")},
	{"FUNCTION", "drop-function", nil},
	{"PROCEDURE", "drop-function", nil},
	{"ROUTINE", "drop-function", nil},
	{"AGGREGATE", "drop-function", nil},
	{"TYPE", "drop-type", prefixed("type")},
	{"DOMAIN", "drop-type", prefixed("type")},
	{"SCHEMA", "drop-schema", prefixed("schema")},
	{"DATABASE", "drop-schema", nil},
	{"EVENT TRIGGER", "drop-trigger", nil},
	{"TRIGGER", "drop-trigger", prefixed("trigger")},
	{"RULE", "drop-trigger", nil},
	{"POLICY", "drop-trigger", prefixed("policy")},
	{"ROLE", "alter-role", nil},
	{"USER", "alter-role", nil},
	{"GROUP", "alter-role", nil},
	{"OWNED", "alter-role", nil},
	{"SEQUENCE", "drop-object", prefixed("sequence")},
	{"EXTENSION", "drop-object", prefixed("extension")},
	{"STATISTICS", "drop-object", prefixed("statistics")},
	{"COLLATION", "drop-object", nil},
	{"CONVERSION", "drop-object", nil},
	{"CAST", "drop-object", nil},
	{"OPERATOR", "drop-object", nil},
	{"TEXT SEARCH", "drop-object", nil},
	{"PUBLICATION", "drop-object", nil},
	{"SUBSCRIPTION", "drop-object", nil},
	{"SERVER", "drop-object", nil},
	{"FOREIGN DATA WRAPPER", "drop-object", nil},
	{"LANGUAGE", "drop-object", nil},
	{"TRANSFORM", "drop-object", nil},
	{"ACCESS METHOD", "drop-object", nil},
	{"TABLESPACE", "drop-object", nil},
}

// drop judges a DROP, whose kinds are given.
func (j *judge) drop(c *cursor, kinds []dropped) {
	c.take("TEMPORARY")
	for _, k := range kinds {
		if c.take(strings.Fields(k.words)...) {
			j.dropNamed(c, k)
			return
		}
	}
	j.unknown()
}

func (j *judge) dropNamed(c *cursor, k dropped) {
	cascade := c.takeLast("CASCADE")
	concurrently := c.take("CONCURRENTLY")
	c.take("IF", "EXISTS")
	about := j.droppedNames(c, k)
	for _, one := range about {
		j.report(k.rule, one)
		if k.rule == "drop-view" {
			j.dropped[one] = true
		}
		if k.rule == "drop-index" && j.kind == Postgres {
			j.concurrent(concurrently, "drop-index-blocks", one)
		}
	}
	if cascade && !j.allMade(about) {
		j.report("drop-cascade")
	}
}

// droppedNames gives what is dropped, as made calls it.
func (j *judge) droppedNames(c *cursor, k dropped) []string {
	var about []string
	for {
		name, _ := c.name()
		parameters, routine := c.parens()
		switch {
		case k.rule == "drop-function" && (routine || j.kind == MariaDB):
			about = append(about, routineOf(name, parameters))
		case k.rule == "drop-trigger" && c.take("ON"):
			table, _ := c.name()
			about = append(about, k.words+" "+name+" ON "+table)
		case k.what != nil:
			about = append(about, k.what(name))
		default:
			about = append(about, "")
		}
		if !c.take(",") {
			return about
		}
	}
}

func (j *judge) allMade(about []string) bool {
	for _, a := range about {
		if !j.free(a) {
			return false
		}
	}
	return true
}
