package doctest

import (
	"strings"
	"testing"
)

const source = `package sample_test

import "fmt"

func ExampleZ() {
	if true {
		fmt.Println("hello")
	}

	fmt.Println("world")
	// Output:
	// hello
	// world
}

func ExampleA() {
	fmt.Println("later")
	// Output: later
}
`

const block = "if true {\n\tfmt.Println(\"hello\")\n}\n\nfmt.Println(\"world\")\n"

func TestCompare(t *testing.T) {
	page := func(block string) string {
		return "# sample\n\n```sh\ngo get\n```\n\n```go\n" + block + "```\n\nMore:\n\n```go\nother()\n```\n"
	}
	for name, c := range map[string]struct{ page, source, want string }{
		"the same":            {page(block), source, ""},
		"a type beside it":    {page(block), strings.Split(source, "func ExampleA")[0] + "type x int\n", ""},
		"another word":        {page(strings.Replace(block, "world", "moon", 1)), source, "-fmt.Println(\"moon\")\n+fmt.Println(\"world\")"},
		"a line less":         {page("fmt.Println(\"world\")\n"), source, "+if true {"},
		"an empty block":      {page(""), source, "+if true {"},
		"no block":            {"# sample\n\n\tfmt.Println()\n", source, "page.md: it has no ```go block"},
		"no end":              {"```go\nfmt.Println()\n", source, "page.md: its first ```go block has no end"},
		"no example":          {page(block), "package sample_test\n", "example_test.go: it has no Example function"},
		"an example not run":  {page(block), strings.Replace(source, "// Output:\n", "// It prints:\n", 1), "the first example, ExampleZ, has no // Output:"},
		"no Go":               {page(block), "package", "example_test.go: "},
		"too long to be read": {page(block), strings.Replace(source, "\t\tfmt.Println", strings.Repeat("\t\tfmt.Println(1)\n", 10)+"\t\tfmt.Println", 1), "the first example has 15 lines; it may have 14"},
	} {
		t.Run(name, func(t *testing.T) {
			err := compare("page.md", []byte(c.page), "example_test.go", []byte(c.source))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
