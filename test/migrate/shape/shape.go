// Package shape says how each release of the shop sees its tables. What is kept is
// the same throughout, orders and customers; what changes from release to release
// is where it is written: a column's name, its type, whether there is one or two.
//
// The service makes its statements of it, and the test's model asks it what a
// release knows: a field that a release does not know is left alone by its writes.
package shape

import (
	"slices"
	"strings"
)

// A Row is an order or a customer by its fields, whatever columns they are in.
type Row map[string]string

// The releases that bring a change, by the number of their migration.
const (
	Shop = 1 + iota
	AddColumn
	DropColumn
	RenameColumn
	RetypeColumn
	NotNull
	Unique
	ForeignKey
	Check
	SplitColumn
	MergeColumns
	RenameTable
	DropTable
	Index
	Function
	Procedure
	Last = Procedure
)

// Orders and Customers are what is kept.
const (
	Orders    = "orders"
	Customers = "customers"
)

// A column is one of a table, in the releases from since to until.
type column struct {
	of           string // Orders, Customers
	name         string
	phased       string // its name where migrations are phased SQL; empty: the same
	since, until int    // the first and the last release; 0: no bound
	fields       []string
	write        func(Row) any
	read         func(Row, string)
}

var columns = []column{
	plain(Orders, "id"),
	plain(Orders, "customer_id"),
	plain(Orders, "amount").as("cents").to(RenameColumn),
	plain(Orders, "cents").from(RenameColumn),
	plain(Orders, "quantity").to(RetypeColumn), // text
	plain(Orders, "quantity").inPhases("units").from(RetypeColumn),
	plain(Orders, "comment").to(DropColumn),
	plain(Orders, "channel").from(AddColumn),
	plain(Orders, "edits"),

	plain(Customers, "id"),
	plain(Customers, "email"),
	orNull(Customers, "phone").to(NotNull),
	plain(Customers, "phone").from(NotNull),
	plain(Customers, "name").to(SplitColumn),
	half(Customers, "first_name", "name", " ", 0).from(SplitColumn),
	half(Customers, "last_name", "name", " ", 1).from(SplitColumn),
	half(Customers, "street", "address", ", ", 0).to(MergeColumns),
	half(Customers, "city", "address", ", ", 1).to(MergeColumns),
	plain(Customers, "address").from(MergeColumns),
	plain(Customers, "points"),
}

// plain is a column that holds the field of its name.
func plain(of, name string) column { return column{of: of, name: name}.as(name) }

// as is the column, holding another field.
func (c column) as(field string) column {
	c.fields = []string{field}
	c.write = func(r Row) any { return r[field] }
	c.read = func(r Row, v string) { r[field] = v }
	return c
}

// orNull is a column that is NULL when its field is empty.
func orNull(of, name string) column {
	c := plain(of, name)
	c.write = func(r Row) any {
		if r[name] == "" {
			return nil
		}
		return r[name]
	}
	return c
}

// half is a column that holds one of the two parts of a field.
func half(of, name, field, between string, which int) column {
	c := plain(of, name).as(field)
	c.write = func(r Row) any {
		parts := strings.SplitN(r[field]+between, between, 3)
		return parts[which]
	}
	c.read = func(r Row, v string) {
		if which == 0 {
			r[field] = v
		} else {
			r[field] += between + v
		}
	}
	return c
}

// from is the column since the release that brought it.
func (c column) from(release int) column { c.since = release; return c }

// to is the column until it was replaced, or dropped.
func (c column) to(release int) column { c.until = release - 1; return c }

func (c column) inPhases(name string) column { c.phased = name; return c }

// A Release is how one release of the shop sees the database.
type Release struct {
	Number int
	MySQL  bool // MariaDB's dialect, not PostgreSQL's
	Phased bool // its migrations are phased SQL
}

// Table is the name of the table that holds what.
func (r Release) Table(what string) string {
	if what == Orders && r.Number >= RenameTable {
		return "purchases"
	}
	return what
}

func (r Release) columns(what string) []column {
	return slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		return c.of != what || r.Number < c.since || c.until != 0 && r.Number > c.until
	})
}

// Fields are those of what the release knows, the row's id first.
func (r Release) Fields(what string) []string {
	var all []string
	for _, c := range r.columns(what) {
		for _, f := range c.fields {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	if what == Orders {
		all = append(all, "total")
		if r.HasNotes() {
			all = append(all, "note")
		}
	}
	return all
}

// HasNotes says whether notes on orders are kept, in a table of their own.
func (r Release) HasNotes() bool { return r.Number < DropTable }
