package versions

import (
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

func TestRowsThatBreakAConstraintAreNamedBeforeAnyIsFilledIn(t *testing.T) {
	const setup = `CREATE TABLE sellers (name text PRIMARY KEY, zip int); INSERT INTO sellers VALUES ('a', 10);
		CREATE TABLE items (id bigint PRIMARY KEY, name text, zip int);
		INSERT INTO items VALUES (1, 'a', 10), (2, 'x', 10), (3, NULL, 30), (4, 'x', 10), (5, 'y', NULL), (6, 'z', -6), (7, 'z', -7), (8, 'z', -8), (9, 'z', -9)`
	for _, c := range []struct{ name, ops, want string }{
		{"unique", `
  - create_constraint: {type: unique, table: items, name: k, columns: [name, zip], up: {name: name, zip: zip}, down: {name: name, zip: zip}}`,
			"constraint k of table items would be unique, and more than one row has name = x, zip = 10; mend these rows, or have the migration convert them (up)"},
		{"unique when converted", `
  - alter_column: {table: items, column: name, unique: {name: k}, up: "lower('A' || zip)", down: name}`,
			"constraint k of table items would be unique, and more than one row has name = a10; "},
		{"a unique index", "\n  - create_index: {table: items, name: k, columns: [{column: zip}], unique: true, predicate: \"name <> 'a'\"}",
			"index k of table items would be unique, and more than one row has zip = 10; "},
		{"a unique index of a column that is converted", `
  - create_index: {table: items, name: k, columns: [{column: zip}], unique: true, predicate: "zip < -7"}
  - rename_column: {table: items, from: zip, to: code}
  - alter_column: {table: items, column: code, type: bigint, up: "code - code % 2", down: code}`,
			"index k of table items would be unique, and more than one row has code = -8; "},
		{"a check", `
  - create_constraint: {type: check, table: items, name: k, check: zip > 0, columns: [zip], up: {zip: zip}, down: {zip: zip}}`,
			"check k of table items is broken by id = 6, zip = -6; id = 7, zip = -7; id = 8, zip = -8; mend"},
		{"a check of a column", `
  - alter_column: {table: items, column: zip, check: {name: k, constraint: zip > -9}, up: zip, down: zip}`,
			"check k of table items is broken by id = 9, zip = -9; "},
		{"a foreign key", `
  - rename_table: {from: items, to: goods}
  - create_constraint: {type: foreign_key, table: goods, name: k, columns: [name], references: {table: sellers, columns: [name]}, up: {name: "nullif(name, 'z')"}, down: {name: name}}`,
			"foreign key k of table goods refers to nothing in sellers from id = 2, name = x; id = 4, name = x; id = 5, name = y; "},
		{"not null", `
  - alter_column: {table: items, column: name, nullable: false, up: "nullif(name, 'x')", down: name}`,
			"NOT NULL of column name of table items is broken by id = 2, name = NULL; id = 3, name = NULL; id = 4, name = NULL; "},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShared(t, setup)
			was := s.structure()
			s.begin(migrationOf(t, "0002_change", c.ops))
			err := s.run(script.Backfill)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			s.must(script.Undo)
			if is := s.structure(); is != was {
				t.Errorf("undo leaves\n%s", is)
			}
		})
	}
}

func TestWhatCannotBeDoneIsRefusedWithTheMend(t *testing.T) {
	s := newShared(t, `
		CREATE TABLE sellers (name text PRIMARY KEY);
		CREATE TABLE items (id bigint PRIMARY KEY, name text CONSTRAINT items_seller REFERENCES sellers, zip int, twice int GENERATED ALWAYS AS (zip * 2) STORED,
			CONSTRAINT items_zip CHECK (zip > 0 AND name <> ''), CONSTRAINT items_uq UNIQUE (zip));
		CREATE TABLE parts (zip int CONSTRAINT parts_zip REFERENCES items (zip));
		CREATE TABLE days (day date) PARTITION BY RANGE (day);
		CREATE VIEW cheap AS SELECT id FROM items; CREATE VIEW sum_up AS SELECT zip FROM parts;
		CREATE SEQUENCE counter; CREATE AGGREGATE longest (text) (SFUNC = textcat, STYPE = text);
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER touched BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION touch()`)
	for _, c := range []struct{ name, ops, want string }{
		{"a table that is there", "\n  - create_table: {name: items, columns: [{name: id, type: int}]}", "m.yaml:3: create_table: there is a table items already"},
		{"a name that is taken", "\n  - create_table: {name: counter, columns: [{name: id, type: int}]}", "there is the sequence counter in schema public already: choose another name"},
		{"in the place of one that goes", "\n  - drop_table: {name: days}\n  - create_table: {name: days, columns: [{name: id, type: int}]}", "the table days of the old release is there until contract"},
		{"a foreign key to nowhere", "\n  - create_table: {name: t, columns: [{name: id, type: int, references: {name: k, table: selers, column: name}}]}", "foreign key k: there is no table selers in schema public"},
		{"a table with a view", "\n  - drop_table: {name: parts}", "view sum_up depends on table parts: drop it first, in a release before this one"},
		{"a table that is referred to", "\n  - drop_table: {name: sellers}", "table sellers cannot be dropped: items_seller of table items refers to it; drop that constraint, too"},
		{"made and dropped", "\n  - create_table: {name: t, columns: [{name: id, type: int}]}\n  - drop_table: {name: t}", "table t is made by this very change: leave both out"},
		{"renamed to one that is there", "\n  - rename_table: {from: items, to: parts}", "there is a table parts already"},
		{"renamed to a view's name", "\n  - rename_table: {from: items, to: cheap}", "there is the view cheap in schema public already"},
		{"an index of a partitioned table", "\n  - create_index: {name: k, table: days, columns: [{column: day}]}", "table days has partitions: PostgreSQL adds no index to all of them without blocking their writers"},
		{"an index that is there", "\n  - create_index: {name: items_pkey, table: items, columns: [{column: id}]}", "there is the index items_pkey in schema public already"},
		{"an index of no column", "\n  - create_index: {name: k, table: items, columns: [{column: nam}]}", "table items has no column nam (is name meant?)"},
		{"an index of a column that goes", "\n  - create_index: {name: k, table: items, columns: [{column: name}]}\n  - drop_column: {table: items, column: name}", "index k: column items.name is dropped by an operation after it"},
		{"an index of a constraint", "\n  - drop_index: {name: items_uq}", "index items_uq belongs to the constraint items_uq of table items: drop that"},
		{"no index", "\n  - drop_index: {name: items_pk}", "there is no index items_pk in schema public (is items_pkey meant?)"},
		{"a second primary key", "\n  - create_constraint: {type: primary_key, table: items, name: k, columns: [zip], up: {zip: zip}, down: {zip: zip}}", "table items has a primary key already, items_pkey"},
		{"a constraint of a partitioned table", "\n  - create_constraint: {type: unique, table: days, name: k, columns: [day], up: {day: day}, down: {day: day}}", "table days has partitions: PostgreSQL adds no unique constraint to all of them without blocking their writers"},
		{"a foreign key of a partitioned table", "\n  - alter_column: {table: days, column: day, references: {name: k, table: items, column: id}, up: day, down: day}", "table days has partitions: PostgreSQL adds no foreign key to all of them without"},
		{"a constraint that is there", "\n  - create_constraint: {type: unique, table: items, name: items_zip, columns: [zip], up: {zip: zip}, down: {zip: zip}}", "table items has a constraint items_zip already, until contract: choose another name"},
		{"a generated column", "\n  - create_constraint: {type: unique, table: items, name: k, columns: [twice], up: {twice: twice}, down: {twice: twice}}", "column items.twice is generated: drop it, and add another"},
		{"no constraint", "\n  - drop_constraint: {table: items, name: k, up: zip, down: zip}", "table items has no constraint k"},
		{"one of two columns", "\n  - drop_constraint: {table: items, name: items_zip, up: zip, down: zip}", "constraint items_zip covers the columns zip, name: use drop_multicolumn_constraint"},
		{"without all columns", "\n  - drop_multicolumn_constraint: {table: items, name: items_zip, down: {zip: zip}}", "constraint items_zip covers column name, which has no expression in down"},
		{"with more columns", "\n  - drop_multicolumn_constraint: {table: items, name: items_zip, down: {zip: zip, name: name, id: id}}", "constraint items_zip does not cover column id, which has an expression in down"},
		{"a primary key", "\n  - drop_constraint: {table: items, name: items_pkey, up: id, down: id}", "constraint items_pkey is neither unique, nor a check, nor a foreign key"},
		{"a key that is referred to", "\n  - drop_constraint: {table: items, name: items_uq, up: zip, down: zip}", "parts_zip of table parts needs the constraint items_uq: drop that first, in a release before this one"},
		{"renamed from nothing", "\n  - rename_constraint: {table: items, from: k, to: l}", "table items has no constraint k"},
		{"no index for the identity", "\n  - set_replica_identity: {table: items, identity: {type: index, index: k}}", "table items has no index k that is there before this change"},
		{"no routine", "\n  - drop_routine: {name: touched}", "there is no function or procedure touched in schema public (is touch meant?)"},
		{"an aggregate", "\n  - create_routine: {name: longest, sql: \"CREATE FUNCTION longest(a text) RETURNS text LANGUAGE sql AS 'SELECT a'\"}", "longest(text) in schema public is an aggregate: take another name"},
		{"a routine in use", "\n  - drop_routine: {name: touch}", "trigger touched on table items uses touch(), which is one for all versions: take another name, or change it in plain SQL"},
		{"a trigger's function", "\n  - create_routine: {name: touch, sql: \"CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'\"}", "trigger touched on table items uses touch(), which is one for all versions: take another name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.compile(migrationOf(t, "m", c.ops))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestATableThatIsMadeIsChangedAsItIs(t *testing.T) {
	s := newShared(t, items)
	s.begin(migrationOf(t, "0002_make", `
  - create_table: {name: boxes, columns: [{name: id, type: serial, pk: true}, {name: item, type: bigint}, {name: note, type: text, nullable: true}]}
  - create_constraint: {type: unique, table: boxes, name: boxes_uq, columns: [item], up: {item: item}, down: {item: item}}
  - create_constraint: {type: foreign_key, table: boxes, name: boxes_item, columns: [item], references: {table: items, columns: [id]}, up: {item: item}, down: {item: item}}
  - create_index: {name: boxes_note, table: boxes, columns: [{column: note}]}`),
		migrationOf(t, "0003_change", `
  - create_constraint: {type: check, table: boxes, name: boxes_check, check: note <> '', up: {note: note}, down: {note: note}}
  - drop_constraint: {table: boxes, name: boxes_uq, up: item, down: item}
  - rename_column: {table: boxes, from: note, to: text}
  - rename_constraint: {table: boxes, from: boxes_check, to: boxes_text}
  - set_replica_identity: {table: boxes, identity: {type: full}}
  - rename_table: {from: boxes, to: crates}`))
	s.exec(s.new, "INSERT INTO crates (item, text) VALUES (1, 'x'), (1, 'y')")
	s.must(script.Backfill)
	const query = "SELECT id, item, text FROM crates ORDER BY id"
	s.want(s.new, "the new release", query, "1 1 x, 2 1 y")
	s.must(script.Contract)
	s.want(s.new, "the new release, after contract", query, "1 1 x, 2 1 y")
	s.want(s.admin, "the tables", "SELECT conname FROM pg_constraint WHERE conrelid = 'crates'::regclass ORDER BY 1", "boxes_item, boxes_pkey, boxes_text")
}

func TestRoutinesStandInTheBaseSchemaAfterContract(t *testing.T) {
	s := newShared(t, items)
	s.begin(migrationOf(t, "0002_first", `
  - create_routine: {name: label, sql: "CREATE FUNCTION label(i items) RETURNS text LANGUAGE sql AS 'SELECT i.name || i.id'"}
  - create_routine: {name: total, sql: "CREATE FUNCTION total() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(zip) FROM items; END"}`),
		migrationOf(t, "0003_more", `
  - alter_column: {table: items, column: name, type: varchar, up: name, down: name}
  - create_routine: {name: ordered, sql: "CREATE FUNCTION ordered() RETURNS TABLE (a bigint, b varchar, c int) LANGUAGE sql AS 'SELECT * FROM items WHERE id = 1'"}
  - create_routine: {name: gone, sql: "CREATE FUNCTION gone() RETURNS int LANGUAGE sql AS 'SELECT 1'"}
  - create_routine: {name: code, sql: "CREATE FUNCTION code(i bigint) RETURNS int LANGUAGE sql AS 'SELECT zip FROM items WHERE id = i'"}
  - create_routine: {name: code, sql: "CREATE FUNCTION code(i text) RETURNS int LANGUAGE sql AS 'SELECT zip FROM items WHERE name = i'"}`))
	s.must(script.Backfill)
	s.must(script.Contract)
	const all = "SELECT code(1), code('b'), gone(), total(), (SELECT label(items) FROM items WHERE id = 1)"
	s.want(s.admin, "the tables", all, "10 20 1 60 a1")
	s.want(s.new, "the new release", "SELECT ordered()::text", "(1,a,10)")
	s.exec(s.admin, "REVOKE ALL ON FUNCTION code(bigint) FROM PUBLIC")

	s.old = s.new
	s.begin(migrationOf(t, "0004_second", `
  - rename_table: {from: items, to: goods}
  - rename_column: {table: goods, from: zip, to: code}
  - create_routine: {name: code, sql: "CREATE FUNCTION code(i bigint, OUT code int, OUT name text) LANGUAGE sql AS 'SELECT code, name FROM goods WHERE id = i'"}
  - create_routine: {name: total, sql: "CREATE FUNCTION total() RETURNS numeric LANGUAGE sql BEGIN ATOMIC SELECT sum(code) + 0.5 FROM goods; END"}
  - create_routine: {name: label, sql: "CREATE FUNCTION label(i goods) RETURNS text LANGUAGE sql AS 'SELECT i.name'"}
  - drop_routine: {name: gone}`))
	s.want(s.old, "the old release", all, "10 20 1 60 a1")
	const query = "SELECT code, name, total()::text, (SELECT label(goods) FROM goods WHERE id = 1) FROM code(1)"
	s.want(s.new, "the new release", query, "10 a 60.5 a")
	s.want(s.new, "the new release", "SELECT proacl::text FROM pg_proc WHERE oid = 'code'::regproc", "{segue=X/segue}")
	s.must(script.Backfill)
	s.must(script.Contract)
	s.want(s.new, "the new release, after contract", query, "10 a 60.5 a")
	s.want(s.admin, "the tables", query, "10 a 60.5 a")
	s.want(s.admin, "the tables", "SELECT string_agg(oid::regprocedure::text || coalesce(proacl::text, ''), ' ' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
		"code(bigint){segue=X/segue} label(goods) ordered() total()")
}

func TestUndoTellsWhatItWouldDestroy(t *testing.T) {
	s := newShared(t, items+"ALTER TABLE items ADD CONSTRAINT items_zip CHECK (zip > 5)")
	s.begin(migrationOf(t, "0002_change", `
  - create_table: {name: boxes, columns: [{name: id, type: int}]}
  - drop_constraint: {table: items, name: items_zip, up: zip, down: "greatest(zip, 6)"}`),
		migrationOf(t, "0003_sql", `
  - sql: {up: CREATE TABLE crates (id int), down: DROP TABLE IF EXISTS crates}`))
	s.must(script.Backfill)
	lost := func() string {
		var all []string
		for _, l := range s.script.Lost {
			if n := s.rows(s.admin, l.Count); n != "0" {
				all = append(all, n+" "+l.What)
			}
		}
		return strings.Join(all, "; ")
	}
	s.exec(s.old, "UPDATE items SET zip = 11 WHERE id = 1")
	s.exec(s.new, "UPDATE items SET zip = 21 WHERE id = 2")
	if got := lost(); got != "" {
		t.Errorf("what the old release knows, too, is lost: %s", got)
	}
	s.exec(s.new, "UPDATE items SET zip = 1 WHERE id = 2; INSERT INTO boxes VALUES (1), (2); INSERT INTO crates VALUES (1)")
	const want = "2 rows of table boxes, which the old release does not know; 1 rows of crates; 1 values of items.zip that the old release does not know"
	if got := lost(); got != want {
		t.Errorf("lost is %q, want %q", got, want)
	}
}
