package gate

import (
	"slices"

	"github.com/seguehq/segue/migrate/internal/script"
)

// made is what a change has made so far, by what it is and its name ("table users",
// "column users.email"), and in which phase.
type made map[string]script.Phase

// make notes that the statement creates something. With IF NOT EXISTS it may be
// there already, and in use; then nothing is known.
func (j *judge) make(what string, ifNotExists bool) {
	if !ifNotExists {
		j.made[what] = j.stmt.Phase
	}
}

// has tells whether the change has made something, in whatever phase.
func (j *judge) has(what string) bool { return j.made[what] != "" }

// free tells whether one of several things was made in the phase that is looked at:
// nobody can be using it yet.
func (j *judge) free(about ...string) bool {
	return slices.ContainsFunc(about, func(what string) bool { return j.made[what] == j.stmt.Phase })
}

func tableOf(name string) string          { return "table " + name }
func columnOf(table, name string) string  { return "column " + table + "." + name }
func constraintOf(table, n string) string { return "constraint " + table + "." + n }

// notNullCheck is in front of the column that a CHECK says is not NULL.
func notNullCheck(table, name string) string { return "check " + table + "." + name + " " }
func neverNull(table, column string) string  { return "never null " + table + "." + column }
func withDefault(table, col string) string   { return "default " + table + "." + col }

// routineOf names a routine with its parameters as they are written: another
// spelling counts as another one, and is refused.
func routineOf(name string, parameters []token) string {
	key := "routine " + name + "("
	for _, t := range parameters {
		key += t.key + " "
	}
	return key + ")"
}
