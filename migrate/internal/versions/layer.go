package versions

import (
	"fmt"
	"slices"
	"strings"
)

// A layer is what one operation does to a table's rows: from those of the version
// before it to those of the version after it, and back. A row is carried over through all
// of them, so an expression always speaks of columns by the names of its own version.
type layer struct {
	migration   string
	from, to    string // the table's names before and after
	before      row
	after       row
	up          map[string]string // by the name after; SQL over the row before
	down        map[string]string // by the name before; SQL over the row after
	renamed     map[string]string // name after → name before, where they differ
	renamedBack map[string]string
}

// layer makes the next layer of a table, from what the new version is so far. Its
// row after it is set by finish.
func (c *compiler) layer(t *table, up, down map[string]string) *layer {
	t.layers = append(t.layers, layer{
		migration: c.migration, from: t.Name, to: t.Name, before: t.now.clone(), up: up, down: down,
		renamed: map[string]string{}, renamedBack: map[string]string{},
	})
	return &t.layers[len(t.layers)-1]
}

// rename says that the same column has another name afterwards.
func (l *layer) rename(from, to string) {
	if from != to {
		l.renamed[to], l.renamedBack[from] = from, to
	}
}

// origin gives the column before that a column after is, unless it is computed.
func (l *layer) origin(name string) string {
	if was, is := l.renamed[name]; is {
		return was
	}
	return name
}

// fate gives the column after that a column before has become.
func (l *layer) fate(name string) string {
	if is, was := l.renamedBack[name]; was {
		return is
	}
	return name
}

// stored is the alias by which queries give the rows of a table to ups and downs: no
// table's name, which expressions use.
const stored = "_segue_stored"

// ups gives the SELECT of the new version's row from the old columns of a row of
// the table: source is NEW, OLD or stored.
func (t *table) ups(source string) string {
	sql := t.computed(t.before, source, t.facts.Name)
	for i := range t.layers {
		l := &t.layers[i]
		sql = pick(l.after, func(f field) string {
			if expr, is := l.up[f.Name]; is {
				return say("/* up of %s.%s, migration %s */ (%s\n)", comment(l.to), comment(f.Name), comment(l.migration), expr)
			}
			if was := l.origin(f.Name); l.before.find(was) != nil {
				return ident(was)
			}
			return t.own(source, f)
		}) + " FROM (" + sql + ") AS " + ident(l.from)
	}
	return sql
}

// downs gives the SELECT of the old version's row from the new columns.
func (t *table) downs(source string) string {
	sql := t.computed(t.now, source, t.Name)
	for i := len(t.layers) - 1; i >= 0; i-- {
		l := &t.layers[i]
		sql = pick(l.before, func(f field) string {
			if expr, is := l.down[f.Name]; is {
				return say("/* down of %s.%s, migration %s */ (%s\n)", comment(l.from), comment(f.Name), comment(l.migration), expr)
			}
			if is := l.fate(f.Name); l.after.find(is) != nil {
				return ident(is)
			}
			return t.own(source, f)
		}) + " FROM (" + sql + ") AS " + ident(l.to)
	}
	return sql
}

// own gives the value that a column has in the table's row. One that an operation
// has added and another dropped is in no row.
func (t *table) own(source string, f field) string {
	switch {
	case t.before.has(f.column) || t.now.has(f.column):
		return source + "." + ident(f.phys)
	case f.Default != "" && !f.Generated:
		return "(" + f.Default + ")"
	}
	return "NULL"
}

// computed gives the SELECT of a version's row. A trigger runs before generated
// columns have their values: they are computed.
func (t *table) computed(r row, source, name string) string {
	plain := pick(r, func(f field) string {
		if f.Generated {
			return "NULL"
		}
		return source + "." + ident(f.phys)
	})
	if !slices.ContainsFunc(r, func(f field) bool { return f.Generated }) {
		return plain
	}
	names := map[string]string{}
	for _, f := range r {
		names[f.phys] = f.Name
	}
	return pick(r, func(f field) string {
		if f.Generated {
			return "(" + substitute(f.Default, names) + ")"
		}
		return ident(f.Name)
	}) + " FROM (" + plain + ") AS " + ident(name)
}

func pick(r row, value func(field) string) string {
	items := make([]string, len(r))
	for i, f := range r {
		items[i] = value(f) + " AS " + ident(f.Name)
	}
	return "SELECT " + strings.Join(items, ", ")
}

// comment makes a name fit for a comment.
func comment(name string) string { return strings.ReplaceAll(name, "*/", "* /") }

// A sources is the columns that a value is computed from, by their names in the table, sorted.
type sources []string

func (s sources) with(more sources) sources {
	all := append(slices.Clone(s), more...)
	slices.Sort(all)
	return slices.Compact(all)
}

// roots gives for each column of a version what of the table its value is: itself,
// or what a generated one is made of.
func (t *table) roots(r row) map[string]sources {
	from := map[string]sources{}
	for _, f := range r {
		if !f.Generated {
			from[f.Name] = sources{f.phys}
		}
	}
	for _, f := range r {
		if f.Generated {
			for _, phys := range mentions(f.Default, "", physicals(r)) {
				from[f.Name] = from[f.Name].with(sources{phys})
			}
		}
	}
	return from
}

func physicals(r row) []string {
	var names []string
	for _, f := range r {
		if !f.Generated {
			names = append(names, f.phys)
		}
	}
	return names
}

// upSources gives for each column of the new version which old columns its value comes from.
func (t *table) upSources() map[string]sources {
	from := t.roots(t.before)
	for i := range t.layers {
		l := &t.layers[i]
		next := map[string]sources{}
		for _, f := range l.after {
			if expr, is := l.up[f.Name]; is {
				next[f.Name] = gather(from, expr, l.from, l.before)
			} else {
				next[f.Name] = from[l.origin(f.Name)]
			}
		}
		from = next
	}
	return from
}

// downSources gives for each column of the old version which new columns its value comes from.
func (t *table) downSources() map[string]sources {
	from := t.roots(t.now)
	for i := len(t.layers) - 1; i >= 0; i-- {
		l := &t.layers[i]
		next := map[string]sources{}
		for _, f := range l.before {
			if expr, is := l.down[f.Name]; is {
				next[f.Name] = gather(from, expr, l.to, l.after)
			} else {
				next[f.Name] = from[l.fate(f.Name)]
			}
		}
		from = next
	}
	return from
}

func gather(from map[string]sources, expr, table string, r row) sources {
	var all sources
	for _, name := range mentions(expr, table, r.names()) {
		all = all.with(from[name])
	}
	return all
}

// changed gives the condition that one of the columns has another value than
// before, bit by bit: types without an operator = have values, too.
func (s sources) changed() string {
	if len(s) == 0 {
		return "false"
	}
	return fmt.Sprintf("pg_catalog.record_image_ne(ROW(%s), ROW(%s))", s.of("NEW"), s.of("OLD"))
}

func (s sources) of(record string) string {
	items := make([]string, len(s))
	for i, name := range s {
		items[i] = record + "." + ident(name)
	}
	return strings.Join(items, ", ")
}
