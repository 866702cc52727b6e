package phased

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// A token is a piece of SQL, as far as splitting has to tell pieces apart.
type token struct {
	sort  sort
	text  string
	start int
	line  int
}

type sort int

const (
	end sort = iota
	space
	comment
	word
	quoted // a text, a quoted name, a dollar-quoted body
	semicolon
	other
)

// A scanner cuts SQL into tokens as one kind of database does. It never fails on
// what it does not know; only what is opened and not closed is an error.
type scanner struct {
	kind dialect.Kind
	text string
	at   int
	line int
}

func (s *scanner) next() (token, error) {
	t := token{start: s.at, line: s.line}
	if s.at >= len(s.text) {
		return t, nil
	}
	length, sort, closed := s.measure(s.text[s.at:])
	t.sort, t.text = sort, s.text[s.at:s.at+length]
	s.at += length
	s.line += strings.Count(t.text, "\n")
	if !closed {
		return t, fmt.Errorf("%d: what begins here with %s is not closed", t.line, firstLine(t.text))
	}
	return t, nil
}

// measure gives the length of the token that text begins with.
func (s *scanner) measure(text string) (length int, is sort, closed bool) {
	c := text[0]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		return 1, space, true
	case c == ';':
		return 1, semicolon, true
	case s.lineComment(text):
		n := strings.IndexByte(text, '\n')
		if n < 0 {
			n = len(text)
		}
		return n, comment, true
	case strings.HasPrefix(text, "/*"):
		return s.blockComment(text)
	case c == '\'':
		n, ok := quote(text, 1, '\'', s.kind == dialect.MariaDB)
		return n, quoted, ok
	case c == '"':
		n, ok := quote(text, 1, '"', s.kind == dialect.MariaDB)
		return n, quoted, ok
	case c == '`' && s.kind != dialect.Postgres:
		n, ok := quote(text, 1, '`', false)
		return n, quoted, ok
	case c == '[' && s.kind == dialect.SQLite:
		n := strings.IndexByte(text, ']')
		if n < 0 {
			return len(text), quoted, false
		}
		return n + 1, quoted, true
	case c == '$' && s.kind == dialect.Postgres:
		return dollar(text)
	case s.kind == dialect.Postgres && (c == 'E' || c == 'e') && strings.HasPrefix(text[1:], "'"):
		n, ok := quote(text, 2, '\'', true)
		return n, quoted, ok
	case letter(c):
		n := 1
		for n < len(text) && (letter(text[n]) || text[n] >= '0' && text[n] <= '9' || text[n] == '$') {
			n++
		}
		return n, word, true
	}
	_, n := utf8.DecodeRuneInString(text)
	return n, other, true
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func (s *scanner) lineComment(text string) bool {
	if s.kind != dialect.MariaDB {
		return strings.HasPrefix(text, "--")
	}
	if text[0] == '#' {
		return true
	}
	// MariaDB takes 5--1 for a sum: a comment has a space behind its dashes.
	return strings.HasPrefix(text, "--") && (len(text) == 2 || text[2] <= ' ')
}

// blockComment knows that PostgreSQL's comments may hold comments, and that what
// is in MariaDB's /*! */ is run.
func (s *scanner) blockComment(text string) (int, sort, bool) {
	is := comment
	if s.kind == dialect.MariaDB && (strings.HasPrefix(text, "/*!") || strings.HasPrefix(text, "/*M!")) {
		is = other
	}
	depth, n := 1, 2
	for n < len(text) {
		switch {
		case strings.HasPrefix(text[n:], "*/"):
			n += 2
			if depth--; depth == 0 {
				return n, is, true
			}
		case s.kind == dialect.Postgres && strings.HasPrefix(text[n:], "/*"):
			depth++
			n += 2
		default:
			n++
		}
	}
	return n, is, false
}

// quote gives where what was opened before n is closed: the mark twice is the mark
// itself, and after a backslash, too, where that means something.
func quote(text string, n int, mark byte, backslash bool) (int, bool) {
	for n < len(text) {
		switch {
		case backslash && text[n] == '\\':
			n += 2
		case text[n] != mark:
			n++
		case n+1 < len(text) && text[n+1] == mark:
			n += 2
		default:
			return n + 1, true
		}
	}
	return len(text), false
}

// dollar measures $tag$ … $tag$, or a lone $ as of an argument, $1.
func dollar(text string) (int, sort, bool) {
	n := 1
	for n < len(text) && (letter(text[n]) || n > 1 && text[n] >= '0' && text[n] <= '9') {
		n++
	}
	if n == len(text) || text[n] != '$' {
		return 1, other, true
	}
	tag := text[:n+1]
	length := strings.Index(text[n+1:], tag)
	if length < 0 {
		return len(text), quoted, false
	}
	return n + 1 + length + len(tag), quoted, true
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if r := []rune(line); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return line
}
