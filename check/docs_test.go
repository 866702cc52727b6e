package check

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/check.md")

// The tables of the manual are written from the cases themselves.
func TestDocs(t *testing.T) {
	file := filepath.Join("..", "docs", "check.md")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(have), "classes", classTable())
	want = between(t, want, "cases", caseTable())
	if want == string(have) {
		return
	}
	if !*update {
		t.Fatal("docs/check.md is not up to date; write it with: go test ./check -run TestDocs -update")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// between replaces what stands between a table's marks.
func between(t *testing.T, text, name, table string) string {
	t.Helper()
	before, rest, found := strings.Cut(text, "<!-- "+name+":")
	mark, rest, _ := strings.Cut(rest, "\n")
	_, after, ended := strings.Cut(rest, "<!-- /"+name+" -->")
	if !found || !ended {
		t.Fatalf("docs/check.md has no marks for its table of %s", name)
	}
	return before + "<!-- " + name + ":" + mark + "\n" + table + "<!-- /" + name + " -->" + after
}

func classTable() string {
	var b strings.Builder
	b.WriteString("| class | what it means |\n| --- | --- |\n")
	for _, c := range Classes() {
		fmt.Fprintf(&b, "| *%s* | %s |\n", c, c.Meaning())
	}
	return b.String()
}

func caseTable() string {
	var b strings.Builder
	b.WriteString("| case | the rule | rests on |\n| --- | --- | --- |\n")
	for _, c := range Cases() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, c.Title, c.Rests)
	}
	return b.String()
}

func TestEveryCaseSaysWhatItRestsOn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		if seen[c.Name] || c.Name == "" || c.Rests == "" || !strings.HasSuffix(c.Title, ".") || c.run == nil {
			t.Errorf("case %+v: want a name of its own, a sentence, what it rests on, and a story", c.Name)
		}
		seen[c.Name] = true
		file := "case_" + strings.ReplaceAll(c.Name, "-", "_") + ".go"
		if _, err := os.Stat(file); err != nil {
			t.Errorf("case %s has no file of its own: %v", c.Name, err)
		}
	}
}
