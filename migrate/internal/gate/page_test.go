package gate

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

var update = flag.Bool("update", false, "write what docs/migrate-rules.md has between its marks anew")

// TestPageIsWhatTheRulesSay holds docs/migrate-rules.md to the rules.
func TestPageIsWhatTheRulesSay(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "migrate-rules.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := between(t, string(data), "rules", rulesText())
	page = between(t, page, "theirs", theirTable())
	switch {
	case page == string(data):
	case !*update:
		t.Error("docs/migrate-rules.md is out of date; go test ./migrate/internal/gate -run Page -update writes it anew")
	default:
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPagesNameRulesThatThereAre: a page that sets aside a rule of another name
// shows what is refused.
func TestPagesNameRulesThatThereAre(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "..", "docs", "migrate*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`segue: unsafe ([a-z-]+)`).FindAllStringSubmatch(string(data), -1) {
			if !Known(m[1]) && !strings.Contains(rulesText(), m[0]) {
				t.Errorf("%s: there is no rule %s", page, m[1])
			}
		}
	}
}

// between puts a text between the marks of a page.
func between(t *testing.T, page, mark, content string) string {
	t.Helper()
	before, rest, ok := strings.Cut(page, "<!-- "+mark+" -->\n")
	_, after, end := strings.Cut(rest, "<!-- end of "+mark+" -->\n")
	if !ok || !end {
		t.Fatalf("the page has no marks for %s", mark)
	}
	return before + "<!-- " + mark + " -->\n" + content + "<!-- end of " + mark + " -->\n" + after
}

// groups are the headings of the page.
var groups = []struct {
	title string
	rules []Rule
}{
	{"What is taken away", dropping()},
	{"What gets another name", renaming()},
	{"What is replaced", replacing()},
	{"Columns", columns()},
	{"Constraints", constraints()},
	{"Indexes", indexes()},
	{"Whole tables", tables()},
	{"Rows", data()},
	{"Rights, settings, transactions", access()},
	{"What cannot be judged", reading()},
	{"Advice", advice()},
}

func rulesText() string {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "## %s\n\n", g.title)
		for _, r := range g.rules {
			ruleText(&b, &r)
		}
	}
	return b.String()
}

func ruleText(b *strings.Builder, r *Rule) {
	fmt.Fprintf(b, "### %s\n\n%s\n\n", r.Name, r.What)
	fmt.Fprintf(b, "*%s · %s · %s*\n\n", kindsText(r.Kinds), phasesText(r), verdict(r))
	fmt.Fprintf(b, "%s.\n\n", sentence(r.Why))
	fmt.Fprintf(b, "**Instead:** %s", r.Safe)
	for _, k := range []Kind{Postgres, MariaDB, SQLite} {
		if in, ok := r.SafeIn[k]; ok {
			fmt.Fprintf(b, "\n\n**In %s:** %s", called[k], in)
		}
	}
	if r.Op != "" {
		fmt.Fprintf(b, "\n\n**As an operation** (PostgreSQL): `%s` does it by itself.", r.Op)
	}
	b.WriteString("\n\n")
	for _, e := range examples[r.Kinds[0]] {
		if e.rule == r.Name {
			fmt.Fprintf(b, "```sql\n-- %s:\n%s\n\n-- accepted:\n%s\n```\n\n", verdict(r), shownExample(e.bad), shownExample(e.good))
			break
		}
	}
}

// shownExample says what -- alone means in a file: most such statements are known.
func shownExample(text string) string {
	lines := strings.Split(text, "\n")
	var all []string
	for i, line := range lines {
		switch {
		case line != "-- alone":
			all = append(all, line)
		case strings.Contains(lines[i+1], "DETACH"):
			all = append(all, "-- +goose NO TRANSACTION")
		}
	}
	return strings.Join(all, "\n")
}

var called = map[Kind]string{Postgres: "PostgreSQL", MariaDB: "MariaDB", SQLite: "SQLite"}

func kindsText(kinds []Kind) string {
	var all []string
	for _, k := range kinds {
		all = append(all, called[k])
	}
	return strings.Join(all, ", ")
}

func phasesText(r *Rule) string {
	if len(r.Phases) == 3 {
		return "in every phase"
	}
	var all []string
	for _, p := range []script.Phase{script.Expand, script.Backfill, script.Contract} {
		if r.holds(r.Kinds[0], p) {
			all = append(all, string(p))
		}
	}
	return "in " + strings.Join(all, " and ")
}

func verdict(r *Rule) string {
	if r.Warns {
		return "warned of"
	}
	return "refused"
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
