package gate

import (
	"slices"
	"strings"
)

// A column is a column's definition.
type column struct {
	name       string
	typ        []string // its words, in upper case
	sized      bool     // varchar(20)
	notNull    bool
	def        []token // DEFAULT: nil is none
	unique     bool
	primary    bool
	check      []token
	references bool
	generated  bool
	stored     bool
	numbered   bool // serial, identity, AUTO_INCREMENT
	understood bool // every word of it
}

// beginsOption are the words that end a type or a default.
var beginsOption = []string{
	"CONSTRAINT", "NOT", "NULL", "DEFAULT", "UNIQUE", "PRIMARY", "CHECK", "REFERENCES", "GENERATED", "AS", "COLLATE", "COMMENT",
	"AFTER", "FIRST", "AUTO_INCREMENT", "AUTOINCREMENT", "ON", "CHARSET", "INVISIBLE", "COMPRESSION", "STORAGE", "KEY",
}

func optionNext(c *cursor) bool {
	return slices.ContainsFunc(beginsOption, func(w string) bool { return c.is(w) }) || c.is("CHARACTER", "SET")
}

// readColumn reads a definition from its name on.
func readColumn(c *cursor) column {
	var d column
	name, ok := c.part()
	if !ok {
		return d
	}
	d.name = name
	d.readType(c)
	for !c.end() {
		if !d.option(c) {
			return d
		}
	}
	d.understood = true
	return d
}

func (d *column) readType(c *cursor) {
	for !c.end() && !optionNext(c) {
		if _, ok := c.parens(); ok {
			d.sized = true
			continue
		}
		d.typ = append(d.typ, c.peek().key)
		c.skip()
	}
	if len(d.typ) > 0 && slices.Contains([]string{"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"}, d.typ[0]) {
		d.numbered = true
	}
}

// option reads one of the things that may be said of a column. False: it is not known.
func (d *column) option(c *cursor) bool {
	switch {
	case c.take("CONSTRAINT"):
		_, ok := c.part()
		return ok
	case c.take("NOT", "NULL"):
		d.notNull = true
	case c.take("NULL"):
	case c.take("DEFAULT"):
		d.def = expression(c)
		return len(d.def) > 0
	case c.take("UNIQUE"):
		d.unique = true
		c.take("KEY")
	case c.take("PRIMARY", "KEY"):
		d.primary = true
		c.takeOne("ASC", "DESC")
	case c.take("CHECK"):
		return d.readCheck(c)
	case c.take("REFERENCES"):
		d.references = true
		return reference(c)
	case c.take("GENERATED"), c.is("AS"):
		return d.readGenerated(c)
	case c.take("AUTO_INCREMENT"), c.take("AUTOINCREMENT"):
		d.numbered = true
	default:
		return plainOption(c)
	}
	return true
}

func (d *column) readCheck(c *cursor) bool {
	inner, ok := c.parens()
	d.check = inner
	c.take("NO", "INHERIT")
	return ok
}

func (d *column) readGenerated(c *cursor) bool {
	if !c.take("ALWAYS") {
		c.take("BY", "DEFAULT")
	}
	if c.take("AS", "IDENTITY") {
		d.numbered = true
		c.parens()
		return true
	}
	if !c.take("AS") {
		return false
	}
	_, ok := c.parens()
	d.generated = true
	switch c.takeOne("STORED", "PERSISTENT", "VIRTUAL") {
	case "STORED", "PERSISTENT":
		d.stored = true
	}
	return ok
}

// plainOption reads an option that concerns nobody but the column.
func plainOption(c *cursor) bool {
	switch {
	case c.take("COLLATE"), c.take("COMMENT"), c.take("AFTER"), c.take("CHARSET"), c.take("CHARACTER", "SET"), c.take("COMPRESSION"), c.take("STORAGE"):
		c.take("=")
		c.skip()
		for c.take(".") {
			c.skip()
		}
	case c.take("ON", "UPDATE"):
		c.skip()
		c.parens()
	case c.take("FIRST"), c.take("INVISIBLE"):
	default:
		return false
	}
	return true
}

// reference reads a foreign key behind REFERENCES.
func reference(c *cursor) bool {
	if _, ok := c.name(); !ok {
		return false
	}
	c.parens()
	for {
		switch {
		case c.take("MATCH"), c.take("INITIALLY"):
			c.skip()
		case c.take("ON", "DELETE"), c.take("ON", "UPDATE"):
			referenceAction(c)
		case c.take("DEFERRABLE"), c.take("NOT", "DEFERRABLE"):
		default:
			return true
		}
	}
}

func referenceAction(c *cursor) {
	switch {
	case c.take("NO", "ACTION"):
	case c.take("SET"):
		c.skip()
		c.parens()
	default:
		c.skip()
	}
}

// expression reads the expression of a default: its first word is one of it,
// whatever it is (DEFAULT NULL).
func expression(c *cursor) []token {
	from := c.at
	for first := true; !c.end() && (first || !optionNext(c)); first = false {
		if _, ok := c.parens(); !ok {
			c.skip()
		}
	}
	return c.tokens[from:c.at]
}

// noDefault tells whether an insert that leaves the column out gives it NULL.
func (d *column) noDefault() bool {
	return (d.def == nil || len(d.def) == 1 && d.def[0].is("NULL")) && !d.numbered && !d.generated
}

// steady are functions whose value is one and the same for all rows of a statement.
var steady = map[Kind][]string{
	Postgres: {"NOW", "CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME", "TRANSACTION_TIMESTAMP", "STATEMENT_TIMESTAMP", "TIMEZONE", "COALESCE", "CONCAT", "LOWER",
		"UPPER", "JSONB_BUILD_OBJECT", "JSONB_BUILD_ARRAY", "JSON_BUILD_OBJECT", "TO_JSONB", "DATE_TRUNC", "MAKE_INTERVAL", "ROW", "CAST", "CURRENT_SETTING", "IN"},
	MariaDB: {"NOW", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "LOCALTIME", "CURRENT_DATE", "CURDATE"},
}

// volatile tells whether a default may be another for each row: it calls a
// function that is not known to be steady.
func volatile(kind Kind, def []token) bool {
	for i, t := range def {
		if i+1 >= len(def) || !def[i+1].is("(") || t.class != word && t.class != quoted {
			continue
		}
		if typeName(def, i) || t.class == word && slices.Contains(steady[kind], t.key) && !foreignSchema(def, i) {
			continue
		}
		if t.class == word && slices.Contains(beginsOption, t.key) {
			continue
		}
		return true
	}
	return slices.ContainsFunc(def, func(t token) bool { return t.is("NEXT") })
}

// typeName: what stands behind :: or AS is a type: varchar(20), character varying(20).
func typeName(def []token, i int) bool {
	for i--; i >= 0 && def[i].class == word && def[i].key != "AS"; i-- {
	}
	return i >= 0 && (def[i].is("::") || def[i].is("AS"))
}

func foreignSchema(def []token, i int) bool {
	return i >= 2 && def[i-1].is(".") && !strings.EqualFold(def[i-2].key, "pg_catalog")
}
