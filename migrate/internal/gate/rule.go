package gate

import (
	"slices"

	"github.com/seguehq/segue/migrate/internal/script"
)

// An Effect is what a statement does that breaks a rule.
type Effect string

// The effects.
const (
	Breaks Effect = "breaks" // the release that runs gets errors, or wrong answers
	Blocks Effect = "blocks" // it waits, for as long as a table is read or rewritten
	Loses  Effect = "loses"  // rows are gone, or missing
	Hides  Effect = "hides"  // what the statement does cannot be seen, or is undone by the runner's own doing
	Advice Effect = "advice" // it works, and will be regretted
)

// A Rule says what a statement must not do.
type Rule struct {
	Name   string
	Effect Effect
	Kinds  []Kind         // of database, in which it holds
	Phases []script.Phase // in which it holds
	Warns  bool           // it refuses nothing
	What   string         // the statements that it is about
	Why    string         // what they do to the release that runs
	Safe   string         // how the same is had safely
	// SafeIn is told instead of Safe in some databases.
	SafeIn map[Kind]string
	// Op names the operations that do the safe thing by themselves (PostgreSQL).
	Op string
	// Freely: it does not hold for what the same change has made, as long as the
	// release that runs cannot know of it.
	Freely bool
}

// Rules gives all rules, in the order of the documentation.
func Rules() []Rule {
	return slices.Concat(dropping(), renaming(), replacing(), columns(), constraints(), indexes(), tables(), data(), access(), reading(), advice())
}

// Known tells whether there is a rule of that name.
func Known(name string) bool { return byName(name) != nil }

func byName(name string) *Rule {
	rules := Rules()
	for i := range rules {
		if rules[i].Name == name {
			return &rules[i]
		}
	}
	return nil
}

func (r *Rule) holds(k Kind, p script.Phase) bool {
	return slices.Contains(r.Kinds, k) && slices.Contains(r.Phases, p)
}

func (r *Rule) safe(k Kind) string {
	s := r.Safe
	if in, ok := r.SafeIn[k]; ok {
		s = in
	}
	if k == Postgres && r.Op != "" {
		s += " The operation " + r.Op + " does that by itself."
	}
	return s
}

// Sets of databases and phases that the tables below use.
func all() []Kind            { return []Kind{Postgres, MariaDB, SQLite} }
func servers() []Kind        { return []Kind{Postgres, MariaDB} }
func postgres() []Kind       { return []Kind{Postgres} }
func mariadb() []Kind        { return []Kind{MariaDB} }
func always() []script.Phase { return []script.Phase{script.Expand, script.Backfill, script.Contract} }

// early are the phases in which the old release is alive.
func early() []script.Phase { return []script.Phase{script.Expand, script.Backfill} }

// only is for a rule that holds in one phase, or in some.
func only(p ...script.Phase) []script.Phase { return p }
