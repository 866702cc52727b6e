package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"

	"github.com/seguehq/segue/test/migrate/shape"
)

// ready says whether the tables are as this release wants them.
func (s *shop) ready(w http.ResponseWriter, r *http.Request) {
	for _, what := range []string{shape.Orders, shape.Customers} {
		if err := s.read(r, what, "o.id = 0", func(shape.Row) error { return nil }); err != nil {
			fail(w, err)
			return
		}
	}
}

// look reads some order with its customer, as a page of a shop does.
func (s *shop) look(w http.ResponseWriter, r *http.Request) {
	for _, what := range []string{shape.Orders, shape.Customers} {
		where := fmt.Sprint("o.id = ", 1+rand.IntN(1000))
		n := 0
		err := s.read(r, what, where, func(shape.Row) error { n++; return nil })
		if err == nil && n != 1 {
			err = fmt.Errorf("%d rows of %s where %s", n, what, where)
		}
		if err != nil {
			fail(w, err)
			return
		}
	}
	fmt.Fprintln(w, "found")
}

// dump writes all that there is, as this release reads it.
func (s *shop) dump(w http.ResponseWriter, r *http.Request) {
	what := r.PathValue("what")
	fields := s.Fields(what)
	out := csv.NewWriter(w)
	record := append([]string(nil), fields...)
	err := out.Write(record)
	if err == nil {
		err = s.read(r, what, "", func(row shape.Row) error {
			for n, f := range fields {
				record[n] = row[f]
			}
			return out.Write(record)
		})
	}
	out.Flush()
	if err := errors.Join(err, out.Error()); err != nil {
		log.Print(err)
		panic(http.ErrAbortHandler) // half a dump must not look like a whole one
	}
}

// read calls each with the rows there are.
func (s *shop) read(r *http.Request, what, where string, each func(shape.Row) error) error {
	rows, err := s.db.QueryContext(r.Context(), s.Select(what, where))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := s.Scan(what, rows)
		if err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// write does what the body says, and answers which release did it.
func (s *shop) write(w http.ResponseWriter, r *http.Request) {
	var o shape.Op
	err := json.NewDecoder(r.Body).Decode(&o)
	if err == nil {
		err = s.do(r.Context(), s.Statements(o)...)
	}
	if err != nil {
		fail(w, fmt.Errorf("%s %s: %w", o.Kind, o.Row["id"], err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(shape.Done{Release: s.Number}); err != nil {
		log.Print(err)
	}
}
