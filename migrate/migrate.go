// Package migrate changes a database under two releases of a program that both
// use it. A change has phases, each safe while somebody works on the tables:
//
//   - expand adds what the new release needs, and nothing that the old one
//     would notice;
//   - backfill fills it in for the rows that are there, in batches;
//   - then the new release takes the old one's place (that is not done here);
//   - contract removes what only the old release needed.
//
// Until contract, the old release may come back: [Database.Rollback] takes the
// change back, or nothing is done at all, and both go on working.
//
// Migrations are files in a folder, in the order of their names, of two kinds:
// phased SQL for any database (0007_email.expand.sql, .backfill.sql and
// .contract.sql), and pgroll's operations in JSON or YAML for PostgreSQL, which
// need no phases written down: each release gets a schema of views of its own, and
// triggers carry what one writes over to the other.
//
// What is done is written down in the database itself, step by step. A process
// that is killed at any point is continued by calling the same function again.
package migrate

import (
	"log/slog"
	"time"

	"github.com/seguehq/segue/migrate/internal/script"
)

// A Phase is a part of a change: expand, backfill, contract or undo.
type Phase = script.Phase

// The phases.
const (
	Expand   = script.Expand
	Backfill = script.Backfill
	Contract = script.Contract
	Undo     = script.Undo
)

// Options say how to go about it. The zero value is fit for most.
type Options struct {
	Schema string // of the tables (PostgreSQL); empty: public
	// LockTimeout bounds how long a definition waits for its lock, and so how long
	// others queue behind it; 0 means 500 ms. It is then tried again, with longer and
	// longer pauses, for RetryFor; 0 means 5 minutes.
	LockTimeout time.Duration
	RetryFor    time.Duration
	Batch       int            // rows of the first backfill batch; 0: as it finds fit
	Pace        float64        // the most that a backfill may do to the latency of others; 0 means 1.3
	Who         string         // who does it, for the record
	Unsafe      []string       // rules of the gate that do not hold this time
	Progress    func(Progress) // is told what is done; may be nil; calls do not overlap
	Log         *slog.Logger   // nil: none
}

// Progress tells how far a phase is.
type Progress struct {
	Phase     Phase         `json:"phase"`
	Migration string        `json:"migration"`
	Step      int           `json:"step"` // from 1
	Of        int           `json:"of"`
	Note      string        `json:"note"` // what is done: "backfill users.email"
	Rows      int64         `json:"rows,omitempty"`
	Total     int64         `json:"total,omitempty"`   // an estimate; 0 not known
	Rate      float64       `json:"rate,omitempty"`    // rows a second
	Left      time.Duration `json:"left,omitempty"`    // 0 not known
	Waiting   string        `json:"waiting,omitempty"` // what it waits for: a lock and who holds it, or that others get slow
}
