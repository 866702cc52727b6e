package shape

import (
	"database/sql"
	"fmt"
	"strings"
)

// A Statement is SQL with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// arg adds an argument, and gives its place in the text.
func (r Release) arg(s *Statement, v any) string {
	s.Args = append(s.Args, v)
	if r.MySQL {
		return "?"
	}
	return fmt.Sprint("$", len(s.Args))
}

func (r Release) name(c column) string {
	if r.Phased && c.phased != "" {
		return c.phased
	}
	return c.name
}

// Insert writes a row that is new. With anyway it may be there, and is then as the
// new one.
func (r Release) Insert(what string, row Row, anyway bool) Statement {
	var s Statement
	var names, values, again []string
	for _, c := range r.columns(what) {
		name := r.name(c)
		names = append(names, name)
		values = append(values, r.arg(&s, c.write(row)))
		if name != "id" {
			again = append(again, r.replace(name))
		}
	}
	s.SQL = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", r.Table(what), strings.Join(names, ", "), strings.Join(values, ", "))
	switch set := strings.Join(again, ", "); {
	case anyway && r.MySQL:
		s.SQL += " ON DUPLICATE KEY UPDATE " + set
	case anyway:
		s.SQL += " ON CONFLICT (id) DO UPDATE SET " + set
	}
	return s
}

func (r Release) replace(name string) string {
	if r.MySQL {
		return fmt.Sprintf("%[1]s = VALUES(%[1]s)", name)
	}
	return fmt.Sprintf("%[1]s = excluded.%[1]s", name)
}

// Edit changes an order, and counts that it did: an edit that is done twice shows.
func (r Release) Edit(row Row) Statement {
	var s Statement
	var set []string
	for _, c := range r.columns(Orders) {
		switch name := r.name(c); name {
		case "id":
		case "edits":
			set = append(set, "edits = edits + 1")
		default:
			set = append(set, name+" = "+r.arg(&s, c.write(row)))
		}
	}
	s.SQL = fmt.Sprintf("UPDATE %s SET %s WHERE id = ", r.Table(Orders), strings.Join(set, ", "))
	s.SQL += r.arg(&s, row["id"])
	return s
}

// Remove deletes an order.
func (r Release) Remove(id string) Statement {
	var s Statement
	s.SQL = fmt.Sprintf("DELETE FROM %s WHERE id = ", r.Table(Orders))
	s.SQL += r.arg(&s, id)
	return s
}

// Note writes what is noted on an order.
func (r Release) Note(row Row) Statement {
	again := "ON CONFLICT (order_id) DO UPDATE SET " + r.replace("note")
	if r.MySQL {
		again = "ON DUPLICATE KEY UPDATE " + r.replace("note")
	}
	var s Statement
	s.SQL = fmt.Sprintf("INSERT INTO notes (order_id, note) VALUES (%s, %s) %s", r.arg(&s, row["id"]), r.arg(&s, row["note"]), again)
	return s
}

// Unnote deletes it.
func (r Release) Unnote(id string) Statement {
	var s Statement
	s.SQL = "DELETE FROM notes WHERE order_id = " + r.arg(&s, id)
	return s
}

// Bonus is what the stored procedure gives on top in its second version.
const Bonus = 1

// Reward gives a customer points, by a stored procedure.
func (r Release) Reward(id string, points string) Statement {
	var s Statement
	name, args := "reward", r.arg(&s, id)+", "+r.arg(&s, points)
	if r.Number >= Procedure {
		args += ", " + r.arg(&s, Bonus)
		if r.MySQL {
			name = "reward_2" // MariaDB has one procedure of a name
		}
	}
	s.SQL = fmt.Sprintf("CALL %s(%s)", name, args)
	return s
}

// price is the call of a function that gives what an order costs.
func (r Release) price() string {
	cents, quantity := "cents", "quantity"
	switch {
	case r.Number < RenameColumn:
		return "price(o.amount)"
	case r.Number < Function:
		return "price(o.cents)"
	case r.Phased:
		quantity = "units"
	}
	name := "price"
	if r.MySQL {
		name = "price_2"
	}
	return fmt.Sprintf("%s(o.%s, o.%s)", name, cents, quantity)
}

// Select reads what there is, by id; where, if not empty, says which: "o.id = 7".
func (r Release) Select(what, where string) string {
	var names []string
	for _, c := range r.columns(what) {
		names = append(names, "o."+r.name(c))
	}
	from := r.Table(what) + " AS o"
	if what == Orders {
		names = append(names, r.price())
		if r.HasNotes() {
			names = append(names, "n.note")
			from += " LEFT JOIN notes AS n ON n.order_id = o.id"
		}
	}
	if where != "" {
		where = " WHERE " + where
	}
	return fmt.Sprintf("SELECT %s FROM %s%s ORDER BY o.id", strings.Join(names, ", "), from, where)
}

// Scan reads a row of what Select has selected.
func (r Release) Scan(what string, rows *sql.Rows) (Row, error) {
	all := r.columns(what)
	if what == Orders {
		all = append(all, plain(Orders, "total"))
		if r.HasNotes() {
			all = append(all, plain(Orders, "note"))
		}
	}
	values := make([]sql.NullString, len(all))
	places := make([]any, len(all))
	for n := range values {
		places[n] = &values[n]
	}
	if err := rows.Scan(places...); err != nil {
		return nil, err
	}
	row := Row{}
	for n, c := range all {
		c.read(row, values[n].String)
	}
	return row, nil
}
