package gate

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// Types tells which type a column has in the database as it is, in PostgreSQL's own
// words: "character varying(40)". A table in another schema than the first has its
// name in front: "app.users". Empty: it is not known.
type Types func(table, column string) string

// retypes judges ALTER COLUMN … TYPE. A type that only takes more is had at once,
// and no value changes.
func (j *judge) retypes(c *cursor, table, column string) {
	c.take("SET", "DATA")
	c.take("TYPE")
	if j.types != nil && widens(j.types(table, column), written(c.rest())) {
		return
	}
	j.report("change-type", tableOf(table))
}

// written gives a type as it is written in a statement, in lower case.
func written(tokens []token) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 && t.class == word {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToLower(t.raw))
	}
	return b.String()
}

var sized = regexp.MustCompile(`^(varchar|character varying|text|numeric|decimal)(?:\((\d+)(?:,(\d+))?\))?$`)

// widens tells whether PostgreSQL changes one type to another without looking at
// the table's rows: a longer varchar or one without a limit, and a larger precision of
// the same scale.
func widens(from, to string) bool {
	old, now := sized.FindStringSubmatch(from), sized.FindStringSubmatch(to)
	if old == nil || now == nil || numeric(old) != numeric(now) {
		return false
	}
	if now[2] == "" {
		return true
	}
	return old[2] != "" && old[3] == scale(now) && atMost(old[2], now[2])
}

func numeric(m []string) bool { return m[1] == "numeric" || m[1] == "decimal" }

// scale: numeric(10) is numeric(10,0), as PostgreSQL tells it.
func scale(m []string) string {
	if numeric(m) {
		return cmp.Or(m[3], "0")
	}
	return m[3]
}

func atMost(a, b string) bool {
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	return err1 == nil && err2 == nil && x <= y
}
