package operation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// An Error is one problem of a file.
type Error struct {
	File string
	Place
	Path string // the key it is about: "operations[0].add_column.table"
	What string
	Mend string // what to do about it; empty when that is obvious
}

// Error tells it in one line.
func (e Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.What)
	if e.Mend != "" {
		b.WriteString("; " + e.Mend)
	}
	return b.String()
}

// Errors are all problems of a file, in its order; never empty.
type Errors []Error

// Error tells one problem a line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// A report collects problems while a file is read.
type report struct {
	file string
	errs Errors
}

func (r *report) add(at Place, path, what, mend string) {
	r.errs = append(r.errs, Error{File: r.file, Place: at, Path: path, What: what, Mend: mend})
}

func (r *report) err() error {
	if len(r.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.errs
}

// A problem ends the reading of a file: nothing behind it can be trusted.
type problem struct {
	Place
	what, mend string
}

func problemAt(line, column int, what, mend string) *problem {
	return &problem{Place{max(line, 1), max(column, 1)}, what, mend}
}

// clip keeps text in messages short, and control characters off terminals.
func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// didYouMean names the nearest of some words, or else all of them.
func didYouMean(word string, legal []string) string {
	best, distance := "", 3
	for _, l := range legal {
		if d := edits(word, l); d < distance {
			best, distance = l, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "it may be " + strings.Join(legal, ", ")
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// edits counts the characters to change, add or remove between two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
