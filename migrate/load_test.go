package migrate_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seguehq/segue/migrate"
)

func TestMigrationsHaveTheOrderOfTheirNumbers(t *testing.T) {
	t.Parallel()
	set := files(t, map[string]string{
		"10_c.json":         `{"operations": [{"sql": {"up": "SELECT 1"}}]}`,
		"9_b.contract.sql":  "SELECT 1;",
		"9_b.expand.sql":    "SELECT 1;",
		"9_b.backfill.sql":  "SELECT 1;",
		"0001_a.expand.sql": "SELECT 1;",
		"zero.yaml":         "operations:\n  - sql: {up: SELECT 1}\n",
		"README.md":         "about",
	})
	var names []string
	for _, m := range set {
		names = append(names, m.Name)
	}
	if want := []string{"0001_a", "9_b", "10_c", "zero"}; !slices.Equal(names, want) {
		t.Errorf("the order is %q, want %q", names, want)
	}
	if want := []string{"9_b.expand.sql", "9_b.backfill.sql", "9_b.contract.sql"}; !slices.Equal(set[1].Files, want) {
		t.Errorf("the files are %q, want %q", set[1].Files, want)
	}
	if got := set.Schema("shop"); got != "shop_zero" {
		t.Errorf("the schema is %q", got)
	}
}

func TestASumIsOfTheContentAlone(t *testing.T) {
	t.Parallel()
	sum := func(text, contract string) string {
		return files(t, map[string]string{"1_a.expand.sql": text, "1_a.contract.sql": contract})[0].Sum
	}
	if first, second := sum("a;", "b;"), sum("a;", "b;"); first != second {
		t.Errorf("the same files have the sums %s and %s", first, second)
	}
	if sum("a;", "b;") == sum("a; ", "b;") || sum("a;", "b;") == sum("b;", "a;") {
		t.Error("different files have the same sum")
	}
}

func TestAFolderThatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"1_a.sql"}, "1_a.sql:1: its name does not say of which phase it is: 1_a.expand.sql"},
		{[]string{"1_a.up.sql"}, "1_a.up.sql:1: its name does not say of which phase it is"},
		{[]string{"1_a.backfill.sql"}, "1_a.backfill.sql:1: a backfill needs an expand"},
		{[]string{"1_a.expand.sql", "01_b.expand.sql"}, "1_a.expand.sql:1: it has the number of 01_b.expand.sql"},
		{[]string{"1_a.expand.sql", "1_a.json"}, "there is a migration 1_a already"},
		{[]string{"1_a.json", "1_a.yaml"}, "1_a.yaml:1: there is a migration 1_a already: 1_a.json"},
	} {
		dir := fstest.MapFS{}
		for _, f := range c.files {
			text := "SELECT 1;"
			if !strings.HasSuffix(f, ".sql") {
				text = `{"operations": [{"sql": {"up": "SELECT 1"}}]}`
			}
			dir[f] = &fstest.MapFile{Data: []byte(text)}
		}
		if _, err := migrate.Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.files, err, c.want)
		}
	}
	if _, err := migrate.Load(fstest.MapFS{"1_a.expand.sql": &fstest.MapFile{Data: []byte(" \n")}}); err == nil || !strings.Contains(err.Error(), "the file is empty") {
		t.Errorf("an empty file: %v", err)
	}
}

func TestAURLNamesTheSchemaInItsDriversWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, schema, base string
		style             migrate.URLStyle
		want              string
	}{
		{"postgres://u:p@h/db", "", "public", "", "postgres://u:p@h/db"},
		{"mysql://u:p@h/db", "x", "public", migrate.StyleNone, "mysql://u:p@h/db"},
		{"postgres://u:p@h/db", "public_8_a", "public", "", "postgres://u:p@h/db?options=-c%20search_path%3Dpublic_8_a%2Cpublic"},
		{"postgres://u:p%3F@h/db?sslmode=off&a=%20b", "x", "y", migrate.StyleOptions, "postgres://u:p%3F@h/db?sslmode=off&a=%20b&options=-c%20search_path%3Dx%2Cy"},
		{"postgres://h/db?options=-c%20geqo%3Doff&a=b", "x", "y", migrate.StyleOptions, "postgres://h/db?a=b&options=-c%20geqo%3Doff%20-c%20search_path%3Dx%2Cy"},
		{"postgres://h/db?options=-csearch_path%3Da%2Cb", "x", "y", migrate.StyleOptions, "postgres://h/db?options=-c%20search_path%3Dx%2Cy"},
		{"postgresql://h/db?search_path=a&b=c", "X y", "public", migrate.StyleSearchPath, "postgresql://h/db?b=c&search_path=%22X%20y%22%2Cpublic"},
		{"jdbc:postgresql://h/db", "x", "public", migrate.StyleCurrentSchema, "jdbc:postgresql://h/db?currentSchema=x%2Cpublic"},
		{"postgresql+psycopg://h/db", "x", "public", "", "postgresql+psycopg://h/db?options=-c%20search_path%3Dx%2Cpublic"},
	} {
		if got, err := migrate.URL(c.url, c.schema, c.base, c.style); err != nil || got != c.want {
			t.Errorf("%s: %s %v\nwant %s", c.url, got, err, c.want)
		}
	}
	for _, c := range []struct {
		url   string
		style migrate.URLStyle
	}{{"mysql://u:secret@h/db", ""}, {"host=h password=secret", ""}, {"postgres://u:secret@h/db", "other"}} {
		if _, err := migrate.URL(c.url, "x", "public", c.style); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.url, err)
		}
	}
}
