package migrate

import (
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/migrate/internal/script"
)

// A State is where a change stands.
type State string

// The states. A change is begun by Expand; at most one is neither done nor undone.
const (
	Expanding   State = "expanding"
	Expanded    State = "expanded"
	Backfilling State = "backfilling"
	Ready       State = "ready" // both releases can work
	Contracting State = "contracting"
	Done        State = "done"
	Undoing     State = "undoing"
	Undone      State = "undone"
)

// A Change is what a release's new migrations do together.
type Change struct {
	ID         int64           `json:"id"`
	Migrations []string        `json:"migrations"`
	State      State           `json:"state"`
	Schema     string          `json:"schema,omitempty"`
	Began      time.Time       `json:"began,omitzero"`
	Ready      time.Time       `json:"ready,omitzero"` // when both releases could work
	Ended      time.Time       `json:"ended,omitzero"`
	Who        string          `json:"who,omitempty"`
	Removes    bool            `json:"removes"` // its contract removes something: no release from before can come back after it
	Script     script.Script   `json:"script"`
	Steps      []script.Record `json:"steps,omitempty"`

	sums  []string // of the migrations
	fresh bool     // done to a database without anybody on it, and not the last of those
}

// name tells which change it is.
func (c *Change) name() string { return strings.Join(c.Migrations, ", ") }

// record gives how far a step is; ok is false if it has not begun.
func (c *Change) record(p Phase, step int) (r script.Record, ok bool) {
	for _, r := range c.Steps {
		if r.Phase == p && r.Step == step {
			return r, true
		}
	}
	return script.Record{Phase: p, Step: step}, false
}

// A Status is what is known of a database.
type Status struct {
	Applied []string `json:"applied"`           // migrations that are done
	Open    *Change  `json:"open,omitempty"`    // nil: none
	Pending []string `json:"pending,omitempty"` // of the set that was asked about
	Last    []Change `json:"last,omitempty"`    // that have ended, the newest first
}

// A Finding is something in a migration that the gate warns of or refuses.
type Finding struct {
	Migration string `json:"migration"`
	File      string `json:"file"`
	Line      int    `json:"line"`
	Rule      string `json:"rule"`    // its name, as in the documentation: "add-not-null-without-default"
	Refused   bool   `json:"refused"` // false: a warning
	Statement string `json:"statement"`
	Why       string `json:"why"`              // what it does to the release that runs
	Safe      string `json:"safe"`             // how the same is had safely
	Unsafe    string `json:"unsafe,omitempty"` // why the rule was set aside, in the words of who did
}

// A LossError is what Rollback returns when values would be lost; nothing was done.
type LossError struct{ Losses []Loss }

// A Loss is something that taking a change back destroys.
type Loss struct {
	What string `json:"what"` // "values of users.nickname"
	Rows int64  `json:"rows"`
}

// Error names what would be lost, and the way out.
func (e *LossError) Error() string {
	var all []string
	for _, l := range e.Losses {
		all = append(all, fmt.Sprintf("%s (%d)", l.What, l.Rows))
	}
	return "taking it back would lose " + strings.Join(all, ", ") + "; nothing was done: save them first, or say that they may go (--discard)"
}
