// Package gate judges the statements of a migration before any of them is run: it
// refuses what breaks the release that runs, or blocks it for longer than a moment,
// and says how the same is had safely. [Rules] tells all that it looks at;
// docs/migrate-rules.md is written from them.
//
// It reads statements with a tokenizer and shapes of its own. PostgreSQL's parser
// can be had without cgo, but costs each process that uses it 1.5 s and 270 MB, and
// the two other databases have none. So what fits no shape is refused: what cannot
// be read cannot be judged.
package gate

import (
	"errors"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// A Kind is a kind of database.
type Kind string

// The kinds.
const (
	Postgres Kind = "postgres"
	MariaDB  Kind = "mariadb"
	SQLite   Kind = "sqlite"
)

// A Statement is one statement of a change, as its file has it.
type Statement struct {
	Migration string // "0007_email"
	File      string
	Line      int // of the first byte of SQL, from 1
	Phase     script.Phase
	// SQL holds the statement with the comments in front of it, since one of them
	// may say why a rule does not hold: -- segue: unsafe drop-column nobody reads it.
	SQL string
	// Alone says that it is run in no transaction, or in one that is its own:
	// script.Step.Alone or Slow.
	Alone bool
}

// A Finding is something that breaks a rule.
type Finding struct {
	Migration string
	File      string
	Line      int
	Rule      string // its name, as in docs/migrate-rules.md: "drop-column"
	Refused   bool   // false: a warning, or a rule that was set aside
	Statement string // in one line, shortened
	Why       string // what it does to the release that runs
	Safe      string // how the same is had safely
	Unsafe    string // why the rule was set aside, in the words of who did; empty: it was not
}

// Check judges all statements of a change, which are to be given in the order in
// which they are run: first every migration's expand, then backfill, then contract.
// Statements that belong together are seen together: a table that the change
// makes has no rows and no users yet, and may be treated freely in expand. unsafe
// names rules that do not hold; "all" is every one. Undo is not judged.
func Check(kind Kind, change []Statement, unsafe ...string) []Finding {
	return CheckOn(kind, nil, change, unsafe...)
}

// CheckOn is Check for a database whose columns' types are known: one that becomes
// longer is let through then. types may be nil.
func CheckOn(kind Kind, types Types, change []Statement, unsafe ...string) []Finding {
	j := &judge{kind: kind, types: types, made: made{}, unsafe: unsafe}
	for i := range change {
		if change[i].Phase != script.Undo {
			j.statement(&change[i])
		}
	}
	return j.findings
}

// A judge goes through a change, and keeps in mind what it has made so far.
type judge struct {
	kind     Kind
	types    Types
	unsafe   []string
	findings []Finding

	made    made            // by the change, so far
	locked  map[string]bool // tables that the transaction has locked, so far
	dropped map[string]bool // views that it has dropped

	// Of the statement that is looked at:
	stmt     *Statement
	asides   map[string]string // rules that its comments set aside, and why
	at       int               // where in its text
	anyCheck bool              // MariaDB: it is run with foreign_key_checks=0
}

func (j *judge) statement(s *Statement) {
	if j.locked == nil || s.Alone || j.stmt != nil && (j.stmt.Alone || j.stmt.Phase != s.Phase) {
		j.locked, j.dropped = map[string]bool{}, map[string]bool{}
	}
	j.stmt, j.at = s, 0
	tokens, comments, err := scan(j.kind, s.SQL)
	j.setAside(comments, tokens)
	if bad, ok := errors.AsType[*malformed](err); ok {
		j.at = bad.at
		j.report(bad.rule)
		return
	}
	if !balanced(tokens) {
		j.report("unreadable")
		return
	}
	j.holes(tokens)
	all := split(j.kind, tokens)
	if len(all) > 1 {
		j.at = all[1][0].at
		j.report("several-statements")
	}
	for _, one := range all {
		j.at = one[0].at
		j.longNames(one)
		j.one(newCursor(j.kind, one))
	}
}

// one judges one statement.
func (j *judge) one(c *cursor) {
	j.anyCheck = false
	switch j.kind {
	case Postgres:
		j.postgres(c)
	case MariaDB:
		j.mariadb(c)
	case SQLite:
		j.sqlite(c)
	default:
		j.unknown()
	}
}

// holes: only a backfill has a stretch of a key to put in the place of {{range}}.
func (j *judge) holes(tokens []token) {
	for _, t := range tokens {
		if t.class == hole && (t.key != "range" || j.stmt.Phase != script.Backfill) {
			j.at = t.at
			j.report("unreadable")
		}
	}
}

func (j *judge) unknown() { j.report("unknown-statement") }

// finish takes what was read for understood, if nothing is left.
func (j *judge) finish(c *cursor) {
	if !c.end() {
		j.unknown()
	}
}

// report notes that a rule is broken, unless it does not hold in this phase or for
// what the change itself has made, which about names.
func (j *judge) report(rule string, about ...string) {
	r := byName(rule)
	if !r.holds(j.kind, j.stmt.Phase) || r.Freely && j.free(about...) {
		return
	}
	f := Finding{
		Migration: j.stmt.Migration, File: j.stmt.File, Line: j.stmt.Line + strings.Count(j.stmt.SQL[:j.at], "\n"),
		Rule: rule, Statement: j.shown(), Why: r.Why, Safe: r.safe(j.kind), Refused: !r.Warns,
	}
	if why, ok := j.asides[rule]; ok {
		f.Refused, f.Unsafe = false, why
	} else if slices.Contains(j.unsafe, rule) || slices.Contains(j.unsafe, "all") {
		f.Refused, f.Unsafe = false, "set aside by whoever runs it"
	}
	if !slices.Contains(j.findings, f) {
		j.findings = append(j.findings, f)
	}
}

// shown gives the statement in one line. Passwords may stand in one (CREATE ROLE),
// so strings are left out.
func (j *judge) shown() string {
	tokens, _, err := scan(j.kind, j.stmt.SQL)
	if err != nil {
		return "(cannot be read)"
	}
	var b strings.Builder
	end := 0
	for i, t := range tokens {
		raw := t.raw
		if t.class == text {
			raw = "'…'"
		}
		if i > 0 && t.at > end {
			b.WriteByte(' ')
		}
		end = t.at + len(t.raw)
		b.WriteString(raw)
		if b.Len() > 200 {
			return strings.ToValidUTF8(b.String()[:200], "") + "…"
		}
	}
	return strings.TrimSuffix(b.String(), ";")
}
