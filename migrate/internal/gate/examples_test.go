package gate

import (
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

// An example shows a rule: statements that break it, and the ones that do not. The
// lines -- expand, -- backfill and -- contract begin a phase, -- alone says that
// the next statement is run outside of a transaction. A statement ends with a line
// that ends with a semicolon.
type example struct {
	rule      string
	bad, good string
}

var examples = map[Kind][]example{Postgres: postgresExamples, MariaDB: mariadbExamples, SQLite: sqliteExamples}

// change reads the statements of an example.
func change(text string) []Statement {
	var all []Statement
	s := Statement{Migration: "0001_example", File: "0001_example.sql", Phase: script.Expand}
	for i, line := range strings.Split(text, "\n") {
		switch line {
		case "-- expand", "-- backfill", "-- contract":
			s.Phase = script.Phase(strings.TrimPrefix(line, "-- "))
			continue
		case "-- alone":
			s.Alone = true
			continue
		}
		if s.SQL == "" {
			s.Line = i + 1
		}
		s.SQL += line + "\n"
		if strings.HasSuffix(line, ";") {
			all = append(all, s)
			s.SQL, s.Alone = "", false
		}
	}
	if s.SQL != "" {
		all = append(all, s)
	}
	return all
}

func TestExamplesAreJudgedAsTheySay(t *testing.T) {
	for kind, all := range examples {
		for _, e := range all {
			t.Run(string(kind)+"/"+e.rule, func(t *testing.T) {
				rule := byName(e.rule)
				if rule == nil {
					t.Fatal("there is no such rule")
				}
				bad := Check(kind, change(e.bad))
				if !slices.ContainsFunc(bad, func(f Finding) bool { return f.Rule == e.rule && f.Refused == !rule.Warns }) {
					t.Errorf("not found in %s\nbut: %+v", e.bad, bad)
				}
				for _, f := range Check(kind, change(e.good)) {
					if f.Refused || f.Rule == e.rule && f.Unsafe == "" {
						t.Errorf("%s found in %s", f.Rule, e.good)
					}
				}
			})
		}
	}
}

func TestEveryRuleHasAnExampleInEachDatabaseItIsAbout(t *testing.T) {
	for _, r := range Rules() {
		for _, kind := range r.Kinds {
			if !slices.ContainsFunc(examples[kind], func(e example) bool { return e.rule == r.Name }) {
				t.Errorf("%s has no example for %s", r.Name, kind)
			}
		}
	}
}
