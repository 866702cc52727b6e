package compose

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/linttest"
)

// FuzzRules: no file makes a rule panic, and every finding has a place in it.
func FuzzRules(f *testing.F) {
	names, _ := filepath.Glob("testdata/good/*.yaml")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	docs, err := Rules().Docs()
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range docs {
		for _, b := range d.Bad {
			f.Add(b.Text)
		}
	}
	f.Add("services: {a: &a {<<: *a, extends: a}, b: null, 1: [x], c: {ports: {}, deploy: x, build: []}}")
	f.Fuzz(func(t *testing.T, text string) {
		file := lint.NewFile("-", []byte(text))
		Rules().Run(lint.Load(file).Objects, linttest.Facts(), nil, func(found lint.Finding) {
			if found.At.Object == nil || found.At.Line < 1 || found.At.Line > file.Lines() {
				t.Errorf("%s found at line %d of %d, in %v", found.Rule, found.At.Line, file.Lines(), found.At.Object)
			}
		})
	})
}
