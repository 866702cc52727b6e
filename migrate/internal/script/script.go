// Package script holds what a change of a database does, as data: the statements
// of each phase, one by one. It is written down in the database before the first
// of them is run. So whoever goes on after a crash runs the very same ones, and
// contracting or undoing needs no files, which may be gone by then.
package script

import "time"

// A Phase is a part of a change.
type Phase string

// The phases of a change. Undo takes back what Expand and Backfill did, and is
// possible until Contract has begun.
const (
	Expand   Phase = "expand"   // both releases can work on the database afterwards
	Backfill Phase = "backfill" // what the new release reads is there for the rows that were written before
	Contract Phase = "contract" // what only the old release needed is gone
	Undo     Phase = "undo"
)

// A Script is a whole change: that of one or more migrations, which a release
// brings together.
type Script struct {
	// Schema is what the new release's connections find first in their search_path
	// (PostgreSQL); empty: its URL stays as it is.
	Schema string `json:"schema,omitempty"`

	Expand   []Step `json:"expand,omitempty"`
	Backfill []Step `json:"backfill,omitempty"`
	Contract []Step `json:"contract,omitempty"`
	Undo     []Step `json:"undo,omitempty"`

	// Lost tells what Undo would destroy. It is asked before Undo begins.
	Lost []Loss `json:"lost,omitempty"`
	// Stays says why there is no Undo; empty: there is one.
	Stays string `json:"stays,omitempty"`
}

// Steps gives a phase's steps, in the order in which they are run.
func (s *Script) Steps(p Phase) []Step {
	switch p {
	case Expand:
		return s.Expand
	case Backfill:
		return s.Backfill
	case Contract:
		return s.Contract
	case Undo:
		return s.Undo
	}
	return nil
}

// A Step is one statement, or one backfill. Steps that follow each other and are
// not Alone are run in one transaction where the database knows transactions for
// definitions (PostgreSQL, SQLite), together with the record that they are done.
type Step struct {
	Migration string `json:"migration"` // whose it is: "0007_email"
	Note      string `json:"note"`      // for people: "add column users.email"
	SQL       string `json:"sql,omitempty"`

	// Alone says that it cannot be run in a transaction: CREATE INDEX
	// CONCURRENTLY. In MariaDB every definition is alone, whatever this says.
	Alone bool `json:"alone,omitempty"`
	// Slow says that it reads or builds a whole table without blocking writers
	// (VALIDATE CONSTRAINT, CREATE INDEX CONCURRENTLY): it gets no statement
	// timeout, and progress is told.
	Slow bool `json:"slow,omitempty"`
	// Done is a query that gives a row if an Alone step has taken effect already: a
	// crash may have come between it and the record. Empty: the step can be
	// repeated (IF NOT EXISTS), or the database's error tells (see dialect).
	Done string `json:"done,omitempty"`
	// Before is run when an Alone step was begun and is not done, before it is
	// run again: it removes a half of it (an index that is not valid).
	Before string `json:"before,omitempty"`

	Batches *Batches `json:"batches,omitempty"` // a backfill; SQL is empty
}

// Batches is a backfill: a statement that is run for one stretch of a table's key
// after the other, each in a transaction of its own.
type Batches struct {
	Table string   `json:"table"` // quoted as SQL wants it, with its schema
	Key   []string `json:"key"`   // quoted columns of a unique key without NULLs, as a rule the primary key
	// SQL changes the rows of one stretch. In it, {{range}} stands for a condition
	// on Key that selects the stretch: UPDATE users SET … WHERE {{range}} AND
	// email IS NULL. The condition names the columns as Key does, behind Alias.
	SQL   string `json:"sql"`
	Alias string `json:"alias,omitempty"` // of the table in SQL; empty: none
	Size  int    `json:"size,omitempty"`  // rows to begin with; 0: as the runner finds fit
	// Session is run on the connection before the first batch, and Reset after
	// the last: settings, with which triggers know a backfill.
	Session string `json:"session,omitempty"`
	Reset   string `json:"reset,omitempty"`
}

// A Loss is something that an Undo destroys.
type Loss struct {
	What  string `json:"what"`  // "values of users.nickname, which the old release does not know"
	Count string `json:"count"` // a query that gives how many rows; 0 is no loss
}

// A Record is how far one step of a phase has come, as the database keeps it.
type Record struct {
	Phase Phase     `json:"phase"`
	Step  int       `json:"step"` // its number in the phase, from 0
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"`

	// Of a backfill: the last key of the last batch that was committed, as JSON
	// text of its columns, the rows so far, and how many there may be in all.
	Last  string `json:"last,omitempty"`
	Rows  int64  `json:"rows,omitempty"`
	Total int64  `json:"total,omitempty"`
}
