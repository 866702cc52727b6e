package operation

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func parseFile(t *testing.T, name string) *Migration {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEveryOperationIsReadWithEveryKey(t *testing.T) {
	m := parseFile(t, "all.yaml")
	if m.Name != "all" || m.VersionSchema != "shop_8" {
		t.Errorf("name %q, schema %q", m.Name, m.VersionSchema)
	}
	seen := map[string]bool{}
	filled := map[string]bool{} // keys, by their sections, that had a value somewhere
	for _, op := range m.Operations {
		seen[op.Kind()] = true
		fill(reflect.ValueOf(op).Elem(), filled)
		if op.Where().Line == 0 {
			t.Errorf("%s has no place", op.Kind())
		}
	}
	for kind := range kinds() {
		if !seen[kind] {
			t.Errorf("%s was not read", kind)
		}
	}
	for key, is := range filled {
		if !is && !slices.Contains([]string{"TableReferences.name", "SQL.down"}, key) { // of no use; excluded by onComplete
			t.Errorf("%s was read nowhere", key)
		}
	}
}

func fill(v reflect.Value, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), filled)
		}
	case reflect.Struct:
		for key, f := range fieldsOf(v.Type()) {
			fv := v.FieldByIndex(f.Index)
			name := v.Type().Name() + "." + key
			filled[name] = filled[name] || !fv.IsZero()
			fill(fv, filled)
		}
	}
}

func TestValuesAreThoseOfTheFile(t *testing.T) {
	ops := parseFile(t, "all.yaml").Operations
	table := ops[0].(*CreateTable)
	if got := table.Columns[0].Generated.Identity; *got != (Identity{"BY DEFAULT", "START WITH 100"}) {
		t.Errorf("identity %+v", got)
	}
	if got := table.Columns[1].References; got.OnDelete != "SET NULL" {
		t.Errorf("on_delete %q: words are known in any case", got.OnDelete)
	}
	if got := *table.Columns[1].Default; got != "'nobody'" {
		t.Errorf("default %q", got)
	}
	alter := ops[6].(*AlterColumn)
	if alter.Default != (Nullable{Set: true, Null: true}) || alter.Comment != (Nullable{Set: true, Text: "in years"}) || *alter.Nullable {
		t.Errorf("default %+v, comment %+v, nullable %v", alter.Default, alter.Comment, *alter.Nullable)
	}
	if want := "SELECT CASE WHEN age ~ '^[0-9]+$'\n  THEN age::int ELSE 1 END\n"; alter.Up != want {
		t.Errorf("up %q", alter.Up)
	}
	if got := ops[8].(*CreateIndex).Columns; len(got) != 2 || got[0].Column != "email" || got[1] != (IndexField{Column: "nickname", Sort: "ASC"}) {
		t.Errorf("columns of the older form: %+v", got)
	}
	if got := ops[11].(*CreateConstraint); !slices.Equal(got.Columns, []string{"zip"}) {
		t.Errorf("a check without columns covers those of its expressions, not %v", got.Columns)
	}
	if got := ops[6].Where(); got != (Place{Line: 77, Column: 5}) {
		t.Errorf("alter_column at %v", got)
	}
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	data, err := os.ReadFile("testdata/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var any yaml.MapSlice
	if err := yaml.Unmarshal(data, &any); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.MarshalWithOptions(any, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	indented, err := indent(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("all.json", indented)
	if err != nil {
		t.Fatal(err)
	}
	want := parseFile(t, "all.yaml")
	for i := range want.Operations {
		setPlace(got.Operations[i], Place{})
		setPlace(want.Operations[i], Place{})
		if !reflect.DeepEqual(got.Operations[i], want.Operations[i]) {
			t.Errorf("%+v, want %+v", got.Operations[i], want.Operations[i])
		}
	}
}

// indent uses tabs, which YAML would refuse.
func indent(data []byte) ([]byte, error) {
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	return json.MarshalIndent(raw, "", "\t")
}

func TestJSONIsReadAsJSON(t *testing.T) {
	m, err := Parse("dir/0003_x.json", []byte("\ufeff{\n\t\"name\": \"n\",\n\t\"operations\": [{\"sql\": {\"up\": \"SELECT '\\ud83d\\ude00\\/'\"}}]\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Operations[0].(*SQL); got.Up != "SELECT '😀/'" || got.Where() != (Place{3, 18}) || m.Name != "n" {
		t.Errorf("%+v of %s", got, m.Name)
	}
}

func TestWhatIsWrongIsToldWithItsPlaceAndMend(t *testing.T) {
	const create = "operations:\n  - create_constraint:\n      name: c\n      table: t\n"
	for _, c := range []struct{ name, file, text, want string }{
		{"nothing", "m.yaml", "", "m.yaml:1:1: the file is empty; it needs operations:"},
		{"nothing in JSON", "m.json", " \n", "m.json:1:1: the file is empty; "},
		{"a list", "m.yaml", "- a", "m.yaml:1:1: found a list where a section with keys is wanted; its keys are name, operations, version_schema"},
		{"no operations", "m.yaml", "name: x", "m.yaml:1:1: the key operations is missing; add it"},
		{"empty operations", "m.json", `{"operations": []}`, "m.json:1:16: operations: there is no operation; a migration needs at least one"},
		{"null", "m.yaml", "operations:\n", "m.yaml:1:1: operations: the key has no value; give it one"},
		{"unknown key", "m.yaml", "operation: []", "m.yaml:1:1: unknown key operation; did you mean operations?"},
		{"unknown operation", "m.yaml", "operations:\n  - add_colum: {}", "m.yaml:2:5: operations[0]: there is no operation add_colum; did you mean add_column?"},
		{"two in one", "m.yaml", "operations:\n  - drop_table: {name: a}\n    drop_index: {name: a}", "m.yaml:2:5: operations[0]: an operation is one key with its settings; "},
		{"unknown setting", "m.yaml", "operations:\n  - drop_table: {nane: a}", "m.yaml:2:18: operations[0].drop_table: unknown key nane; did you mean name?"},
		{"missing setting", "m.json", "{\"operations\": [\n\t{\"drop_table\": {}}]}", "m.json:2:17: operations[0].drop_table: the key name is missing; add it"},
		{"twice", "m.yaml", "operations:\n  - drop_table:\n      name: a\n      name: b", "m.yaml:4:7: the key name stands here twice, first in line 3; keep one of them"},
		{"twice in JSON", "m.json", `{"operations": [{"drop_table": {"name": "a", "name": "b"}}]}`, "m.json:1:46: the key name stands here twice, first in line 1; "},
		{"a number as a name", "m.yaml", "operations:\n  - drop_table: {name: 17}", `operations[0].drop_table.name: found a number where text is wanted; put quotes around it: "17"`},
		{"yes as a name", "m.yaml", "operations:\n  - drop_table: {name: true}", `found true or false where text is wanted; put quotes around it: "true"`},
		{"null as a name", "m.json", `{"operations": [{"drop_table": {"name": null}}]}`, "m.json:1:41: operations[0].drop_table.name: the key has no value"},
		{"an empty name", "m.yaml", "operations:\n  - drop_table: {name: ''}", "operations[0].drop_table.name: the text is empty; fill it in"},
		{"text as a boolean", "m.yaml", "operations:\n  - sql: {up: x, onComplete: 'true'}", "onComplete: found text where true or false is wanted; write true or false, without quotes"},
		{"text as a list", "m.yaml", create + "      type: unique\n      columns: a\n", "columns: found text where a list is wanted; put each entry after a dash"},
		{"text as expressions", "m.yaml", create + "      type: unique\n      columns: [a]\n      up: a\n      down: {a: a}", "up: found text where columns with their expressions are wanted"},
		{"a column without expression", "m.yaml", create + "      type: unique\n      columns: [a, b]\n      up: {a: a}\n      down: {a: a, b: b}", "create_constraint.up: there is no expression for the column b; add b: b"},
		{"a column too many", "m.yaml", create + "      type: unique\n      columns: [a]\n      up: {a: a, b: b}\n      down: {a: a}", "up.b: the constraint does not cover the column b"},
		{"an unknown word", "m.yaml", create + "      type: uniq\n", `type: "uniq" is not known here; did you mean unique?`},
		{"an exclusion", "m.yaml", create + "      type: exclude\n", `"exclude" is not known here; it may be unique, check, foreign_key, primary_key`},
		{"a constraint without columns", "m.yaml", create + "      type: unique\n      up: {}\n      down: {}", "the key columns is missing"},
		{"a foreign key to nothing", "m.yaml", create + "      type: foreign_key\n      columns: [a]\n      up: {a: a}\n      down: {a: a}", "the key references is missing"},
		{"a foreign key to more", "m.yaml", create + "      type: foreign_key\n      columns: [a]\n      references: {table: x, columns: [a, b]}\n      up: {a: a}\n      down: {a: a}", "1 columns refer to 2; name as many on both sides"},
		{"a check of nothing", "m.yaml", create + "      type: check\n      up: {a: a}\n      down: {a: a}", "the key check is missing"},
		{"two primary keys", "m.yaml", "operations:\n  - create_table:\n      name: t\n      columns: [{name: a, type: int, pk: true}]\n      constraints: [{name: p, type: primary_key, columns: [a]}]", "m.yaml:5:37: operations[0].create_table.constraints[0].type: the table has two primary keys"},
		{"a column twice", "m.yaml", "operations:\n  - create_table:\n      name: t\n      columns: [{name: a, type: int}, {name: a, type: int}]", "columns[1].name: there are two columns a"},
		{"an unknown column", "m.yaml", "operations:\n  - create_table:\n      name: t\n      columns: [{name: abc, type: int}]\n      constraints: [{name: p, type: unique, columns: [abd]}]", "the table has no column abd; did you mean abc?"},
		{"generated twice", "m.yaml", "operations:\n  - add_column:\n      table: t\n      column: {name: a, type: int, generated: {expression: '1', identity: {}}}", "generated: a column is generated from an expression or an identity, not both"},
		{"nothing altered", "m.yaml", "operations:\n  - alter_column: {table: t, column: a, up: a, down: a}", "operations[0].alter_column: nothing is altered; "},
		{"renamed to itself", "m.yaml", "operations:\n  - rename_table: {from: a, to: a}", "rename_table.to: it has that name already"},
		{"a long name", "m.yaml", "operations:\n  - rename_table: {from: a, to: " + strings.Repeat("é", 32) + "}", "rename_table.to: the name has 64 bytes; PostgreSQL keeps 63; shorten it"},
		{"raw SQL beside others", "m.yaml", "operations:\n  - sql: {up: x}\n  - drop_table: {name: a}", "m.yaml:2:11: operations[0].sql: statements that run when the change begins cannot stand beside other operations"},
		{"undone at contract", "m.yaml", "operations:\n  - sql: {up: x, down: y, onComplete: true}", "sql.down: what runs at contract is not taken back"},
		{"an identity without index", "m.yaml", "operations:\n  - set_replica_identity: {table: t, identity: {type: index}}", "an index is named exactly if the type is index"},
		{"a routine in a schema", "m.yaml", "operations:\n  - create_routine: {name: f, sql: CREATE FUNCTION public.f() RETURNS int}", "create_routine.sql: the routine's name is written with a schema"},
		{"another routine", "m.yaml", "operations:\n  - create_routine: {name: F, sql: 'CREATE FUNCTION F() RETURNS int'}", "the statement makes f, and name says F; make them the same; without quotes SQL takes f"},
		{"no routine", "m.yaml", "operations:\n  - create_routine: {name: f, sql: DROP TABLE f}", "this is no CREATE FUNCTION or CREATE PROCEDURE"},
		{"an alias", "m.yaml", "operations: &a\n  - drop_table: {name: a}", "m.yaml:1:13: anchors, aliases and tags have no meaning here"},
		{"a merge", "m.yaml", "operations:\n  - drop_table:\n      <<: {name: a}", "merging with << has no meaning here"},
		{"two documents", "m.yaml", "operations: []\n---\noperations: []", "a second document starts here; a file is one migration"},
		{"no YAML", "m.yaml", "operations:\n  - drop_table: {name: a", "m.yaml:2:17: this is not YAML: "},
		{"indented too far", "m.yaml", "operations:\n  - drop_table:\n      name: a\n        x: b", "m.yaml:4:9: this is not YAML: "},
		{"a comma too many", "m.json", "{\"operations\": [\n  {\"drop_table\": {\"name\": \"a\"},}\n]}", "m.json:2:31: this is not JSON: "},
		{"cut off", "m.json", `{"operations": [`, "m.json:1:17: the file ends in the middle of a value"},
		{"more than JSON", "m.json", `{"operations": []} {}`, "m.json:1:20: something follows the end of the migration"},
		{"not UTF-8", "m.yaml", "operations: \xff", "m.yaml:1:1: this is not UTF-8 text"},
		{"too large", "m.yaml", strings.Repeat(" ", maxBytes+1), "the file is larger than 1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.file, []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if errs := (Errors)(nil); !errors.As(err, &errs) {
				t.Errorf("%T is not Errors", err)
			}
		})
	}
}

func TestSeveralProblemsAreToldAtOnceInTheirOrder(t *testing.T) {
	_, err := Parse("m.yaml", []byte("operations:\n  - drop_table: {nane: a}\n  - drop_index: {name: 1}\n"))
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 3 || errs[0].Line != 2 || errs[2].Line != 3 {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"all.yaml"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
	}
	f.Add([]byte(`{"operations": [{"sql": {"up": "x"}}]}`), true)
	f.Fuzz(func(t *testing.T, data []byte, isJSON bool) {
		name := "m.yaml"
		if isJSON {
			name = "m.json"
		}
		m, err := Parse(name, data)
		if (m == nil) == (err == nil) {
			t.Fatalf("%v and %v", m, err)
		}
		if errs := (Errors)(nil); errors.As(err, &errs) && (len(errs) == 0 || errs[0].Line < 1 || errs[0].Column < 1) {
			t.Fatalf("an error without a place: %v", err)
		}
	})
}
