package gate

import "strings"

// A cursor walks over the tokens of a statement, or of a part of one.
type cursor struct {
	kind   Kind
	tokens []token
	at     int
}

func newCursor(kind Kind, tokens []token) *cursor { return &cursor{kind: kind, tokens: tokens} }

func (c *cursor) end() bool     { return c.at >= len(c.tokens) }
func (c *cursor) rest() []token { return c.tokens[c.at:] }

func (c *cursor) peek() token {
	if c.end() {
		return token{class: punct}
	}
	return c.tokens[c.at]
}

func (c *cursor) skip() {
	if !c.end() {
		c.at++
	}
}

// is tells whether these words come next.
func (c *cursor) is(words ...string) bool {
	if c.at+len(words) > len(c.tokens) {
		return false
	}
	for i, w := range words {
		if !c.tokens[c.at+i].is(w) {
			return false
		}
	}
	return true
}

// take passes over these words if they come next.
func (c *cursor) take(words ...string) bool {
	if !c.is(words...) {
		return false
	}
	c.at += len(words)
	return true
}

// takeOne passes over one of these words.
func (c *cursor) takeOne(words ...string) string {
	for _, w := range words {
		if c.take(w) {
			return w
		}
	}
	return ""
}

// takeLast passes over words at the end.
func (c *cursor) takeLast(words ...string) bool {
	n := len(c.tokens) - len(words)
	if n < c.at {
		return false
	}
	tail := newCursor(c.kind, c.tokens[n:])
	if !tail.is(words...) {
		return false
	}
	c.tokens = c.tokens[:n]
	return true
}

// has tells whether a word comes anywhere in what is left, at any depth.
func (c *cursor) has(words ...string) bool { return holds(c.kind, c.rest(), words...) }

func holds(kind Kind, tokens []token, words ...string) bool {
	for i := range tokens {
		if newCursor(kind, tokens[i:]).is(words...) {
			return true
		}
	}
	return false
}

// name reads a name with its qualifiers: "users", "app.users". Names that mean the
// same table come out alike, and so PostgreSQL's public is left out.
func (c *cursor) name() (string, bool) {
	var parts []string
	for {
		p, ok := c.part()
		if !ok {
			return "", false
		}
		parts = append(parts, p)
		if !c.is(".") {
			break
		}
		c.skip()
	}
	if c.kind == Postgres && len(parts) == 2 && parts[0] == "public" || c.kind == SQLite && len(parts) == 2 && parts[0] == "main" {
		parts = parts[1:]
	}
	return strings.Join(parts, "."), true
}

// part reads one name, folded as the database does.
func (c *cursor) part() (string, bool) {
	t := c.peek()
	switch {
	case t.class == quoted && c.kind == SQLite:
		c.skip()
		return strings.ToLower(t.key), true
	case t.class == quoted:
		c.skip()
		return t.key, true
	case t.class == word && c.kind == MariaDB:
		c.skip()
		return t.raw, true
	case t.class == word:
		c.skip()
		return strings.ToLower(t.raw), true
	}
	return "", false
}

// names reads names with commas between them.
func (c *cursor) names() ([]string, bool) {
	var all []string
	for {
		n, ok := c.name()
		if !ok {
			return nil, false
		}
		all = append(all, n)
		if !c.take(",") {
			return all, true
		}
	}
}

// parens passes over a bracketed part and gives what is in it.
func (c *cursor) parens() ([]token, bool) {
	if !c.is("(") {
		return nil, false
	}
	from, depth := c.at, 0
	for ; !c.end(); c.at++ {
		switch {
		case c.is("("):
			depth++
		case c.is(")"):
			depth--
		}
		if depth == 0 {
			c.at++
			return c.tokens[from+1 : c.at-1], true
		}
	}
	c.at = from
	return nil, false
}

// parts cuts tokens at the commas that are in no brackets.
func parts(tokens []token) [][]token {
	var all [][]token
	depth, from := 0, 0
	for i, t := range tokens {
		switch {
		case t.is("("), t.is("["):
			depth++
		case t.is(")"), t.is("]"):
			depth--
		case t.is(",") && depth == 0:
			all = append(all, tokens[from:i])
			from = i + 1
		}
	}
	return append(all, tokens[from:])
}

// balanced tells whether every bracket is closed.
func balanced(tokens []token) bool {
	depth := 0
	for _, t := range tokens {
		if t.is("(") {
			depth++
		}
		if t.is(")") {
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}
