package migrate_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/migrate/shape"
)

// A model is what there must be in the database: what was acknowledged.
type model map[string]map[string]*entry // Orders and Customers, by id

// An entry is a row of the model.
type entry struct {
	row  shape.Row // nil: it is deleted
	busy bool      // a write of it is under way
	// unsure says that a write of it was not answered: it may be there, or not. It
	// is not written again, and not compared.
	unsure bool
}

// seeded is what there is of each before the first request, under the ids from 1;
// four times as much in a soak.
func seeded() int {
	if harness.Soak() {
		return 20_000
	}
	return 5000
}

func newModel() model {
	m := model{shape.Orders: {}, shape.Customers: {}}
	for id := range seeded() {
		id := strconv.Itoa(id + 1)
		first := shape.Release{Number: shape.Shop}
		m[shape.Orders][id] = &entry{row: first.After(nil, shape.Op{Kind: shape.Place, Row: order(id, id, 1)})}
		m[shape.Customers][id] = &entry{row: first.After(nil, shape.Op{Kind: shape.Join, Row: customer(id, 1)})}
	}
	return m
}

// order and customer are rows as somebody writes them for the n-th time.
func order(id, customer string, n int) shape.Row {
	return shape.Row{"id": id, "customer_id": customer, "cents": strconv.Itoa(n * 7), "quantity": strconv.Itoa(n % 90), "edits": "0",
		"comment": fmt.Sprintf("comment %d", n), "channel": fmt.Sprintf("channel %d", n%5), "note": fmt.Sprintf("note %d", n)}
}

func customer(id string, n int) shape.Row {
	r := shape.Row{"id": id, "email": fmt.Sprintf("c%s.%d@example.com", id, n), "phone": "", "points": "0",
		"name": fmt.Sprintf("First%d Last%d", n, n), "address": fmt.Sprintf("%d Long Street, Town %d", n, n)}
	if n%2 == 0 {
		r["phone"] = fmt.Sprintf("+49 %d", n)
	}
	return r
}

// compare gives what is wrong in a dump, as the release that wrote it reads rows:
// every row of the model is in it once, with every field that the release knows,
// and no other row is.
func (m model) compare(r shape.Release, what string, dump io.Reader) (rows int, wrong []string, err error) {
	in := csv.NewReader(dump)
	fields, err := in.Read()
	if err != nil {
		return 0, nil, err
	}
	if want := r.Fields(what); !slices.Equal(fields, want) {
		return 0, []string{fmt.Sprintf("a release other than %d has answered: it knows %v", r.Number, fields)}, nil
	}
	left := maps.Clone(m[what])
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rows, wrong, err
		}
		rows++
		id := record[0]
		e := left[id]
		delete(left, id)
		if complaint := e.compare(r, fields, record); complaint != "" {
			wrong = append(wrong, fmt.Sprintf("%s %s: %s", what, id, complaint))
		}
	}
	for id, e := range left {
		if e.row != nil && !e.unsure {
			wrong = append(wrong, fmt.Sprintf("%s %s is not there, which was acknowledged: %v", what, id, e.row))
		}
	}
	return rows, wrong, nil
}

// compare tells how a record is not what it must be. A nil entry is that of a row
// which nobody has written, or which was there already.
func (e *entry) compare(r shape.Release, fields, record []string) string {
	switch {
	case e == nil:
		return "nobody has written it, or it is there twice"
	case e.unsure:
		return ""
	case e.row == nil:
		return "it is there, and was deleted"
	}
	var wrong []string
	for n, f := range fields {
		if want := r.Expect(e.row, f); record[n] != want {
			wrong = append(wrong, fmt.Sprintf("%s is %q, want %q", f, record[n], want))
		}
	}
	return strings.Join(wrong, ", ")
}
