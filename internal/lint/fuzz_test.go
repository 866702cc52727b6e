package lint_test

import (
	"testing"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/compose"
	"github.com/seguehq/segue/internal/lint/kubernetes"
	"github.com/seguehq/segue/internal/lint/linttest"
	"github.com/seguehq/segue/internal/lint/systemd"
)

// FuzzLint holds all rules to the engine's promises for any bytes: nothing
// panics, every finding and every problem has a place in the file, what --fix
// writes can be read, and to fix it again changes nothing.
func FuzzLint(f *testing.F) {
	l, err := lint.New(compose.Rules(), kubernetes.Rules(), systemd.Rules())
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range l.Docs() {
		for _, b := range append(d.Bad, d.Good...) {
			f.Add([]byte(b.Text), d.Kind == lint.Systemd)
		}
	}
	f.Add([]byte("a: &a [*a]\n---\n<<: *a\n"), false)
	f.Add([]byte("\ufeff%YAML 1.2\r\n---\r\nservices:\r\n  web:\r\n    <<: &x {image: nginx}\r\n...\r\n"), false)
	f.Add([]byte("# /etc/systemd/system/web.service.d/x.conf\n[Service]\nA=1 \\\n# c\n 2"), true)
	f.Fuzz(func(t *testing.T, data []byte, unit bool) { checkAny(t, l, data, unit) })
}

func checkAny(t *testing.T, l *lint.Linter, data []byte, unit bool) {
	name := "x.yaml"
	if unit {
		name = "web.service"
	}
	o := lint.Options{Facts: linttest.Facts()}
	file := lint.NewFile(name, data)
	r := l.Run([]*lint.File{file}, o)
	for _, f := range r.Findings {
		checkPlace(t, f.At, file)
		if f.Hazard == "" || f.Mend == "" || f.Severity == "" {
			t.Errorf("%+v", f)
		}
	}
	for _, p := range r.Problems {
		checkPlace(t, p.At, file)
	}
	changes, left := l.Fix([]*lint.File{file}, o)
	if len(changes) == 0 {
		return
	}
	if len(left.Problems) > len(r.Problems) {
		t.Errorf("fixed, it cannot be read: %v\n%s", left.Problems[0], changes[0].After.Data)
	}
	if again, _ := l.Fix([]*lint.File{changes[0].After}, o); len(again) > 0 {
		t.Errorf("fixed again, it becomes another:\n%s\n----\n%s", changes[0].After.Data, again[0].After.Data)
	}
}

func checkPlace(t *testing.T, p lint.Place, f *lint.File) {
	t.Helper()
	if p.File != f || p.Line < 1 || p.Line > f.Lines()+1 || p.Column < 1 {
		t.Errorf("%v is no place in a file of %d lines", p, f.Lines())
	}
}
