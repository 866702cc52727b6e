package versions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// A catalog is the tables of a schema as the operations so far have made them.
type catalog struct {
	base   string // the schema of the tables
	server int    // 150006 is 15.6
	old    string // schema of the old version's views; empty: it uses the tables
	path   []string
	tables []*table // those that are dropped are among them
}

// A table is one of the base schema, as the versions know it.
type table struct {
	facts
	Name    string // in the new version, as far as the operations have come
	created bool   // by this change: no version but the new one knows it, and it may be changed as it is
	dropped bool   // the new version does not know it
	before  row    // as the old version knows it
	now     row    // as the new version knows it
	layers  []layer
	without map[string]bool // constraints and indexes that new columns do without
}

// A row is a table's columns as a version names and orders them.
type row []field

// A field is a column by a version's name.
type field struct {
	Name string
	*column
}

// A column is one that the table has, or will have when the change is expanded.
type column struct {
	columnFacts
	phys      string        // its name in the table until contract
	replaces  *column       // which the old version has in its place; nil: none
	added     bool          // by this change
	migration string        // that added it, or changed it last
	fallback  string        // SQL; its default in the new version's view, until it is its own at contract. Empty: its own
	comment   *string       // that it gets; nil: it keeps its own
	guards    []script.Step // if the column is there in the end: see the compiler's methods of these names
	checks    []script.Step
	renames   []script.Step
}

// find gives a column by its name in a version.
func (r row) find(name string) *field {
	for i := range r {
		if r[i].Name == name {
			return &r[i]
		}
	}
	return nil
}

func (r row) names() []string {
	var names []string
	for _, f := range r {
		names = append(names, f.Name)
	}
	return names
}

// clone gives a row that may be changed.
func (r row) clone() row { return slices.Clone(r) }

// has tells whether the column is one of the row's.
func (r row) has(c *column) bool {
	return slices.ContainsFunc(r, func(f field) bool { return f.column == c })
}

// sql gives the table's name until contract, for SQL.
func (t *table) sql(c *catalog) string { return qualified(c.base, t.facts.Name) }

// table gives a table by the name that it has in the new version so far.
func (c *catalog) table(name string) (*table, error) {
	var there []string
	for _, t := range c.tables {
		if t.Name == name && !t.dropped {
			return t, nil
		}
		if !t.dropped {
			there = append(there, t.Name)
		}
	}
	for _, t := range c.tables {
		if t.facts.Name == name || t.Name == name {
			if t.dropped {
				return nil, fmt.Errorf("table %s is dropped by an operation before this one", name)
			}
			return nil, fmt.Errorf("table %s is called %s since an operation before this one: use that name", name, t.Name)
		}
	}
	return nil, fmt.Errorf("there is no table %s in schema %s%s; one that plain SQL makes can be used from the next release on", name, c.base, nearest(name, there))
}

// column gives a column by the name that it has in the new version so far.
func (t *table) column(name string) (*field, error) {
	if f := t.now.find(name); f != nil {
		return f, nil
	}
	if f := t.before.find(name); f != nil {
		for _, n := range t.now {
			if n.column == f.column || n.replaces == f.column {
				return nil, fmt.Errorf("column %s.%s is called %s since an operation before this one: use that name", t.Name, name, n.Name)
			}
		}
		return nil, fmt.Errorf("column %s.%s is dropped by an operation before this one", t.Name, name)
	}
	return nil, fmt.Errorf("table %s has no column %s%s", t.Name, name, nearest(name, t.now.names()))
}

// nearest tells which name may have been meant.
func nearest(name string, there []string) string {
	for _, n := range there {
		if strings.EqualFold(n, name) || strings.HasPrefix(n, name) || strings.HasPrefix(name, n) {
			return fmt.Sprintf(" (is %s meant?)", n)
		}
	}
	return ""
}
