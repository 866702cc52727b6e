package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/test/harness"
)

// TestLintPrograms holds docs/lint.md to the programs that segue lint knows.
func TestLintPrograms(t *testing.T) {
	const begin, end = "<!-- programs: written by go test ./test/examples -run LintPrograms -update -->\n", "<!-- /programs -->"
	path := filepath.Join(harness.Root(), "docs", "lint.md")
	page := read(t, path)
	head, rest, ok := strings.Cut(page, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the marks of the programs are gone")
	}
	want := head + begin + programs() + end + tail
	if want == page {
		return
	}
	if !*update {
		t.Fatal("out of date; go test ./test/examples -run LintPrograms -update writes it anew")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// programs is the table of those that answer requests, and a line of the others.
func programs() string {
	var b strings.Builder
	b.WriteString("| program | finishes on | cuts on | drains for at most, and what sets it | tells systemd that it is ready | takes a socket of systemd |\n| --- | --- | --- | --- | --- | --- |\n")
	var stores []string
	for _, p := range lint.Programs() {
		if p.Role == lint.Store {
			stores = append(stores, p.Name)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", p.Name, p.Graceful, strings.Join(p.Quick, ", "), p.Patience(), quoted(p.Notifies), quoted(p.Activation))
	}
	return b.String() + "\nThese keep data: " + strings.Join(stores, ", ") + ".\n"
}

// quoted is a word of a command line as a page writes it; "always" is none.
func quoted(word string) string {
	switch word {
	case "":
		return ""
	case "always":
		return "yes"
	}
	return "with `" + word + "`"
}
