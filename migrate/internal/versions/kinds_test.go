package versions

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/operation"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func def(s string) *string { return &s }

// word writes one of few words, so that rows have the same now and then.
func word(r *rand.Rand) value { return text(fmt.Sprintf("w%d", r.IntN(30))) }

func number(r *rand.Rand) value { return text(strconv.Itoa(r.IntN(1000))) }

// maybe writes NULL at times.
func maybe(f func(*rand.Rand) value) func(*rand.Rand) value {
	return func(r *rand.Rand) value {
		if r.IntN(3) == 0 {
			return nil
		}
		return f(r)
	}
}

// once writes no value twice.
func once(r *rand.Rand) value { return text(fmt.Sprintf("u%d", r.Uint64())) }

func conv(f func(row map[string]value) value, from ...string) conversion { return conversion{from, f} }

type columns = map[string]func(*rand.Rand) value

var kinds = []kind{
	{
		name:  "add",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)`,
		ops:   []operation.Operation{&operation.AddColumn{Table: "t", Column: operation.Column{Name: "note", Type: "text", Nullable: true}}},
		plain: `ALTER TABLE t ADD note text`,
		old:   columns{"name": word}, new: columns{"name": word, "note": maybe(word)},
		initial: map[string]value{"note": nil},
		lossy:   true,
	},
	{
		name:  "add with default",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)`,
		ops:   []operation.Operation{&operation.AddColumn{Table: "t", Column: operation.Column{Name: "n", Type: "integer", Default: def("7"), Comment: "how many"}}},
		plain: `ALTER TABLE t ADD n integer NOT NULL DEFAULT 7; COMMENT ON COLUMN t.n IS 'how many'`,
		old:   columns{"name": word}, new: columns{"name": word, "n": number},
		initial: map[string]value{"n": text("7")},
		lossy:   true,
	},
	{
		name:  "add with up",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text, other text)`,
		ops: []operation.Operation{&operation.AddColumn{Table: "t", Up: "SELECT CASE WHEN name IS NULL THEN '-' ELSE upper(t.name) END",
			Column: operation.Column{Name: "shout", Type: "varchar(40)", Check: &operation.Check{Name: "loud", Constraint: "shout = upper(shout)"}}}},
		plain: `ALTER TABLE t ADD shout varchar(40) NOT NULL CONSTRAINT loud CHECK (shout = upper(shout))`,
		old:   columns{"name": maybe(word), "other": word},
		new:   columns{"name": maybe(word), "other": word, "shout": func(r *rand.Rand) value { return text(strings.ToUpper(*word(r))) }},
		up: map[string]conversion{"shout": conv(func(row map[string]value) value {
			if row["name"] == nil {
				return text("-")
			}
			return text(strings.ToUpper(*row["name"]))
		}, "name")},
		lossy: true,
	},
	{
		name:  "add unique",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text)`,
		ops: []operation.Operation{&operation.AddColumn{Table: "t", Up: "'of ' || id",
			Column: operation.Column{Name: "slug", Type: "text", Unique: true}}},
		plain: `ALTER TABLE t ADD slug text NOT NULL CONSTRAINT t_slug_key UNIQUE`,
		old:   columns{"name": word}, new: columns{"name": word, "slug": once},
		up:    map[string]conversion{"slug": conv(func(row map[string]value) value { return text("of " + *row["id"]) })},
		lossy: true,
	},
	{
		name:  "drop",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text, price int NOT NULL, note text DEFAULT 'x'); CREATE INDEX by_price ON t (price)`,
		ops: []operation.Operation{
			&operation.DropColumn{Table: "t", Column: "price", Down: "length(name)"},
			&operation.DropColumn{Table: "t", Column: "note"},
		},
		plain: `ALTER TABLE t DROP price, DROP note`,
		old:   columns{"name": word, "price": number, "note": word}, new: columns{"name": word},
		down:   map[string]conversion{"price": conv(func(row map[string]value) value { return text(strconv.Itoa(len(*row["name"]))) }, "name")},
		leaves: map[string]value{"note": text("x")},
	},
	{
		name:  "rename",
		setup: `CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'a', b text, CHECK (a <> b)); CREATE INDEX by_a ON t (a)`,
		ops: []operation.Operation{
			&operation.RenameColumn{Table: "t", From: "a", To: "c"},
			&operation.RenameColumn{Table: "t", From: "b", To: "a"},
			&operation.RenameColumn{Table: "t", From: "c", To: "b"},
		},
		plain: `ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME c TO b`,
		old:   columns{"a": word, "b": func(r *rand.Rand) value { return text("b" + *word(r)) }},
		new:   columns{"b": word, "a": func(r *rand.Rand) value { return text("b" + *word(r)) }},
		same:  map[string]string{"a": "b", "b": "a"},
	},
	{
		name: "retype",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text, amount text NOT NULL DEFAULT '0' CONSTRAINT filled CHECK (amount IS NOT NULL));
			CREATE UNIQUE INDEX names ON t (name, id DESC) INCLUDE (amount) WHERE amount IS NOT NULL; COMMENT ON COLUMN t.amount IS 'in cents'`,
		ops: []operation.Operation{&operation.AlterColumn{Table: "t", Column: "amount", Type: "integer", Name: "cents",
			Check: &operation.Check{Name: "enough", Constraint: "cents >= 0"},
			Up:    "CAST(amount AS integer)", Down: "CAST(cents AS text)"}},
		plain: `ALTER TABLE t ALTER amount DROP DEFAULT; DROP INDEX names; ALTER TABLE t ALTER amount TYPE integer USING amount::integer, ALTER amount SET DEFAULT CAST(('0'::text) AS integer); ALTER TABLE t RENAME amount TO cents; ALTER TABLE t ADD CONSTRAINT enough CHECK (cents >= 0); CREATE UNIQUE INDEX names ON t (name, id DESC) INCLUDE (cents) WHERE cents IS NOT NULL`,
		old:   columns{"name": maybe(word), "amount": number}, new: columns{"name": maybe(word), "cents": number},
		same: map[string]string{"cents": "amount"},
	},
	{
		name:  "not null",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text, note text)`,
		ops: []operation.Operation{&operation.AlterColumn{Table: "t", Column: "note", Nullable: no(),
			Up: "COALESCE(note, name, '')", Down: "NULLIF(note, '')"}},
		plain: `ALTER TABLE t ALTER note SET NOT NULL`,
		old:   columns{"name": maybe(word), "note": maybe(word)}, new: columns{"name": maybe(word), "note": word},
		up: map[string]conversion{"note": conv(func(row map[string]value) value {
			for _, c := range []string{"note", "name"} {
				if row[c] != nil {
					return row[c]
				}
			}
			return text("")
		}, "note", "name")},
		down: map[string]conversion{"note": conv(func(row map[string]value) value { return row["note"] }, "note")},
	},
	{
		name:  "nullable",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL UNIQUE)`,
		ops: []operation.Operation{&operation.AlterColumn{Table: "t", Column: "name", Nullable: yes(),
			Down: "COALESCE(name, 'none of ' || id)"}},
		plain: `ALTER TABLE t ALTER name DROP NOT NULL`,
		old:   columns{"name": once}, new: columns{"name": maybe(once)},
		up: map[string]conversion{"name": conv(func(row map[string]value) value { return row["name"] }, "name")},
		down: map[string]conversion{"name": conv(func(row map[string]value) value {
			if row["name"] == nil {
				return text("none of " + *row["id"])
			}
			return row["name"]
		}, "name")},
		lossy: true,
	},
	{
		name:  "unique",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text)`,
		ops: []operation.Operation{&operation.AlterColumn{Table: "t", Column: "name", Unique: &operation.Unique{Name: "one_name"},
			Up: "name || '-' || id", Down: "split_part(name, '-', 1)"}},
		plain: `ALTER TABLE t ADD CONSTRAINT one_name UNIQUE (name)`,
		old:   columns{"name": word}, new: columns{"name": once},
		up:    map[string]conversion{"name": conv(func(row map[string]value) value { return text(*row["name"] + "-" + *row["id"]) }, "name")},
		down:  map[string]conversion{"name": conv(func(row map[string]value) value { return text(strings.Split(*row["name"], "-")[0]) }, "name")},
		lossy: true,
	},
	{
		name:  "check",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text)`,
		ops: []operation.Operation{&operation.AlterColumn{Table: "t", Column: "name",
			Check: &operation.Check{Name: "long", Constraint: "length(name) > 2"},
			Up:    "CASE WHEN length(name) > 2 THEN name ELSE lpad(name, 3, '.') END"}},
		plain: `ALTER TABLE t ADD CONSTRAINT long CHECK (length(name) > 2)`,
		old:   columns{"name": maybe(word)}, new: columns{"name": func(r *rand.Rand) value { return text("long " + *word(r)) }},
		up: map[string]conversion{"name": conv(func(row map[string]value) value {
			if v := row["name"]; v == nil || len(*v) > 2 {
				return v
			}
			return text("." + *row["name"])
		}, "name")},
		down: map[string]conversion{"name": conv(func(row map[string]value) value { return row["name"] }, "name")},
	},
	{
		name:  "references",
		setup: `CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o SELECT generate_series(0, 499); CREATE TABLE t (id int PRIMARY KEY, ref int)`,
		ops: []operation.Operation{&operation.AlterColumn{Table: "t", Column: "ref",
			References: &operation.References{Name: "to_o", Table: "o", Column: "id", OnDelete: "CASCADE"},
			Up:         "SELECT CASE WHEN EXISTS (SELECT 1 FROM o WHERE o.id = ref) THEN ref ELSE NULL END", Down: "ref"}},
		plain: `ALTER TABLE t ADD CONSTRAINT to_o FOREIGN KEY (ref) REFERENCES o (id) ON DELETE CASCADE`,
		old:   columns{"ref": maybe(number)}, new: columns{"ref": func(r *rand.Rand) value { return text(strconv.Itoa(r.IntN(500))) }},
		up: map[string]conversion{"ref": conv(func(row map[string]value) value {
			if row["ref"] == nil || len(*row["ref"]) == 3 && *row["ref"] >= "500" {
				return nil
			}
			return row["ref"]
		}, "ref")},
		down: map[string]conversion{"ref": conv(func(row map[string]value) value { return row["ref"] }, "ref")},
	},
	{
		name:  "default and comment",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text DEFAULT 'old', other text DEFAULT 'gone')`,
		ops: []operation.Operation{
			&operation.AlterColumn{Table: "t", Column: "name", Default: operation.Nullable{Set: true, Text: "'new'"}, Comment: operation.Nullable{Set: true, Text: "who"}},
			&operation.AlterColumn{Table: "t", Column: "other", Default: operation.Nullable{Set: true, Null: true}},
		},
		plain: `ALTER TABLE t ALTER name SET DEFAULT 'new', ALTER other DROP DEFAULT; COMMENT ON COLUMN t.name IS 'who'`,
		old:   columns{"name": word, "other": word}, new: columns{"name": word, "other": word},
	},
	{
		name:  "split",
		setup: `CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL, x int)`,
		ops: []operation.Operation{
			&operation.AddColumn{Table: "t", Up: "split_part(name, ' ', 1)", Column: operation.Column{Name: "first", Type: "text"}},
			&operation.AddColumn{Table: "t", Up: "split_part(name, ' ', 2)", Column: operation.Column{Name: "last", Type: "text"}},
			&operation.DropColumn{Table: "t", Column: "name", Down: "first || ' ' || last"},
		},
		plain: `ALTER TABLE t ADD first text NOT NULL, ADD last text NOT NULL, DROP name`,
		old:   columns{"name": func(r *rand.Rand) value { return text(*word(r) + " " + *word(r)) }, "x": number},
		new:   columns{"first": word, "last": word, "x": number},
		up: map[string]conversion{
			"first": conv(func(row map[string]value) value { return text(strings.Split(*row["name"], " ")[0]) }, "name"),
			"last":  conv(func(row map[string]value) value { return text(strings.Split(*row["name"], " ")[1]) }, "name"),
		},
		down: map[string]conversion{"name": conv(func(row map[string]value) value { return text(*row["first"] + " " + *row["last"]) }, "first", "last")},
	},
	{
		name:  "merge",
		setup: `CREATE TABLE t (id int PRIMARY KEY, first text NOT NULL, last text NOT NULL)`,
		ops: []operation.Operation{
			&operation.AddColumn{Table: "t", Up: "first || ' ' || last", Column: operation.Column{Name: "name", Type: "text"}},
			&operation.DropColumn{Table: "t", Column: "first", Down: "split_part(name, ' ', 1)"},
			&operation.DropColumn{Table: "t", Column: "last", Down: "split_part(name, ' ', 2)"},
			&operation.RenameColumn{Table: "t", From: "name", To: "first"},
		},
		plain: `ALTER TABLE t ADD name text NOT NULL, DROP first, DROP last; ALTER TABLE t RENAME name TO first`,
		new:   columns{"first": func(r *rand.Rand) value { return text(*word(r) + " " + *word(r)) }},
		old:   columns{"first": word, "last": word},
		down: map[string]conversion{
			"first": conv(func(row map[string]value) value { return text(strings.Split(*row["first"], " ")[0]) }, "first"),
			"last":  conv(func(row map[string]value) value { return text(strings.Split(*row["first"], " ")[1]) }, "first"),
		},
		up: map[string]conversion{"first": conv(func(row map[string]value) value { return text(*row["first"] + " " + *row["last"]) }, "first", "last")},
	},
	{
		name:  "alter twice",
		setup: `CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)`,
		ops: []operation.Operation{
			&operation.AlterColumn{Table: "t", Column: "n", Type: "bigint", Up: "n * 10", Down: "n / 10"},
			&operation.AlterColumn{Table: "t", Column: "n", Name: "s", Type: "text", Up: "n::text", Down: "s::bigint"},
		},
		plain: `ALTER TABLE t ALTER n TYPE text; ALTER TABLE t RENAME n TO s`,
		old:   columns{"n": number}, new: columns{"s": func(r *rand.Rand) value { return text(*number(r) + "0") }},
		up: map[string]conversion{"s": conv(func(row map[string]value) value {
			if *row["n"] == "0" {
				return text("0")
			}
			return text(*row["n"] + "0")
		}, "n")},
		down: map[string]conversion{"n": conv(func(row map[string]value) value { return text(strings.TrimSuffix(*row["s"], "0")) }, "s")},
	},
}

func TestEachReleaseSeesWhatEitherWrites(t *testing.T) {
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			k.live(t, uint64(i))
		})
	}
}
