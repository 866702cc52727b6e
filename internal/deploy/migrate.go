package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Migrate says how the Release's migrations change the database that its
// instances share with those of the Release before it. It holds names of
// variables, never their values.
type Migrate struct {
	Dir    string   `json:"dir"`              // of the migrations, among the Release's files
	URL    string   `json:"url"`              // the variable that holds the database's URL
	Admin  string   `json:"admin,omitempty"`  // the one with the URL of a role that may define; empty: URL
	Schema string   `json:"schema,omitempty"` // of the tables (PostgreSQL); empty: public
	Style  string   `json:"style,omitempty"`  // how the Release's own schema is put into URL: migrate.URLStyle
	Views  string   `json:"views,omitempty"`  // the Release's own schema; empty: it has none
	Names  []string `json:"names,omitempty"`  // of the migrations, in their order

	Bake        time.Duration `json:"bake"`             // from the end of the rollout to contract: so long the way back is promised
	Manual      bool          `json:"manual,omitempty"` // contract only by command
	Timeout     time.Duration `json:"timeout"`          // of expand and of contract
	BackfillFor time.Duration `json:"backfill_for"`     // timeout of the backfill
	LockTimeout time.Duration `json:"lock_timeout,omitempty"`
	Batch       int           `json:"batch,omitempty"`
	Pace        float64       `json:"pace,omitempty"`
	Unsafe      []string      `json:"unsafe,omitempty"` // rules of the gate that do not hold for this release
}

// Arguments are those of segue itself that carry out a phase: expand, backfill,
// contract.
func (m *Migrate) Arguments(phase string) []string {
	args := []string{"migrate", phase, "--dir", m.Dir, "--url-from"}
	if m.Admin != "" {
		args = append(args, m.Admin)
	} else {
		args = append(args, m.URL)
	}
	add := func(flag, value string, is bool) {
		if is {
			args = append(args, flag, value)
		}
	}
	add("--schema", m.Schema, m.Schema != "")
	add("--lock-timeout", m.LockTimeout.String(), m.LockTimeout > 0)
	add("--batch", strconv.Itoa(m.Batch), m.Batch > 0)
	add("--pace", strconv.FormatFloat(m.Pace, 'g', -1, 64), m.Pace > 0)
	for _, rule := range m.Unsafe {
		add("--unsafe", rule, true)
	}
	return args
}

// The phases of a change, as `segue migrate` names them.
const (
	PhaseExpand   = "expand"   // what the new release needs is there, and the old one goes on
	PhaseBackfill = "backfill" // and it is filled in for the rows that there were
	PhaseContract = "contract" // what only the old one needed is gone
)

// NothingRemoved is in what a contract tells (Rollout.Did) that had nothing to
// remove: older releases can work on the database as before.
const NothingRemoved = "nothing had to be removed"

// PhaseDone is the step that tells of a phase's end.
func PhaseDone(phase string) Verb {
	switch phase {
	case PhaseExpand:
		return StepExpanded
	case PhaseBackfill:
		return StepBackfilled
	}
	return StepContracted
}

// Has lists the migrations; none for nil.
func (m *Migrate) Has() []string {
	if m == nil {
		return nil
	}
	return m.Names
}

// Lacks lists those of names that the Release does not have. A nil m lacks all.
func (m *Migrate) Lacks(names []string) []string {
	var out []string
	for _, name := range names {
		if !slices.Contains(m.Has(), name) {
			out = append(out, name)
		}
	}
	return out
}

// Phase is the task that carries out a phase; fresh as in Rollout.Fresh. Its
// lines tell how far it is, the last one what was done.
func (m *Migrate) Phase(phase string, fresh bool) Hook {
	h := Hook{Name: "migrate-" + phase, Segue: true, Command: append(m.Arguments(phase), "--progress", "plain"), Timeout: cmp.Or(m.Timeout, time.Hour)}
	if fresh && phase == PhaseExpand {
		h.Command = append(h.Command, "--fresh")
	}
	if phase == PhaseBackfill {
		h.Timeout = cmp.Or(m.BackfillFor, 7*24*time.Hour)
	}
	return h
}

// Migrations tells people of migrations, of many by how many they are.
func Migrations(names []string) string {
	switch len(names) {
	case 0:
		return "no migration"
	case 1:
		return names[0]
	case 2:
		return names[0] + " and " + names[1]
	}
	return fmt.Sprintf("%d migrations (%s to %s)", len(names), names[0], names[len(names)-1])
}
