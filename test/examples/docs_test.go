package examples

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/test/harness"
)

// pages are what is written for people.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md"} {
		names, err := filepath.Glob(filepath.Join(harness.Root(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			out[name] = read(t, name)
		}
	}
	return out
}

// TestExamplesInPages holds every segue.yaml in a page to the parser.
func TestExamplesInPages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "maintenance.html"), []byte("<!doctype html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, page := range pages(t) {
		if filepath.Base(name) == "lint.md" {
			continue // its YAML is that of others
		}
		for _, block := range yamlBlocks(page) {
			if strings.HasPrefix(block, "apiVersion:") {
				continue // Kubernetes' own
			}
			if name, isMigration := strings.CutPrefix(firstLine(block), "# "); isMigration && strings.Contains(block, "\noperations:") {
				if _, err := migrate.Load(fstest.MapFS{name: {Data: []byte(block)}}); err != nil {
					t.Errorf("%s: %v\n%s", name, err, block)
				}
				continue
			}
			if _, err := config.Parse(name, []byte(whole(block)), dir, variable); err != nil {
				t.Errorf("%s: %v\n%s", name, err, block)
			}
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// whole makes a file of an example that shows a few keys.
func whole(block string) string {
	for _, needed := range []string{"release: { command: bin/shop }\n", "listen: 127.0.0.1:8080\n", "service: shop\n"} {
		key, _, _ := strings.Cut(needed, ":")
		if !regexp.MustCompile(`(?m)^(` + key + `|services|service):`).MatchString(block) {
			block = needed + block
		}
	}
	return block
}

// variable is the environment of the examples.
func variable(name string) (string, bool) {
	value, ok := map[string]string{"CHAT_URL": "https://chat.example.com/hooks/T0", "HOOK_KEY": strings.Repeat("c2VjcmV0", 4),
		"CHECK_TOKEN": "token", "DATABASE_URL": "postgres://localhost/shop", "OWNER_URL": "postgres://owner@localhost/shop", "REPLICA_URL": "postgres://replica/shop"}[name]
	return value, ok
}

var link = regexp.MustCompile(`\]\(([^)#]+)\)`)

// TestLinks wants every file that a page links to.
func TestLinks(t *testing.T) {
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

var goFile = regexp.MustCompile("`(internal/[a-z/]+(?:\\.go)?|drill|cmd/segue)`")

// TestFilesInArchitecture wants every file that ARCHITECTURE.md names by its path.
func TestFilesInArchitecture(t *testing.T) {
	for _, m := range goFile.FindAllStringSubmatch(read(t, filepath.Join(harness.Root(), "ARCHITECTURE.md")), -1) {
		if _, err := os.Stat(filepath.Join(harness.Root(), m[1])); err != nil {
			t.Error(err)
		}
	}
}

// TestRooms holds the table of ARCHITECTURE.md to the rules of archtest.
func TestRooms(t *testing.T) {
	said := map[string][]string{}
	for line := range strings.Lines(read(t, filepath.Join(harness.Root(), "ARCHITECTURE.md"))) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		said[words(cells[1])[0]] = words(cells[3])
	}
	for pkg, may := range rules(t) {
		have, ok := said[pkg]
		if !ok {
			t.Errorf("ARCHITECTURE.md has no row for %s", pkg)
		} else if !slices.Equal(have, may) {
			t.Errorf("%s may import %v, and ARCHITECTURE.md says %v", pkg, may, have)
		}
	}
}

// words are the sorted texts between backquotes.
func words(cell string) []string {
	parts := strings.Split(cell, "`")
	var out []string
	for i := 1; i < len(parts); i += 2 {
		out = append(out, parts[i])
	}
	slices.Sort(out)
	return out
}

// rules reads the import rules out of archtest's source.
func rules(t *testing.T) map[string][]string {
	t.Helper()
	path := filepath.Join(harness.Root(), "internal", "archtest", "arch_test.go")
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "rules" {
			return true
		}
		for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
			pair := e.(*ast.KeyValueExpr)
			var may []string
			if list, ok := pair.Value.(*ast.CompositeLit).Elts[0].(*ast.CompositeLit); ok {
				for _, x := range list.Elts {
					may = append(may, unquoted(t, x))
				}
			}
			slices.Sort(may)
			out[unquoted(t, pair.Key)] = may
		}
		return false
	})
	if len(out) == 0 {
		t.Fatal("archtest's rules are not where they were")
	}
	return out
}

func unquoted(t *testing.T, e ast.Expr) string {
	t.Helper()
	s, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var helpLine = regexp.MustCompile(`(?m)^  ([a-z]+)  +[A-Z]`)

// TestCommands wants every command in README.md's table, and no other.
func TestCommands(t *testing.T) {
	w := harness.NewWith(t, harness.SegueFast(t))
	page := read(t, filepath.Join(harness.Root(), "README.md"))
	var have []string
	for _, m := range regexp.MustCompile("(?m)^\\| `segue ([a-z]+)` \\|").FindAllStringSubmatch(page, -1) {
		have = append(have, m[1])
	}
	var want []string
	for _, m := range helpLine.FindAllStringSubmatch(w.Must(0, "--help").Out, -1) {
		want = append(want, m[1])
	}
	slices.Sort(have)
	slices.Sort(want)
	if len(want) < 10 || !slices.Equal(have, want) {
		t.Errorf("README.md has the commands\n%v, segue has\n%v", have, want)
	}
}

// TestDrillClasses wants every class of loss in docs/drill.md.
func TestDrillClasses(t *testing.T) {
	page := read(t, filepath.Join(harness.Root(), "docs", "drill.md"))
	source := read(t, filepath.Join(harness.Root(), "drill", "class.go"))
	found := regexp.MustCompile(`Class = "([a-z_]+)"`).FindAllStringSubmatch(source, -1)
	if len(found) < 10 {
		t.Fatal("the classes are not where they were")
	}
	for _, m := range found {
		if !strings.Contains(page, "| `"+m[1]+"` |") {
			t.Errorf("docs/drill.md does not tell of %s", m[1])
		}
	}
}
