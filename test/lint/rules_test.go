package lint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/lint"
)

// TestRulesTable holds the page's tables of rules to their documentation.
func TestRulesTable(t *testing.T) {
	var b strings.Builder
	for _, part := range []struct {
		kind  lint.Kind
		title string
	}{{lint.Kubernetes, "Kubernetes"}, {lint.Compose, "Compose"}, {lint.Systemd, "systemd"}, {lint.Comments, "Comments that ignore"}} {
		fmt.Fprintf(&b, "\n### %s\n\n| rule | | what is lost, and when | `--fix` |\n| --- | --- | --- | --- |\n", part.title)
		for _, d := range linter(t).Docs() {
			if d.Kind == part.kind {
				fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s |\n", d.Rule, page(d), d.Severity, d.Hazard, fixes(d))
			}
		}
	}
	hold(t, "rules", b.String()+"\n")
}

func page(d *lint.Doc) string {
	if d.Kind == lint.Comments {
		return "../internal/lint/doc/" + d.Rule + ".md"
	}
	return fmt.Sprintf("../internal/lint/%s/doc/%s.md", d.Kind, d.Rule)
}

func fixes(d *lint.Doc) string {
	if len(d.Fixed) > 0 {
		return "yes"
	}
	return ""
}
