package gate

import (
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

// FuzzCheck: whatever a file holds, it is judged without a panic; and a statement
// that is refused is so behind a comment and in small letters, too.
func FuzzCheck(f *testing.F) {
	for _, all := range examples {
		for _, e := range all {
			f.Add(e.bad)
			f.Add(e.good)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{Postgres, MariaDB, SQLite} {
			one := Statement{File: "f.sql", Line: 1, Phase: script.Expand, SQL: text}
			plain := names(Check(kind, []Statement{one}))
			for _, found := range Check(kind, []Statement{one}) {
				if found.Line < 1 || found.Line > 1+strings.Count(text, "\n") {
					t.Errorf("line %d of %q", found.Line, text)
				}
			}
			one.SQL = "/* a comment */\n-- another\n" + text
			if behind := names(Check(kind, []Statement{one})); !slices.Equal(plain, behind) {
				t.Errorf("%s: %v, and behind a comment %v: %q", kind, plain, behind, text)
			}
		}
	})
}

// FuzzScan: the tokens and comments of a text are all of it but spaces.
func FuzzScan(f *testing.F) {
	f.Add(`SELECT 'a''b', "c", $$d$$, E'\'' -- e`)
	f.Add("a /* b /* c */ d */ `e` [f] #g\n\\h")
	f.Add("/*!50000 DROP TABLE a */")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{Postgres, MariaDB, SQLite} {
			tokens, _, err := scan(kind, text)
			if err != nil {
				continue
			}
			end := 0
			for _, tok := range tokens {
				if tok.at < end || text[tok.at:tok.at+len(tok.raw)] != tok.raw || tok.raw == "" {
					t.Fatalf("%s: token %+v of %q", kind, tok, text)
				}
				end = tok.at + len(tok.raw)
			}
			for _, part := range split(kind, tokens) {
				if len(part) == 0 {
					t.Fatalf("%s: an empty statement in %q", kind, text)
				}
			}
		}
	})
}

func names(found []Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.Rule)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
