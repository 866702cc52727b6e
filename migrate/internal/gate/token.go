package gate

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type class int

const (
	word   class = iota // a keyword or a name that is not quoted
	quoted              // a quoted name
	text                // a string, of any form
	number
	hole // {{range}}
	punct
)

// A token is the least piece of a statement that means something.
type token struct {
	class class
	key   string // of a word: in upper case; of a quoted name and of a string: what it holds
	raw   string // as it is written
	at    int    // offset in the text
}

func (t token) is(key string) bool { return (t.class == word || t.class == punct) && t.key == key }

// A comment is one in the text, without its marks.
type comment struct {
	text string
	at   int
}

// A malformed tells where a text cannot be read, and which rule says so.
type malformed struct {
	at   int
	what string
	rule string
}

func (m *malformed) Error() string { return m.what }

// A scanner cuts a text into tokens, as one kind of database does.
type scanner struct {
	kind     Kind
	src      string
	at       int
	inside   bool // of a /*! comment */, whose content MariaDB runs
	tokens   []token
	comments []comment
}

// scan cuts a text into tokens and comments. What a database would run and what
// it would skip must be told apart exactly here: a statement that hides in what
// was taken for a string is not judged. So whatever is doubtful is an error.
func scan(kind Kind, src string) ([]token, []comment, error) {
	s := &scanner{kind: kind, src: src}
	if at := strings.IndexByte(src, 0); at >= 0 {
		return nil, nil, &malformed{at, "a NUL byte", "unreadable"}
	}
	if !utf8.ValidString(src) {
		return nil, nil, &malformed{0, "not UTF-8", "unreadable"}
	}
	for s.at < len(src) {
		if err := s.next(); err != nil {
			return s.tokens, s.comments, err
		}
	}
	if s.inside {
		return s.tokens, s.comments, s.bad(len(src), "a comment that does not end")
	}
	return s.tokens, s.comments, nil
}

func (s *scanner) bad(at int, what string) error { return &malformed{at, what, "unreadable"} }

func (s *scanner) has(prefix string) bool { return strings.HasPrefix(s.src[s.at:], prefix) }

func (s *scanner) add(c class, key string, from int) {
	s.tokens = append(s.tokens, token{c, key, s.src[from:s.at], from})
}

func (s *scanner) next() error {
	c := s.src[s.at]
	switch {
	case isSpace(c):
		s.at++
	case s.has("--") && s.lineComment():
		s.line(2)
	case c == '#' && s.kind == MariaDB:
		s.line(1)
	case s.has("/*"):
		return s.block()
	case s.inside && s.has("*/"):
		s.inside = false
		s.at += 2
	case s.has("{{"):
		return s.hole()
	case c == '\\':
		return &malformed{s.at, "a backslash: a command for psql or mysql, which is not SQL", "client-command"}
	case c == '\'':
		return s.quote(text, '\'', s.kind == MariaDB)
	case c == '"':
		if s.kind == MariaDB {
			return s.quote(text, '"', true)
		}
		return s.quote(quoted, '"', false)
	case c == '`' && s.kind != Postgres:
		return s.quote(quoted, '`', false)
	case c == '[' && s.kind == SQLite:
		return s.bracket()
	case c == '$' && s.kind == Postgres && s.dollar():
	case isDigit(c) || c == '.' && s.at+1 < len(s.src) && isDigit(s.src[s.at+1]):
		s.number()
	case isLetter(c):
		return s.word()
	case c < ' ' || c == 0x7f:
		return s.bad(s.at, fmt.Sprintf("a control character (%#x)", c))
	default:
		s.punct()
	}
	return nil
}

// lineComment: in MariaDB two dashes begin a comment only before a space.
func (s *scanner) lineComment() bool {
	return s.kind != MariaDB || s.at+2 >= len(s.src) || s.src[s.at+2] <= ' '
}

func (s *scanner) line(mark int) {
	from := s.at
	end := strings.IndexByte(s.src[s.at:], '\n')
	if end < 0 {
		s.at = len(s.src)
	} else {
		s.at += end
	}
	s.comments = append(s.comments, comment{strings.TrimSpace(s.src[from+mark : s.at]), from})
}

// block reads a comment in /* */. PostgreSQL's nest. MariaDB runs what is in
// /*! */ and /*M! */, so that is read as if the marks were not there.
func (s *scanner) block() error {
	from := s.at
	if s.kind == MariaDB && (s.has("/*!") || s.has("/*M!")) {
		if s.inside {
			return s.bad(from, "an executed comment in another one")
		}
		s.at += strings.IndexByte(s.src[s.at:], '!') + 1
		for s.at < len(s.src) && isDigit(s.src[s.at]) {
			s.at++
		}
		s.inside = true
		return nil
	}
	depth := 0
	for s.at < len(s.src) {
		switch {
		case s.has("/*") && (depth == 0 || s.kind == Postgres):
			depth++
			s.at += 2
		case s.has("*/"):
			depth--
			s.at += 2
		default:
			s.at++
		}
		if depth == 0 {
			s.comments = append(s.comments, comment{strings.TrimSpace(s.src[from+2 : s.at-2]), from})
			return nil
		}
	}
	return s.bad(from, "a comment that does not end")
}

func (s *scanner) hole() error {
	from := s.at
	end := strings.Index(s.src[s.at:], "}}")
	if end < 0 || strings.ContainsAny(s.src[s.at:s.at+end], "\n;'\"") {
		return s.bad(from, "{{ without }}")
	}
	s.at += end + 2
	s.add(hole, strings.ToLower(strings.TrimSpace(s.src[from+2:s.at-2])), from)
	return nil
}

// quote reads what stands between two quotes, of which a doubled one is a quote.
// With escapes, a backslash takes the next character with it.
func (s *scanner) quote(c class, q byte, escapes bool) error {
	from := s.at
	var b strings.Builder
	for s.at++; s.at < len(s.src); s.at++ {
		ch := s.src[s.at]
		switch {
		case ch == '\\' && escapes && s.at+1 < len(s.src):
			s.at++
			b.WriteByte(s.src[s.at])
		case ch == q && s.at+1 < len(s.src) && s.src[s.at+1] == q:
			s.at++
			b.WriteByte(q)
		case ch == q:
			s.at++
			s.add(c, b.String(), from)
			return nil
		default:
			b.WriteByte(ch)
		}
	}
	return s.bad(from, "a quote that does not end")
}

func (s *scanner) bracket() error {
	from := s.at
	end := strings.IndexByte(s.src[s.at:], ']')
	if end < 0 {
		return s.bad(from, "[ without ]")
	}
	s.at += end + 1
	s.add(quoted, s.src[from+1:s.at-1], from)
	return nil
}

// dollar reads a string in $tag$, if one begins here: $1 is a parameter.
func (s *scanner) dollar() bool {
	from := s.at
	i := s.at + 1
	for i < len(s.src) && (isLetter(s.src[i]) || i > s.at+1 && isDigit(s.src[i])) {
		i++
	}
	if i >= len(s.src) || s.src[i] != '$' {
		return false
	}
	tag := s.src[from : i+1]
	end := strings.Index(s.src[i+1:], tag)
	if end < 0 {
		return false // a lone $ is no token that any shape knows
	}
	s.at = i + 1 + end + len(tag)
	s.add(text, s.src[i+1:i+1+end], from)
	return true
}

func (s *scanner) number() {
	from := s.at
	for s.at < len(s.src) && (isDigit(s.src[s.at]) || s.src[s.at] == '.' || isLetter(s.src[s.at])) {
		s.at++
	}
	s.add(number, s.src[from:s.at], from)
}

// word reads a word, or the string that a word as E in front of it makes special.
func (s *scanner) word() error {
	from := s.at
	for s.at < len(s.src) && (isLetter(s.src[s.at]) || isDigit(s.src[s.at]) || s.src[s.at] == '$') {
		s.at++
	}
	key := strings.ToUpper(s.src[from:s.at])
	if s.at < len(s.src) && s.src[s.at] == '\'' && s.kind == Postgres {
		switch key {
		case "E":
			return s.quote(text, '\'', true)
		case "B", "X", "N":
			return s.quote(text, '\'', false)
		}
	}
	if key == "U" && s.kind == Postgres && (s.has("&'") || s.has(`&"`)) {
		return s.bad(from, "a text with escapes of Unicode (U&), in which anything may hide")
	}
	s.add(word, key, from)
	return nil
}

func (s *scanner) punct() {
	from := s.at
	s.at++
	if s.src[from] == ':' && s.has(":") {
		s.at++
	}
	s.add(punct, s.src[from:s.at], from)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isLetter: bytes of other than ASCII are letters to all three databases.
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}
