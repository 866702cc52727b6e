package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// An Error is one problem of a file.
type Error struct {
	File   string // as it was named to Load or Parse, or an env_file
	Line   int    // from 1
	Column int    // in characters, from 1
	Path   string // the key it is about, "probes.readiness.http"; "" for the file as a whole
	What   string // what is wrong, and why that is wrong
	Mend   string // what to do about it; "" when that is obvious

	source string // the line, for Show; "" where it could hold a secret
	order  [2]int // position in the main file, so that problems of an env_file stand where it is named
}

// Error tells it in one line: "segue.yaml:12:3: probes.redyness: unknown key; did you mean readiness?".
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

// Show tells it for a terminal: the line of Error, then the source line with a
// caret below the place.
func (e Error) Show() string {
	if strings.TrimSpace(e.source) == "" {
		return e.Error() + "\n"
	}
	line, column := window(e.source, e.Column)
	gutter := fmt.Sprintf("%5d | ", e.Line)
	pad := strings.Repeat(" ", utf8.RuneCountInString(gutter)+column-1)
	return fmt.Sprintf("%s\n%s%s\n%s^\n", e.Error(), gutter, line, pad)
}

// window cuts a long line to what surrounds the column, and makes every
// character one cell wide as far as it can, so that the caret stands right.
func window(line string, column int) (string, int) {
	const width = 100
	runes := []rune(strings.Map(printable, line))
	column = min(max(column, 1), len(runes)+1)
	from := 0
	if column > width-20 {
		from = column - width/2
	}
	to := min(len(runes), from+width)
	return string(runes[from:to]), column - from
}

// printable keeps control characters (escape sequences among them) off the
// terminal of whoever checks a file of somebody else's.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
		return ' '
	}
	return r
}

// Errors are all problems of a file, in file order; never empty when returned
// as an error.
type Errors []Error

// Error tells one problem a line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Show tells every problem with its source line, for a terminal.
func (es Errors) Show() string {
	var b strings.Builder
	for _, e := range es {
		b.WriteString(e.Show())
	}
	return b.String()
}

// Unwrap lets errors.As find a single Error.
func (es Errors) Unwrap() []error {
	all := make([]error, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// maxErrors are told; a file with more is not a segue.yaml with mistakes, but
// something else.
const maxErrors = 100

// A report collects problems while a file is read.
type report struct {
	file     string
	lines    []string
	errs     Errors
	warnings Errors
}

// failAt records a problem at a place of the main file.
func (r *report) failAt(line, col int, path, what, mend string) {
	r.add(Error{File: r.file, Line: line, Column: col, Path: path, What: what, Mend: mend,
		source: r.source(line, path), order: [2]int{line, col}})
}

func (r *report) add(e Error) {
	if len(r.errs) <= maxErrors {
		r.errs = append(r.errs, e)
	}
}

// failed tells whether a problem of that path, or of a key below it, was
// recorded, so that rules do not add to it.
func (r *report) failed(path string) bool {
	return slices.ContainsFunc(r.errs, func(e Error) bool {
		return e.Path == path || strings.HasPrefix(e.Path, path+".")
	})
}

// warnAt records what is allowed but doubtful.
func (r *report) warnAt(line, col int, path, what, mend string) {
	r.warnings = append(r.warnings, Error{File: r.file, Line: line, Column: col, Path: path, What: what, Mend: mend,
		source: r.source(line, path), order: [2]int{line, col}})
}

// source is the text of a line, or "" for one of an env section: it may hold a
// password, and what is printed ends up in build logs. That of a URL is covered.
func (r *report) source(line int, path string) string {
	if line < 1 || line > len(r.lines) || isEnv(path) {
		return ""
	}
	return password.ReplaceAllStringFunc(r.lines[line-1], func(s string) string {
		from := strings.LastIndexByte(s, ':') + 1
		return s[:from] + strings.Repeat("*", utf8.RuneCountInString(s[from:])-1) + "@"
	})
}

var password = regexp.MustCompile(`://[^\s/@"']*:[^\s/@"']+@`)

func isEnv(path string) bool {
	keys := strings.Split(path, ".")
	return keys[0] == "env" || (keys[0] == "services" && len(keys) > 2 && keys[2] == "env")
}

// errors returns what was recorded, in file order, without repeats.
func (r *report) errors() Errors {
	errs := inOrder(r.errs)
	if len(errs) > maxErrors {
		last := errs[maxErrors]
		last.Path, last.What, last.Mend = "", "more problems than are told here", "mend the ones above first"
		errs = append(errs[:maxErrors], last)
	}
	return errs
}

func (r *report) warned() Errors { return inOrder(r.warnings) }

func inOrder(errs Errors) Errors {
	slices.SortStableFunc(errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.order[0], b.order[0]), cmp.Compare(a.order[1], b.order[1]))
	})
	return slices.Compact(errs) // a problem behind an alias is met once for each use
}

// sourceLines splits data for Show.
func sourceLines(data []byte) []string {
	if len(data) > maxBytes {
		data = data[:maxBytes]
	}
	text := strings.TrimPrefix(strings.ToValidUTF8(string(data), "?"), byteOrderMark)
	return strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
}
