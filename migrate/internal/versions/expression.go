package versions

import (
	"regexp"
	"strings"
	"sync"
)

// A token is a name in an expression, or anything else.
type token struct {
	text string // as it stands there
	name string // what it names, unquoted; empty: it is no name
}

// lexeme is the next token of PostgreSQL's expressions, as far as names have to be told
// from the rest: https://www.postgresql.org/docs/current/sql-syntax-lexical.html. It is
// compiled when it is needed, and not when each proxy and instance of Segue's starts.
var lexeme = pattern(`(?s)^(?:` +
	`--[^\n]*|/\*.*?\*/|\s+|` +
	`[eE]'(?:[^'\\]|''|\\.)*'|[bBxXnN]?'(?:[^']|'')*'|` +
	`"(?:[^"]|"")*"|` +
	`[\pL_\x{80}-\x{10FFFF}][\pL\pN_$\x{80}-\x{10FFFF}]*|` +
	`[0-9][\pL\pN_.]*|::|.)`)

var dollar = pattern(`^\$[\pL_]*[\pL\pN_]*\$`)

func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// tokens takes an expression apart.
func tokens(sql string) []token {
	var all []token
	for sql != "" {
		text := lexeme().FindString(sql)
		if tag := dollar().FindString(sql); tag != "" {
			text = sql
			if i := strings.Index(sql[len(tag):], tag); i >= 0 {
				text = sql[:i+2*len(tag)]
			}
		}
		if text == "" { // no UTF-8
			text = sql[:1]
		}
		all = append(all, token{text, nameOf(text)})
		sql = sql[len(text):]
	}
	return all
}

func nameOf(text string) string {
	switch first := text[0]; {
	case first == '"' && len(text) > 2:
		return strings.ReplaceAll(text[1:len(text)-1], `""`, `"`)
	case strings.HasSuffix(text, "'"):
		return ""
	case first == '_' || first >= 0x80 || first|0x20 >= 'a' && first|0x20 <= 'z':
		return strings.ToLower(text)
	}
	return ""
}

// blank tells whether nothing is said by a token.
func (t token) blank() bool {
	return strings.TrimSpace(t.text) == "" || strings.HasPrefix(t.text, "--") || strings.HasPrefix(t.text, "/*")
}

// mentions gives which of the names an expression may speak of. All of them, if it
// names the row as a whole.
func mentions(sql, table string, names []string) []string {
	all := significant(tokens(sql))
	said := map[string]bool{}
	for i, t := range all {
		if t.text == "*" && i > 0 && all[i-1].text == "." || t.name != "" && t.name == table && (i+1 == len(all) || all[i+1].text != ".") {
			return names
		}
		said[t.name] = t.name != ""
	}
	var found []string
	for _, n := range names {
		if said[n] {
			found = append(found, n)
		}
	}
	return found
}

func significant(all []token) []token {
	var kept []token
	for _, t := range all {
		if !t.blank() {
			kept = append(kept, t)
		}
	}
	return kept
}

// substitute puts other columns in the place of those that a definition names,
// which PostgreSQL has written: a name behind a dot or :: is none of a column's,
// nor is one in front of an opening parenthesis or a text.
func substitute(sql string, columns map[string]string) string {
	var b strings.Builder
	all := tokens(sql)
	last := ""
	for i, t := range all {
		to, is := columns[t.name]
		next := ""
		if i+1 < len(all) {
			next = all[i+1].text
		}
		if is && t.name != "" && last != "." && last != "::" && next != "(" && next != "." {
			b.WriteString(ident(to))
		} else {
			b.WriteString(t.text)
		}
		if !t.blank() {
			last = t.text
		}
	}
	return b.String()
}

// constant tells whether an expression has the same value for all rows, so that a
// column can be added with it as its default without being written: a literal,
// signed or cast.
func constant(sql string) bool {
	all := significant(tokens(sql))
	for i := 0; i < len(all); i++ {
		t := all[i]
		switch {
		case t.text == "::": // a type follows
			for i++; i < len(all) && (all[i].name != "" || strings.ContainsAny(all[i].text[:1], "(),[].0123456789")); i++ {
			}
			i--
		case t.name == "" && t.text != "(" && t.text != ")" || t.name == "array":
		case t.text == "(" || t.text == ")":
		case stable[t.name]:
		default:
			return false
		}
	}
	return len(all) > 0
}

var stable = map[string]bool{"true": true, "false": true, "null": true}
