// Package lint holds docs/lint.md to the rules, and compares the rules with what
// other linters see in the same manifests.
package lint

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/compose"
	"github.com/seguehq/segue/internal/lint/kubernetes"
	"github.com/seguehq/segue/internal/lint/systemd"
	"github.com/seguehq/segue/test/harness"
)

var update = flag.Bool("update", false, "write the tables of docs/lint.md anew")

func TestMain(m *testing.M) { harness.Main(m) }

// hold compares what stands between two marks of docs/lint.md with what should.
func hold(t *testing.T, mark, want string) {
	t.Helper()
	path := filepath.Join(harness.Root(), "docs", "lint.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), "<!-- "+mark+" -->\n")
	is, tail, ok2 := strings.Cut(rest, "<!-- /"+mark+" -->")
	switch {
	case !ok || !ok2:
		t.Fatalf("the marks of %s are gone", mark)
	case is == want:
	case !*update:
		t.Errorf("out of date; go test ./test/lint -update writes it anew")
	default:
		text := head + "<!-- " + mark + " -->\n" + want + "<!-- /" + mark + " -->" + tail
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func linter(t *testing.T) *lint.Linter {
	t.Helper()
	l, err := lint.New(compose.Rules(), kubernetes.Rules(), systemd.Rules())
	if err != nil {
		t.Fatal(err)
	}
	return l
}
