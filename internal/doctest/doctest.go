// Package doctest holds a page of documentation to code that is run: what a
// reader copies first from the page is what the tests have seen work.
package doctest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

// limit is how many lines the first example of a package has at most. What takes
// more to begin with is not simple enough yet.
const limit = 14

// FirstExample holds the first ```go block of page, a Markdown file, to the body
// of the first Example function of file, without its Output. That function has
// to have an Output, or it would not be run, and fewer than 15 lines.
//
// Both are paths from the folder of the package under test:
//
//	doctest.FirstExample(t, "../docs/session.md", "example_test.go")
func FirstExample(t *testing.T, page, file string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := compare(page, text, file, source); err != nil {
		t.Error(err)
	}
}

func compare(page string, text []byte, file string, source []byte) error {
	shown, err := firstBlock(text)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	run, err := firstBody(source)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if n := strings.Count(run, "\n"); n > limit {
		return fmt.Errorf("%s: the first example has %d lines; it may have %d", file, n, limit)
	}
	if d := diff.Diff(page, []byte(shown), file, []byte(run)); d != nil {
		return fmt.Errorf("the first block of %s is not the first example of %s:\n%s", page, file, d)
	}
	return nil
}

// firstBlock is what stands between the first ```go and the next ```.
func firstBlock(text []byte) (string, error) {
	_, rest, ok := strings.Cut("\n"+string(text), "\n```go\n")
	if !ok {
		return "", errors.New("it has no ```go block")
	}
	block, _, ok := strings.Cut("\n"+rest, "\n```")
	if !ok {
		return "", errors.New("its first ```go block has no end")
	}
	return strings.TrimPrefix(block, "\n") + "\n", nil
}

// firstBody is the body of the first Example function, a tab to the left.
func firstBody(source []byte) (string, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return "", err
	}
	example := first(doc.Examples(f))
	if example == nil {
		return "", errors.New("it has no Example function")
	}
	name := "Example" + example.Name
	if example.Output == "" && !example.EmptyOutput {
		return "", fmt.Errorf("the first example, %s, has no // Output:, so it is not run", name)
	}
	body := bodyOf(f, name)
	at := func(p token.Pos) int { return files.Position(p).Offset }
	inside := source[at(body.Lbrace)+1 : at(body.Rbrace)]
	return unindent(beforeOutput(inside)), nil
}

// first is the example that stands highest in the file; doc.Examples sorts them
// by their names.
func first(examples []*doc.Example) *doc.Example {
	var found *doc.Example
	for _, e := range examples {
		if found == nil || e.Order < found.Order {
			found = e
		}
	}
	return found
}

// bodyOf looks for itself: doc.Examples gives the whole file for a function that
// stands alone with its types.
func bodyOf(f *ast.File, name string) *ast.BlockStmt {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == name {
			return fn.Body
		}
	}
	panic("doctest: go/doc found " + name + ", and go/ast did not")
}

// beforeOutput leaves out the comment that says what is printed.
func beforeOutput(body []byte) []byte {
	for _, mark := range []string{"// Output:", "// Unordered output:"} {
		if i := bytes.LastIndex(body, []byte(mark)); i >= 0 {
			return body[:i]
		}
	}
	return body
}

func unindent(body []byte) string {
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "\t")
	}
	return strings.Join(lines, "\n") + "\n"
}
