// Package archtest holds the import rules of ARCHITECTURE.md as a test. It
// parses the files itself: what a shelled-out `go list` says is not among the
// inputs that Go's test cache knows, and a stale pass would prove nothing.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/seguehq/segue/"

// rules says what each package may import of ours, and why no more. A package
// that is not here may not exist.
var rules = map[string]struct {
	may []string
	why string
}{
	"cmd/segue": {[]string{"internal/cli", "internal/engine/process"}, "main does nothing but choose between the command line and the instance shim"},
	"drill":     {nil, "it is a library for anybody's tests, and a witness must not know the accused"},

	"internal/deploy":         {nil, "the nouns do no I/O and know nobody"},
	"internal/config":         {[]string{"internal/deploy"}, "a file becomes a deploy.Service, whoever wants it"},
	"internal/rollout":        {[]string{"internal/deploy"}, "the story of a deploy names what it needs as interfaces"},
	"internal/journal":        {[]string{"internal/deploy"}, "it writes the nouns down and decides nothing"},
	"internal/probe":          {[]string{"internal/deploy"}, "it asks a process, however that was started"},
	"internal/engine/process": {[]string{"internal/deploy"}, "it runs a command and knows nothing of rollouts"},
	"internal/proxy":          {[]string{"internal/proxy/h2", "internal/proxy/wire"}, "it is a process of its own, and stays one only if it needs nothing of ours but its parts"},
	"internal/proxy/h2":       {nil, "it speaks HTTP/2 with a client, whoever answers"},
	"internal/proxy/wire":     {nil, "it reads bytes and does no I/O"},
	"internal/control":        {[]string{"internal/deploy"}, "both ends of a wire, and nothing of what is behind them"},

	"internal/agent": {[]string{"internal/control", "internal/deploy", "internal/engine/process", "internal/journal",
		"internal/probe", "internal/proxy", "internal/rollout"}, "the composition root"},
	"internal/cli": {[]string{"drill", "internal/agent", "internal/config", "internal/control", "internal/deploy",
		"internal/engine/process", "internal/journal", "internal/proxy"}, "it starts each of the processes and shows what they tell"},

	"internal/archtest": {nil, "this"},
}

// free are folders outside the house: tests and examples may use what a user
// may, and what they test.
var free = []string{"test", "bench", "examples"}

func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if outside(rel, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		seen[pkg] = true
		check(t, pkg, path, strings.HasSuffix(path, "_test.go"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range rules {
		if !seen[pkg] {
			t.Errorf("there is a rule for %s, and no such package", pkg)
		}
	}
}

func outside(rel, name string) bool {
	for _, f := range free {
		if rel == f {
			return true
		}
	}
	return rel != "." && strings.HasPrefix(rel, "..") || name == "testdata" || name == "bin" || strings.HasPrefix(name, ".") && rel != "." && name != ".."
}

func check(t *testing.T, pkg, path string, isTest bool) {
	t.Helper()
	rule, ok := rules[pkg]
	if !ok {
		t.Errorf("%s: no rule for package %s; add one here and a row in ARCHITECTURE.md", path, pkg)
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		ours, ok := strings.CutPrefix(imported, module)
		if !ok || allowed(rule.may, ours) || isTest && (ours == pkg || strings.HasPrefix(ours, pkg+"/")) {
			continue
		}
		t.Errorf("%s imports %s; it may not: %s", path, ours, rule.why)
	}
}

func allowed(may []string, pkg string) bool {
	for _, m := range may {
		if m == pkg {
			return true
		}
	}
	return false
}

// TestSize keeps files readable in one sitting.
func TestSize(t *testing.T) {
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := strings.Count(string(data), "\n"); n > 600 {
			t.Errorf("%s has %d lines; what reads in one sitting has fewer than 600", path, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
