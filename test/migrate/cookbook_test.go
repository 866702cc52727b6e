package migrate_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/migrate/shape"
)

var update = flag.Bool("update", false, "write the files into docs/migrate-cookbook.md anew")

// filesIn is a place of the cookbook where a migration's files stand.
var filesIn = regexp.MustCompile(`(?s)<!-- files of test/migrate/testdata: (\w+) -->\n.*?<!-- end -->`)

// TestCookbook: what users are told to write is what is run here, all of it.
func TestCookbook(t *testing.T) {
	page := filepath.Join(harness.Root(), "docs", "migrate-cookbook.md")
	is, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	want := filesIn.ReplaceAllStringFunc(string(is), func(place string) string {
		name := filesIn.FindStringSubmatch(place)[1]
		told[name] = true
		return fmt.Sprintf("<!-- files of test/migrate/testdata: %s -->\n%s<!-- end -->", name, recipe(t, name))
	})
	for _, f := range tracks[0].files(t, shape.Shop, shape.Last) {
		if name := strings.TrimSuffix(filepath.Base(f), ".yaml"); !told[name] {
			t.Errorf("%s is not in the cookbook", name)
		}
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(is) {
		t.Error("docs/migrate-cookbook.md has other files than test/migrate/testdata: go test ./test/migrate -run Cookbook -update")
	}
}

// recipe is a migration in all tracks, as Markdown.
func recipe(t *testing.T, name string) string {
	var b strings.Builder
	for _, k := range tracks {
		files, err := filepath.Glob(filepath.Join("testdata", k.name, name+".*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no migration %s: %v", name, err)
		}
		fmt.Fprintf(&b, "\n%s:\n\n```%s\n", k.title, k.language())
		for _, phase := range []string{".yaml", ".expand.sql", ".backfill.sql", ".contract.sql"} {
			data, err := os.ReadFile(filepath.Join("testdata", k.name, name+phase))
			if err != nil {
				continue // a migration has not every phase
			}
			fmt.Fprintf(&b, "%s %s%s\n%s", k.comment(), name, phase, data)
		}
		b.WriteString("```\n")
	}
	return b.String() + "\n"
}

func (k track) language() string {
	if k.phased {
		return "sql"
	}
	return "yaml"
}

func (k track) comment() string {
	if k.phased {
		return "--"
	}
	return "#"
}
