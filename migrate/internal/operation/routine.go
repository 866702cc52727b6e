package operation

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A RoutineHead is how a statement that makes a routine begins.
type RoutineHead struct {
	Kind string // FUNCTION or PROCEDURE
	Name string // as PostgreSQL takes it: without quotes, or in lower case
	Rest string // the statement from the arguments on: "(a int) RETURNS …"
}

// ParseRoutine reads the beginning of a CREATE [OR REPLACE] FUNCTION or PROCEDURE
// whose name has no schema.
func ParseRoutine(sql string) (RoutineHead, error) {
	s := scanner{sql}
	if !s.word("CREATE") {
		return RoutineHead{}, errors.New("this is no CREATE FUNCTION or CREATE PROCEDURE")
	}
	if s.word("OR") && !s.word("REPLACE") {
		return RoutineHead{}, errors.New("CREATE OR is followed by REPLACE")
	}
	var head RoutineHead
	switch {
	case s.word("FUNCTION"):
		head.Kind = "FUNCTION"
	case s.word("PROCEDURE"):
		head.Kind = "PROCEDURE"
	default:
		return head, errors.New("this is no CREATE FUNCTION or CREATE PROCEDURE")
	}
	head.Name = s.name()
	s.space()
	switch {
	case head.Name == "":
		return head, errors.New("the routine has no name")
	case strings.HasPrefix(s.rest, "."):
		return head, errors.New("the routine's name is written with a schema; it gets that of its version")
	case !strings.HasPrefix(s.rest, "("):
		return head, errors.New("the routine's name is not followed by its arguments in parentheses")
	}
	head.Rest = s.rest
	return head, nil
}

// A scanner reads the beginning of a statement.
type scanner struct{ rest string }

// space skips white space and comments.
func (s *scanner) space() {
	for {
		s.rest = strings.TrimLeftFunc(s.rest, unicode.IsSpace)
		switch {
		case strings.HasPrefix(s.rest, "--"):
			_, s.rest, _ = strings.Cut(s.rest, "\n")
		case strings.HasPrefix(s.rest, "/*"):
			s.rest = afterComment(s.rest)
		default:
			return
		}
	}
}

// afterComment is what follows a comment, inside which others may stand.
func afterComment(s string) string {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return s[i+1:]
		}
	}
	return ""
}

// word skips a keyword, if it is what comes.
func (s *scanner) word(keyword string) bool {
	s.space()
	n := len(keyword)
	if len(s.rest) < n || !strings.EqualFold(s.rest[:n], keyword) {
		return false
	}
	if next, _ := utf8.DecodeRuneInString(s.rest[n:]); n < len(s.rest) && isNamePart(next) {
		return false
	}
	s.rest = s.rest[n:]
	return true
}

// name reads a name as PostgreSQL does; empty: none stands there.
func (s *scanner) name() string {
	s.space()
	if strings.HasPrefix(s.rest, `"`) {
		return s.quoted()
	}
	end := strings.IndexFunc(s.rest, func(r rune) bool { return !isNamePart(r) })
	if end < 0 {
		end = len(s.rest)
	}
	name := s.rest[:end]
	s.rest = s.rest[end:]
	return strings.ToLower(name)
}

func (s *scanner) quoted() string {
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch {
		case s.rest[i] != '"':
			b.WriteByte(s.rest[i])
		case strings.HasPrefix(s.rest[i:], `""`):
			b.WriteByte('"')
			i++
		default:
			s.rest = s.rest[i+1:]
			return b.String()
		}
	}
	s.rest = ""
	return ""
}

func isNamePart(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}
