// Package phased reads migrations that are written as SQL files, one for each
// phase, and says what they do as the steps of a script.
package phased

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// Range stands in a backfill for the condition that selects a stretch of its table.
const Range = "{{range}}"

// A Migration is the files of one name.
type Migration struct {
	Name  string
	Files []File // expand, backfill, contract: in that order, each at most once
}

// A File is what a migration does in one phase.
type File struct {
	Name  string // in the folder: "0007_email.expand.sql"
	Phase script.Phase
	Text  string
}

// A Statement is one of a file, with the step that it becomes.
type Statement struct {
	Migration string
	File      string
	Line      int
	Phase     script.Phase // script.Undo: below -- +goose Down
	SQL       string       // with the comments in front of it
	Step      script.Step
	Lost      []script.Loss // of Undo
}

// Read splits a migration's files as kind does, and gives its statements in the
// order of the files. A backfill's Batches have no Key where the file names none.
// Errors begin with file and line.
func Read(kind dialect.Kind, m Migration) ([]Statement, error) {
	var all []Statement
	for _, f := range m.Files {
		pieces, err := split(kind, f.Text)
		if err != nil {
			return nil, fmt.Errorf("%s:%w", f.Name, err)
		}
		if len(pieces) == 0 {
			return nil, fmt.Errorf("%s:1: there is no statement in it; remove the file if this phase has nothing to do", f.Name)
		}
		for _, p := range pieces {
			s, err := statement(kind, m.Name, f, p)
			if err != nil {
				return nil, fmt.Errorf("%s:%w", f.Name, err)
			}
			all = append(all, s)
		}
	}
	return all, nil
}

func statement(kind dialect.Kind, migration string, f File, p piece) (Statement, error) {
	s := Statement{Migration: migration, File: f.Name, Line: p.line, Phase: f.Phase, SQL: p.sql,
		Step: script.Step{Migration: migration, Note: summary(p.body), SQL: p.body, Alone: p.alone}}
	if p.down {
		if f.Phase == script.Contract {
			return s, fmt.Errorf("%d: contract has no Down: what it removes is gone; move it to the expand file", p.line)
		}
		s.Phase, s.Lost = script.Undo, losses(p.body)
	}
	if err := s.heed(p.notes); err != nil {
		return s, err
	}
	if b := s.Step.Batches; b != nil {
		if !strings.Contains(p.body, Range) {
			return s, fmt.Errorf("%d: the statement has no %s, which stands for the rows of one batch: WHERE %[2]s AND …", p.line, Range)
		}
		s.Step.SQL, b.SQL = "", p.body
		s.Step.Note = "backfill " + b.Table
	} else if strings.Contains(p.body, Range) {
		return s, fmt.Errorf("%d: %s needs to know the table: write -- segue: table=NAME in front of the statement", p.line, Range)
	}
	concurrently(kind, &s.Step)
	return s, nil
}

// heed does as the notes in front of a statement say. Those for the gate are its
// own business.
func (s *Statement) heed(notes []note) error {
	for _, n := range notes {
		first, rest, _ := strings.Cut(n.text, " ")
		switch {
		case first == "unsafe":
		case first == "loses" && s.Phase == script.Undo:
			if rest = strings.TrimSpace(rest); rest == "nothing" {
				s.Lost = nil
			} else {
				s.Lost = []script.Loss{{What: "what " + s.Step.Note + " removes", Count: strings.TrimSuffix(rest, ";")}}
			}
		case strings.Contains(first, "=") && s.Phase == script.Backfill:
			b, err := batches(n)
			if err != nil {
				return err
			}
			s.Step.Batches = b
		default:
			return fmt.Errorf("%d: -- segue: %s is not known here; table=NAME key=COLUMN size=ROWS stands in front of a backfill, unsafe RULE WHY of any statement, loses nothing or loses SELECT … below Down", n.line, n.text)
		}
	}
	return nil
}

// batches reads table=users key=id size=500.
func batches(n note) (*script.Batches, error) {
	b := &script.Batches{}
	for field := range strings.FieldsSeq(n.text) {
		key, value, _ := strings.Cut(field, "=")
		var err error
		switch key {
		case "table":
			b.Table = value
		case "alias":
			b.Alias = value
		case "key":
			b.Key = strings.Split(value, ",")
		case "size":
			b.Size, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("unknown")
		}
		if err != nil || value == "" {
			return nil, fmt.Errorf("%d: %q is not understood; a backfill has table=NAME, and may have key=COLUMN,COLUMN, size=ROWS and alias=NAME", n.line, field)
		}
	}
	if b.Table == "" {
		return nil, fmt.Errorf("%d: a backfill needs to know its table: -- segue: table=NAME", n.line)
	}
	return b, nil
}

var (
	createIndex = regexp.MustCompile(`(?is)^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?("(?:[^"]|"")+"|[\w$]+)\s+ON\s+(?:ONLY\s+)?((?:"(?:[^"]|"")+"|[\w$]+)\s*\.)?`)
	oneByOne    = regexp.MustCompile(`(?is)^(?:(?:CREATE\s+(?:UNIQUE\s+)?|DROP\s+)INDEX\s+CONCURRENTLY|REINDEX\b.*\bCONCURRENTLY|VACUUM|REFRESH\s+MATERIALIZED\s+VIEW\s+CONCURRENTLY)\b`)
	validate    = regexp.MustCompile(`(?is)^ALTER\s+TABLE\b.*\bVALIDATE\s+CONSTRAINT\b`)
)

// concurrently marks what PostgreSQL cannot run in a transaction, and what takes
// its time. Of an index that was begun and is not valid, the half goes first.
func concurrently(kind dialect.Kind, s *script.Step) {
	if kind != dialect.Postgres {
		return
	}
	if oneByOne.MatchString(s.SQL) {
		s.Alone, s.Slow = true, true
	}
	if validate.MatchString(s.SQL) {
		s.Slow = true
	}
	if m := createIndex.FindStringSubmatch(s.SQL); m != nil {
		index := strings.TrimSpace(m[2]) + m[1]
		s.Done = "SELECT 1 FROM pg_catalog.pg_index WHERE indexrelid = to_regclass('" + strings.ReplaceAll(index, "'", "''") + "') AND indisvalid"
		s.Before = "DROP INDEX CONCURRENTLY IF EXISTS " + index
	}
}

// summary tells in a few words what a statement does, without its values.
func summary(body string) string {
	fields := strings.Fields(body)
	few := 3
	switch strings.ToUpper(fields[0]) {
	case "ALTER", "DROP":
		few = 8
	case "CREATE":
		few = 6
	case "UPDATE":
		few = 2
	}
	text := strings.Join(fields[:min(few, len(fields))], " ")
	if at := strings.IndexAny(text, "('"); at > 0 {
		text = text[:at]
	}
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80])
	}
	return strings.TrimSpace(text)
}

const name = `((?:"(?:[^"]|"")+"|` + "`[^`]+`" + `|\[[^\]]+\]|[\w$.]+)+)`

var (
	dropTable  = regexp.MustCompile(`(?is)^DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?` + name)
	alterTable = regexp.MustCompile(`(?is)^ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?` + name + `\s`)
	dropColumn = regexp.MustCompile(`(?is)\bDROP\s+(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?` + name)
	noColumn   = regexp.MustCompile(`(?i)^(CONSTRAINT|INDEX|KEY|PRIMARY|FOREIGN|CHECK|PARTITION|DEFAULT|NOT|IDENTITY|EXPRESSION|SYSTEM|PERIOD)$`)
)

// losses finds what a statement below Down removes that may have values: tables and
// columns.
func losses(body string) []script.Loss {
	if m := dropTable.FindStringSubmatch(body); m != nil {
		return []script.Loss{{What: "rows of " + m[1], Count: "SELECT count(*) FROM " + m[1]}}
	}
	table := alterTable.FindStringSubmatch(body)
	if table == nil {
		return nil
	}
	var all []script.Loss
	for _, m := range dropColumn.FindAllStringSubmatch(body, -1) {
		if noColumn.MatchString(m[1]) {
			continue
		}
		all = append(all, script.Loss{What: "values of " + table[1] + "." + m[1],
			Count: "SELECT count(*) FROM " + table[1] + " WHERE " + m[1] + " IS NOT NULL"})
	}
	return all
}

// Script puts the statements of migrations, in their order, into the phases of
// one change. They are taken back in the reverse order of the migrations.
func Script(migrations [][]Statement) script.Script {
	var s script.Script
	for _, statements := range migrations {
		var undo, expand []script.Step
		file := ""
		for _, st := range statements {
			switch st.Phase {
			case script.Expand:
				expand, file = append(expand, st.Step), st.File
			case script.Backfill:
				s.Backfill = append(s.Backfill, st.Step)
			case script.Contract:
				s.Contract = append(s.Contract, st.Step)
			case script.Undo:
				undo = append(undo, st.Step)
				s.Lost = append(s.Lost, st.Lost...)
			}
		}
		s.Expand = append(s.Expand, expand...)
		s.Undo = append(undo, s.Undo...)
		if len(expand) > 0 && len(undo) == 0 && s.Stays == "" {
			s.Stays = file + " does not say how it is taken back (-- +goose Down)"
		}
	}
	return s
}
