package gate

// split cuts tokens at the semicolons that end a statement. Those inside of a
// routine's or trigger's body do not.
func split(kind Kind, tokens []token) [][]token {
	var all [][]token
	for len(tokens) > 0 {
		end := statementEnd(kind, tokens)
		if end > 0 {
			all = append(all, tokens[:end])
		}
		tokens = tokens[min(end+1, len(tokens)):]
	}
	return all
}

// statementEnd gives the index of the semicolon that ends the first statement.
func statementEnd(kind Kind, tokens []token) int {
	hasBody := compound(kind, tokens)
	if hasBody && kind == MariaDB {
		// The server reads the body to its end, and the rest of the text with it.
		return trimSemicolons(tokens)
	}
	depth, parens := 0, 0
	for i, t := range tokens {
		switch {
		case t.is("("):
			parens++
		case t.is(")"):
			parens--
		case hasBody && beginsBody(kind, tokens[i:], depth):
			depth++
		case hasBody && t.is("END") && depth > 0:
			depth--
		case t.is(";") && depth == 0 && (parens <= 0 || kind != Postgres):
			return i
		}
	}
	return len(tokens)
}

func trimSemicolons(tokens []token) int {
	end := len(tokens)
	for end > 0 && tokens[end-1].is(";") {
		end--
	}
	return end
}

// compound tells whether a statement may have a body with semicolons.
func compound(kind Kind, tokens []token) bool {
	c := newCursor(kind, tokens)
	if !c.take("CREATE") {
		return kind == MariaDB && (c.is("BEGIN", "NOT", "ATOMIC"))
	}
	routinePrefix(c)
	switch kind {
	case Postgres:
		return c.is("FUNCTION") || c.is("PROCEDURE")
	case SQLite:
		return c.is("TRIGGER")
	}
	return c.is("FUNCTION") || c.is("PROCEDURE") || c.is("TRIGGER") || c.is("EVENT") || c.is("PACKAGE")
}

// routinePrefix takes what may stand between CREATE and what is created.
func routinePrefix(c *cursor) (replace bool) {
	for !c.end() {
		switch {
		case c.take("OR", "REPLACE"):
			replace = true
		case c.take("TEMP"), c.take("TEMPORARY"), c.take("AGGREGATE"), c.take("CONSTRAINT"):
		case c.take("DEFINER", "="):
			definer(c)
		case c.take("ALGORITHM", "="), c.take("SQL", "SECURITY"):
			c.skip()
		default:
			return replace
		}
	}
	return replace
}

// definer takes CURRENT_USER, CURRENT_USER() or 'user'@'host'.
func definer(c *cursor) {
	c.skip()
	if c.is("(") {
		c.parens()
	}
	if c.take("@") {
		c.skip()
	}
}

func beginsBody(kind Kind, rest []token, depth int) bool {
	if depth > 0 {
		return rest[0].is("CASE") || rest[0].is("BEGIN")
	}
	if kind == Postgres {
		return rest[0].is("BEGIN") && len(rest) > 1 && rest[1].is("ATOMIC")
	}
	return rest[0].is("BEGIN")
}
