package shape

import "strconv"

// An Op is a write that a client asks for.
type Op struct {
	Kind Kind
	Row  Row
}

// Done is the answer to one.
type Done struct{ Release int }

// A Kind of write.
type Kind string

// The kinds.
const (
	Place  Kind = "place an order"
	Edit   Kind = "edit an order"
	Cancel Kind = "cancel an order"
	Join   Kind = "have a customer"
	Reward Kind = "reward a customer"
)

// Statements are what the release does for it, in one transaction.
func (r Release) Statements(o Op) []Statement {
	id := o.Row["id"]
	switch o.Kind {
	case Place:
		return r.noting(o.Row, r.Insert(Orders, o.Row, false))
	case Edit:
		return r.noting(o.Row, r.Edit(o.Row))
	case Cancel:
		all := []Statement{r.Remove(id)}
		if r.HasNotes() {
			all = append(all, r.Unnote(id))
		}
		return all
	case Join:
		return []Statement{r.Insert(Customers, o.Row, true)}
	default:
		return []Statement{r.Reward(id, o.Row["points"])}
	}
}

func (r Release) noting(row Row, s Statement) []Statement {
	if !r.HasNotes() {
		return []Statement{s}
	}
	return []Statement{s, r.Note(row)}
}

// After is the row after an acknowledged write, as it was before it; nil means
// that it is not there. A field that the release does not know stays what it was,
// and in a new row is what its migration says.
func (r Release) After(before Row, o Op) Row {
	if o.Kind == Cancel {
		return nil
	}
	after := Row{"channel": "web"}
	for f, v := range before {
		after[f] = v
	}
	if o.Kind == Reward {
		points := number(before["points"]) + number(o.Row["points"])
		if r.Number >= Procedure {
			points += Bonus
		}
		after["points"] = strconv.Itoa(points)
		return after
	}
	what := Orders
	if o.Kind == Join {
		what = Customers
	}
	for _, f := range r.Fields(what) {
		after[f] = o.Row[f]
	}
	if o.Kind == Edit {
		after["edits"] = strconv.Itoa(number(before["edits"]) + 1)
	}
	return after
}

// Expect is what the release reads in a field of a row.
func (r Release) Expect(row Row, field string) string {
	switch {
	case field != "total":
		return row[field]
	case r.Number < Function:
		return strconv.Itoa(number(row["cents"]) + 10)
	}
	return strconv.Itoa(number(row["cents"]) * number(row["quantity"]))
}

// number is what the text of a number says; nothing is zero.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil && text != "" {
		panic(err) // all rows are made by the test
	}
	return n
}
