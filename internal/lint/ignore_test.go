package lint_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/linttest"
)

// linter knows two rules that say little, and those about comments.
func linter(t testing.TB) *lint.Linter {
	t.Helper()
	page := func(rule string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("# " + rule + "\n\nA hazard.\n\nSeverity: error\n\n## Bad\n\n```\n```\n\n## Good\n\n```\n```\n")}
	}
	all := func(objects []*lint.Object, _ lint.Facts) ([]*lint.Object, []*lint.Problem) { return objects, nil }
	l, err := lint.New(
		lint.Rules[[]*lint.Object]{Of: lint.Compose, World: all, Texts: fstest.MapFS{"doc/container-name.md": page("container-name")},
			Rules: map[string]func([]*lint.Object, lint.Report){"container-name": containerName}},
		lint.Rules[[]*lint.Object]{Of: lint.Systemd, World: all, Texts: fstest.MapFS{"doc/send-sigkill.md": page("send-sigkill")},
			Rules: map[string]func([]*lint.Object, lint.Report){"send-sigkill": sendSIGKILL}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func containerName(files []*lint.Object, report lint.Report) {
	for _, f := range files {
		for _, name := range f.Keys("services") {
			if s := f.Part("service "+name, "services", name); s.Text("container_name") != "" {
				report(lint.Finding{At: s.At("container_name"), Hazard: "a name", Mend: "take it out", Fix: s.Drop("container_name")})
			}
		}
	}
}

func sendSIGKILL(units []*lint.Object, report lint.Report) {
	for _, u := range units {
		if len(u.Unit.All("Service", "SendSIGKILL")) > 0 {
			report(lint.Finding{At: u.At("Service", "SendSIGKILL"), Hazard: "a signal", Mend: "take it out", Severity: lint.Warning, Fix: u.Drop("Service", "SendSIGKILL")})
		}
	}
}

func run(t *testing.T, name, text string) *lint.Result {
	t.Helper()
	return linter(t).Run([]*lint.File{lint.NewFile(name, []byte(text))}, lint.Options{Facts: linttest.Facts()})
}

func TestCommentsThatIgnore(t *testing.T) {
	const (
		named  = "services:\n  web:\n    image: x\n    container_name: web\n"
		ignore = "# segue-lint:ignore container-name because a reason\n"
	)
	for name, c := range map[string]struct{ file, text, want string }{
		"on the line":            {"x.yaml", "services:\n  web:\n    container_name: web " + ignore, "ignored: a reason"},
		"on the line above":      {"x.yaml", "services:\n  web:\n    " + ignore + "    container_name: web\n", "ignored: a reason"},
		"above other comments":   {"x.yaml", "services:\n  web:\n    " + ignore + "    # other\n    container_name: web\n", "ignored: a reason"},
		"at the object's head":   {"x.yaml", "services:\n  " + ignore + "  web:\n    image: x\n    container_name: web\n", "ignored: a reason"},
		"at the document's head": {"x.yaml", "# a file\n" + ignore + "\n" + named, "ignored: a reason"},
		"before the document":    {"x.yaml", ignore + "---\n" + named, "ignored: a reason"},
		"on the document's line": {"x.yaml", "--- " + ignore + named, "ignored: a reason"},
		"one of several rules":   {"x.yaml", "# segue-lint:ignore send-sigkill, container-name because a reason\n" + named, "ignored: a reason; 1 ignore-of-nothing"},
		"a reason with a #":      {"x.yaml", "# segue-lint:ignore container-name because of #12 # x\n" + named, "ignored: of #12 # x"},
		"carriage returns":       {"x.yaml", strings.ReplaceAll(ignore+named, "\n", "\r\n"), "ignored: a reason"},
		"a unit":                 {"x.service", "# segue-lint:ignore send-sigkill because a reason\n[Service]\nSendSIGKILL=no\n", "ignored: a reason"},
		"a unit's line":          {"x.service", "[Service]\n; segue-lint:ignore send-sigkill because a reason\nSendSIGKILL=no\n", "ignored: a reason"},
		"at another service":     {"x.yaml", "services:\n  " + ignore + "  db:\n    image: y\n  web:\n    container_name: web\n", "2 ignore-of-nothing; 6 container-name"},
		"at another document":    {"x.yaml", ignore + "services: {}\n---\n" + named, "1 ignore-of-nothing; 7 container-name"},
		"on another line":        {"x.yaml", "services:\n  web:\n    container_name: web\n    image: x " + ignore, "3 container-name; 4 ignore-of-nothing"},
		"a rule that is not":     {"x.yaml", "# segue-lint:ignore no-such-rule because a reason\n" + named, "1 ignore-of-nothing; 5 container-name"},
		"no reason":              {"x.yaml", "# segue-lint:ignore container-name\n" + named, "1 ignore-without-reason; 5 container-name"},
		"an empty reason":        {"x.yaml", "# segue-lint:ignore container-name because \n" + named, "1 ignore-without-reason; 5 container-name"},
		"no rule":                {"x.yaml", "# segue-lint:ignore\n" + named, "1 ignore-without-reason; 5 container-name"},
		"in a text":              {"x.yaml", "x-text: |\n  # segue-lint:ignore container-name\n" + named, "6 container-name"},
		"another word":           {"x.yaml", "# segue-lint:ignored container-name\n" + named, "5 container-name"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, c.file, c.text)
			for _, p := range r.Problems {
				t.Error(p)
			}
			var got []string
			for _, f := range r.Ignored {
				got = append(got, "ignored: "+f.Reason)
			}
			for _, f := range r.Findings {
				got = append(got, fmt.Sprintf("%d %s", f.At.Line, f.Rule))
			}
			if s := strings.Join(got, "; "); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
		})
	}
}

// TestPagesOfTheEnginesOwnRules holds them to their examples, as linttest does
// with the others.
func TestPagesOfTheEnginesOwnRules(t *testing.T) {
	for _, d := range linter(t).Docs() {
		if d.Kind != lint.Comments {
			continue
		}
		for _, b := range d.Bad {
			if got := lines(run(t, "x.yaml", b.Text), d.Rule); fmt.Sprint(got) != fmt.Sprint(linttest.Marked(d.Rule, b)) {
				t.Errorf("%s: found in %v", d.Rule, got)
			}
		}
		for _, b := range d.Good {
			if r := run(t, "x.yaml", b.Text); len(r.Findings) > 0 {
				t.Errorf("%s: %s", d.Rule, r.Findings[0].Hazard)
			}
		}
	}
}

func lines(r *lint.Result, rule string) []int {
	var lines []int
	for _, f := range r.Findings {
		if f.Rule == rule {
			lines = append(lines, f.At.Line)
		}
	}
	return lines
}

func TestWhatWasNotReadMayBeWhatACommentIgnores(t *testing.T) {
	r := run(t, "x.yaml", "# segue-lint:ignore container-name because a reason\nservices:\n  web: {image: x}\n---\na: [\n")
	if got := lines(r, "ignore-of-nothing"); len(got) > 0 {
		t.Errorf("lines %v", got)
	}
}
