package backfill

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Range stands in a batch's statement for the condition that selects its stretch.
const Range = "{{range}}"

// A place is where a key stands: a literal, as SQL has it, for each of its columns.
// Keys are compared by the database alone, whose order and collation nobody else
// knows.
type place []string

// parsePlace reads a place as a record has it; empty: before the first row.
func parsePlace(text string) (place, error) {
	if text == "" {
		return nil, nil
	}
	var p place
	if err := json.Unmarshal([]byte(text), &p); err != nil || len(p) == 0 {
		return nil, fmt.Errorf("its record does not say where it stands: %q", text)
	}
	return p, nil
}

func (p place) String() string {
	text, err := json.Marshal([]string(p))
	if err != nil {
		panic(err) // strings can be written
	}
	return string(text)
}

// A key is the columns that a table is walked by.
type key struct {
	columns  []string // as SQL wants them
	selects  []string // what gives the text of a place; literal makes a literal of it
	literal  []func(string) string
	expanded bool // (a, b) > (x, y) is to be written out: the database would not use an index for it
}

// behind names the columns behind a table's alias.
func (k key) behind(alias string) key {
	if alias == "" {
		return k
	}
	k.columns = append([]string(nil), k.columns...)
	for i := range k.columns {
		k.columns[i] = alias + "." + k.columns[i]
	}
	return k
}

// between is the condition that selects the rows after one place (nil: from the
// first) up to another and with it.
func (k key) between(after, upTo place) string {
	c := "(" + k.compare("<", "<=", upTo) + ")"
	if after != nil {
		c = "(" + k.compare(">", ">", after) + ") AND " + c
	}
	return "(" + c + ")"
}

// at is the condition that selects the row at a place.
func (k key) at(p place) string {
	var all []string
	for i := range p {
		all = append(all, k.columns[i]+" = "+p[i])
	}
	return strings.Join(all, " AND ")
}

// compare compares the key to a place; last is the operator of the last column.
func (k key) compare(op, last string, p place) string {
	if len(p) == 1 {
		return k.columns[0] + " " + last + " " + p[0]
	}
	if !k.expanded {
		return fmt.Sprintf("(%s) %s (%s)", strings.Join(k.columns, ", "), last, strings.Join(p, ", "))
	}
	var ways []string
	for i := range p {
		way, o := k.columns[i]+" "+op+" "+p[i], k.at(p[:i])
		if i == len(p)-1 {
			way = k.columns[i] + " " + last + " " + p[i]
		}
		if o != "" {
			way = o + " AND " + way
		}
		ways = append(ways, way)
	}
	return "(" + strings.Join(ways, ") OR (") + ")"
}

// order is the key's order; way is "" or " DESC".
func (k key) order(way string) string {
	return strings.Join(k.columns, way+", ") + way
}

// names takes an identifier as SQL has it apart: "public"."users" has two names.
// What is not quoted is as it is written.
func names(identifier string) []string {
	var all []string
	for rest := identifier; rest != ""; {
		var name string
		if q := rest[0]; q == '"' || q == '`' {
			name, rest = unquote(rest, string(q))
		} else if i := strings.IndexByte(rest, '.'); i >= 0 {
			name, rest = rest[:i], rest[i:]
		} else {
			name, rest = rest, ""
		}
		all = append(all, name)
		rest = strings.TrimPrefix(rest, ".")
	}
	return all
}

// unquote reads a quoted name, in which the quote is written twice.
func unquote(text, q string) (name, rest string) {
	text = text[1:]
	for {
		before, after, ok := strings.Cut(text, q)
		name += before
		if !ok || !strings.HasPrefix(after, q) {
			return name, after
		}
		name, text = name+q, after[1:]
	}
}

// last is the name of a column.
func last(identifier string) string {
	all := names(identifier)
	return all[len(all)-1]
}

// An index is a unique one of the table, without conditions and expressions.
type index struct {
	columns []string // their names
	kinds   []string // of their types, where key asks for it
	null    bool     // a row may have none
}

// choose gives the index of the wanted columns, as SQL has them, or, if none are
// wanted, the first. It must be fit to walk by: unique, and no row is left out.
func choose(all []index, table string, wanted []string) (index, error) {
	var bare, known []string
	for _, column := range wanted {
		bare = append(bare, last(column))
	}
	for _, i := range all {
		if i.null {
			continue
		}
		if len(wanted) == 0 || equal(i.columns, bare) {
			return i, nil
		}
		known = append(known, "("+strings.Join(i.columns, ", ")+")")
	}
	if len(known) == 0 {
		return index{}, fmt.Errorf("%s has no unique key without NULLs, by which it could be walked: give it a primary key, or a unique index on columns that are NOT NULL", table)
	}
	return index{}, fmt.Errorf("%s has no unique key without NULLs on (%s), by which it could be walked: name one that it has: %s", table, strings.Join(bare, ", "), strings.Join(known, ", "))
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !strings.EqualFold(a[i], b[i]) {
			return false
		}
	}
	return true
}
