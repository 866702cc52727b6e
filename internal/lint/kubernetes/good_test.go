package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/linttest"
)

// No rule says anything of whole applications that are as they should be.
func TestNothingIsFoundInGoodApplications(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		for _, f := range find(t, name) {
			t.Errorf("%s: %s: %s", f.At, f.Rule, f.Hazard)
		}
	}
}

// find is what all rules find in a file.
func find(t *testing.T, name string) []lint.Finding {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return findIn(t, lint.NewFile(name, data))
}

func findIn(t *testing.T, files ...*lint.File) []lint.Finding {
	t.Helper()
	var objects []*lint.Object
	for _, f := range files {
		loaded := lint.Load(f)
		for _, p := range loaded.Problems {
			t.Fatal(p)
		}
		objects = append(objects, loaded.Objects...)
	}
	var found []lint.Finding
	for _, p := range Rules().Run(objects, linttest.Facts(), nil, func(f lint.Finding) { found = append(found, f) }) {
		t.Error(p)
	}
	return found
}
