package sql

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// statements are what the guard says to the database.
type statements struct {
	lock   query // takes the lock if there is a record that has ended or, but for MySQL, none
	insert query // takes the lock if there is no record: MySQL alone
	extend query
	unlock query
	held   query // how many records are the grant's: MySQL alone
	holder query // whose the record is
}

// write writes the statements. A grant's record is known by its name and its
// holder, who is another in each grant, and only for as long as it lasts.
func write(d Dialect, t table, c clock) statements {
	const (
		update  = "UPDATE {table} SET "
		taken   = "{until} = {later}, {at} = {now}, {by} = :by"
		granted = " WHERE {key} = :name AND {by} = :by AND {until} > {now}"
		insert  = "INSERT INTO {table} ({key}, {until}, {at}, {by}) VALUES (:name, {later}, {now}, :by)"
	)
	q := func(template string) query { return translate(d, t.fill(c.fill(template))) }
	s := statements{
		extend: q(update + "{until} = {later}" + granted),
		unlock: q(update + "{until} = {unlock}" + granted),
		holder: q("SELECT {by} FROM {table} WHERE {key} = :name"),
	}
	if d != MySQL {
		s.lock = q(strings.Replace(insert, "{table}", "{table} AS held", 1) +
			" ON CONFLICT ({key}) DO UPDATE SET " + taken + " WHERE held.{until} <= {now}")
		return s
	}
	// Its INSERT IGNORE, which Java sends, would cut a name that is too long.
	s.lock = q(update + taken + " WHERE {key} = :name AND {until} <= {now}")
	s.insert = q(insert)
	s.held = q("SELECT COUNT(*) FROM {table}" + granted)
	return s
}

// A table has the names of ShedLock's table and its columns.
type table struct{ name, key, until, at, by string }

func (t table) fill(template string) string {
	return strings.NewReplacer("{table}", t.name, "{key}", t.key, "{until}", t.until, "{at}", t.at, "{by}", t.by).Replace(template)
}

func (c clock) fill(template string) string {
	return strings.NewReplacer("{now}", c.current, "{later}", c.until, "{unlock}", c.unlock).Replace(template)
}

// A query is a statement with the names of its parameters, in their order.
type query struct {
	text  string
	names []string
}

// params are values by their names.
type params map[string]any

func (q query) args(p params) []any {
	args := make([]any, len(q.names))
	for i, name := range q.names {
		args[i] = p[name]
	}
	return args
}

var parameter = regexp.MustCompile(`:[a-z]+`)

// translate replaces each :name with the dialect's own: $1, which may stand more
// than once, or a question mark.
func translate(d Dialect, template string) query {
	var q query
	q.text = parameter.ReplaceAllStringFunc(template, func(p string) string {
		name := p[1:]
		if d != Postgres {
			q.names = append(q.names, name)
			return "?"
		}
		n := slices.Index(q.names, name)
		if n < 0 {
			n = len(q.names)
			q.names = append(q.names, name)
		}
		return "$" + strconv.Itoa(n+1)
	})
	return q
}
