package phased

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// A piece is one statement of a file.
type piece struct {
	line  int    // of the first byte of sql
	sql   string // with the comments in front of it, without the semicolon
	body  string // without these comments
	notes []note // "-- segue: …" in front of it
	alone bool   // NO TRANSACTION stands in the file
	down  bool   // it stands below Down
}

// A note is what is said to us in a comment.
type note struct {
	line int
	text string
}

// split cuts a file into its statements. It ends them at semicolons, but for those
// in a routine's or trigger's body, and between goose's StatementBegin and
// StatementEnd. Errors begin with the line.
func split(kind dialect.Kind, text string) ([]piece, error) {
	s := &splitter{scanner: scanner{kind: kind, text: strings.TrimPrefix(text, "\ufeff"), line: 1}, begin: -1, first: -1}
	for {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		if err := s.take(t); err != nil {
			return nil, err
		}
		if t.sort == end {
			break
		}
	}
	for i := range s.pieces {
		s.pieces[i].alone = s.alone
	}
	return s.pieces, nil
}

type splitter struct {
	scanner
	pieces []piece

	begin, first int // of the statement at hand: with its comments, and without; -1: not begun
	line         int // of begin
	notes        []note
	body         body

	block bool // between StatementBegin and StatementEnd
	opens int  // its line
	down  bool
	alone bool
}

func (s *splitter) take(t token) error {
	switch t.sort {
	case end:
		if s.block {
			return fmt.Errorf("%d: StatementBegin has no StatementEnd", s.opens)
		}
		s.emit(t.start)
		return nil
	case space:
		return nil
	case comment:
		if said, ok := said(t.text, "+goose"); ok {
			return s.goose(t, said)
		}
		if text, ok := said(t.text, "segue:"); ok && s.first < 0 {
			s.notes = append(s.notes, note{t.line, text})
		}
		s.open(t)
		return nil
	case semicolon:
		if !s.block && s.body.ended() {
			s.emit(t.start)
			return nil
		}
	}
	s.open(t)
	if s.first < 0 {
		s.first = t.start
		if t.sort == word && strings.EqualFold(t.text, "DELIMITER") {
			return fmt.Errorf("%d: DELIMITER is a command of the client; leave it out: bodies are known by their BEGIN and END, or stand between -- +goose StatementBegin and -- +goose StatementEnd", t.line)
		}
	}
	s.body.take(s.kind, t)
	return nil
}

func (s *splitter) open(t token) {
	if s.begin < 0 {
		s.begin, s.line = t.start, t.line
	}
}

// emit ends the statement at hand. Comments with nothing behind them are none.
func (s *splitter) emit(end int) {
	if s.first >= 0 {
		clean := func(text string) string { return strings.TrimRight(text, "; \t\r\n") }
		s.pieces = append(s.pieces, piece{line: s.line, sql: clean(s.text[s.begin:end]), body: clean(s.text[s.first:end]),
			notes: s.notes, down: s.down})
	}
	s.begin, s.first, s.notes, s.body = -1, -1, nil, body{}
}

// goose does as goose's annotations say.
func (s *splitter) goose(t token, said string) error {
	switch strings.ToUpper(said) {
	case "STATEMENTBEGIN":
		if s.first >= 0 {
			return fmt.Errorf("%d: the statement of line %d is not ended with a semicolon before StatementBegin", t.line, s.line)
		}
		s.block, s.opens = true, t.line
	case "STATEMENTEND":
		if !s.block {
			return fmt.Errorf("%d: StatementEnd without StatementBegin", t.line)
		}
		s.block = false
		s.emit(t.start)
	case "UP", "DOWN":
		if s.first >= 0 {
			return fmt.Errorf("%d: the statement of line %d is not ended with a semicolon before %s", t.line, s.line, said)
		}
		s.emit(t.start)
		s.down = strings.EqualFold(said, "DOWN")
	case "NO TRANSACTION":
		s.alone = true
	default:
		return fmt.Errorf("%d: -- +goose %s is not known here: Up, Down, StatementBegin, StatementEnd and NO TRANSACTION are", t.line, said)
	}
	return nil
}

// said gives what a line comment says to somebody.
func said(text, whom string) (string, bool) {
	text = strings.TrimSpace(strings.TrimLeft(text, "-#"))
	rest, ok := strings.CutPrefix(text, whom)
	return strings.TrimSpace(rest), ok
}

// A body finds out whether a statement is in the body of a routine or trigger,
// where semicolons do not end it.
type body struct {
	words   int  // so far
	creates bool // CREATE is the first
	routine bool
	depth   int
	last    string // the word before, if nothing but space came behind it
	member  bool   // a dot came last: what follows is a name
}

func (b *body) take(kind dialect.Kind, t token) {
	w := ""
	if t.sort == word && !b.member {
		w = strings.ToUpper(t.text)
	}
	b.member = t.text == "."
	b.close(w)
	b.words++
	switch w {
	case "CREATE":
		b.creates = b.creates || b.words == 1
	case "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE":
		b.routine = b.routine || b.creates
	case "BEGIN":
		if b.routine && kind != dialect.Postgres {
			b.depth++
		}
	case "ATOMIC":
		if b.routine && kind == dialect.Postgres && b.last == "BEGIN" {
			b.depth++
		}
	case "CASE":
		if b.depth > 0 && b.last != "END" {
			b.depth++
		}
	}
	b.last = w
}

// close counts the END before next, unless it is that of an IF or a loop, which
// were not counted.
func (b *body) close(next string) {
	if b.last != "END" || b.depth == 0 {
		return
	}
	switch next {
	case "IF", "LOOP", "WHILE", "REPEAT", "FOR":
	default:
		b.depth--
	}
}

// ended says that a semicolon now ends the statement.
func (b *body) ended() bool {
	b.close("")
	if b.last == "END" {
		b.last = ""
	}
	return b.depth == 0
}
