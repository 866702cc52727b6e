package versions

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/script"
)

// A life is what two releases do with a change: one writes, then the other, before
// the backfill and after it; then the change is taken back, made again, and contracted.
type life struct {
	name  string
	setup string
	ops   string

	// Statements, a line each: who writes is the first word, old or new. Early ones
	// are run before the backfill.
	early, late string

	// What either finds when all that is done: a query, an arrow and the rows.
	old, new string
	// What the old release finds when the change has been taken back; empty: as before that.
	undone string
	// What the new one finds when the change has been made again, and after contract;
	// empty: as before. A line that begins with base is asked of the tables themselves.
	again, contracted string
}

const items = `CREATE TABLE items (id bigint PRIMARY KEY, name text, zip int);
	INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20), (3, NULL, 30);`

const allItems = "SELECT id, name, zip FROM items ORDER BY id → "

func lives() []life {
	return []life{
		{
			name:  "create a table",
			setup: items,
			ops: `
  - create_table:
      name: orders
      comment: what was ordered
      columns:
        - {name: id, type: bigint, generated: {identity: {user_specified_values: BY DEFAULT}}, pk: true}
        - {name: item, type: bigint, references: {name: orders_item, table: items, column: id, on_delete: CASCADE}}
        - {name: note, type: text, nullable: true, default: "'none'", unique: true, comment: what else}
        - {name: twice, type: bigint, generated: {expression: item * 2}}
      constraints:
        - {name: orders_positive, type: check, check: item > 0}
        - {name: orders_apart, type: exclude, exclude: {index_method: btree, elements: id WITH =}}
        - {name: orders_pair, type: unique, columns: [id, item], index_parameters: {include_columns: [note]}}
        - {name: orders_self, type: foreign_key, columns: [note], references: {table: orders, columns: [note]}}`,
			early: `
new INSERT INTO orders (item) VALUES (1)
old DELETE FROM items WHERE id = 2`,
			late: `
new INSERT INTO orders (item, note) VALUES (3, 'x')
new DELETE FROM items WHERE id = 1`,
			old:    allItems + "3 <nil> 30",
			new:    allItems + "3 <nil> 30\nSELECT id, item, note, twice FROM orders → 2 3 x 6",
			undone: allItems + "3 <nil> 30\nSELECT to_regclass('public.orders') IS NULL → true",
			again:  "SELECT count(*) FROM orders → 0",
		},
		{
			name:  "drop a table",
			setup: items + "CREATE TABLE notes (item bigint REFERENCES items, note text); INSERT INTO notes VALUES (1, 'x'); CREATE TABLE more (id bigint PRIMARY KEY, other bigint REFERENCES items)",
			ops:   "\n  - drop_table: {name: notes}\n  - drop_table: {name: more}",
			early: "\nold INSERT INTO notes VALUES (2, 'y')\nnew INSERT INTO items VALUES (4, 'd', 40)",
			late:  "\nold INSERT INTO notes VALUES (4, 'z')\nold INSERT INTO more VALUES (1, 4)",
			old:   "SELECT item, note FROM notes ORDER BY item → 1 x, 2 y, 4 z\n" + allItems + "1 a 10, 2 b 20, 3 <nil> 30, 4 d 40",
			new:   "SELECT to_regclass(current_schema() || '.notes') IS NULL → true\n" + allItems + "1 a 10, 2 b 20, 3 <nil> 30, 4 d 40",
			contracted: "SELECT to_regclass('notes') IS NULL, to_regclass('more') IS NULL → true true\n" +
				allItems + "1 a 10, 2 b 20, 3 <nil> 30, 4 d 40",
		},
		{
			name:  "rename a table",
			setup: items,
			ops:   "\n  - rename_table: {from: items, to: goods}\n  - rename_table: {from: goods, to: wares}",
			early: "\nold INSERT INTO items VALUES (4, 'd', 40)\nnew UPDATE wares SET zip = 21 WHERE id = 2",
			late:  "\nold UPDATE items SET name = 'c' WHERE id = 3\nnew INSERT INTO wares VALUES (5, 'e', 50) ON CONFLICT (id) DO NOTHING",
			old:   allItems + "1 a 10, 2 b 21, 3 c 30, 4 d 40, 5 e 50",
			new:   "SELECT id, name, zip FROM wares ORDER BY id → 1 a 10, 2 b 21, 3 c 30, 4 d 40, 5 e 50",
			contracted: "SELECT count(*) FROM wares → 5\nbase SELECT id, name, zip FROM wares ORDER BY id → 1 a 10, 2 b 21, 3 c 30, 4 d 40, 5 e 50\n" +
				"SELECT to_regclass('public.items') IS NULL → true",
		},
		{
			name:  "rename a table that is changed, too",
			setup: items,
			ops: `
  - alter_column: {table: items, column: zip, type: text, up: "zip::text", down: "zip::int"}
  - rename_table: {from: items, to: goods}
  - create_index: {name: goods_zip, table: goods, columns: [{column: zip}]}
  - alter_column: {table: goods, column: name, nullable: false, up: "coalesce(name, 'none')", down: "name"}`,
			early: "\nold INSERT INTO items VALUES (4, NULL, 40)\nnew UPDATE goods SET zip = '21' WHERE id = 2",
			late:  "\nold UPDATE items SET zip = 31 WHERE id = 3\nnew INSERT INTO goods VALUES (5, 'e', '50')",
			old:   allItems + "1 a 10, 2 b 21, 3 <nil> 31, 4 <nil> 40, 5 e 50",
			new:   "SELECT id, name, zip || '!' FROM goods ORDER BY id → 1 a 10!, 2 b 21!, 3 none 31!, 4 none 40!, 5 e 50!",
			contracted: "SELECT id, name, zip || '!' FROM goods ORDER BY id → 1 a 10!, 2 b 21!, 3 none 31!, 4 none 40!, 5 e 50!\n" +
				"base SELECT indexdef FROM pg_indexes WHERE indexname = 'goods_zip' → CREATE INDEX goods_zip ON public.goods USING btree (zip)",
		},
		{
			name:  "create indexes",
			setup: items,
			ops: `
  - create_index: {name: items_name, table: items, columns: [{column: name, sort: DESC, nulls: LAST, collate: C, opclass: {name: text_pattern_ops}}], predicate: zip > 10, storage_parameters: fillfactor = 70}
  - create_index: {name: items_zip, table: items, columns: {zip: {}}, unique: true}
  - create_index: {name: items_hash, table: items, columns: [{column: id}], method: hash}
  - rename_column: {table: items, from: zip, to: code}`,
			early: "\nold INSERT INTO items VALUES (4, 'd', 40)",
			late:  "\nnew INSERT INTO items (id, name, code) VALUES (5, 'e', 50) ON CONFLICT (code) DO NOTHING\nnew INSERT INTO items (id, name, code) VALUES (6, 'e', 50) ON CONFLICT (code) DO NOTHING",
			old:   allItems + "1 a 10, 2 b 20, 3 <nil> 30, 4 d 40, 5 e 50",
			new:   "SELECT count(*) FROM items WHERE code = 50 → 1",
			contracted: "base SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'items_%' ORDER BY 1 → " + strings.Join([]string{
				`CREATE INDEX items_hash ON public.items USING hash (id)`,
				`CREATE INDEX items_name ON public.items USING btree (name COLLATE "C" text_pattern_ops DESC NULLS LAST) WITH (fillfactor='70') WHERE (code > 10)`,
				`CREATE UNIQUE INDEX items_pkey ON public.items USING btree (id)`,
				`CREATE UNIQUE INDEX items_zip ON public.items USING btree (code)`,
			}, ", "),
		},
		{
			name:       "drop an index",
			setup:      items + "CREATE INDEX items_name ON items (name)",
			ops:        "\n  - drop_index: {name: items_name}",
			late:       "\nnew INSERT INTO items VALUES (4, 'd', 40)",
			old:        "SELECT count(*) FROM pg_indexes WHERE indexname = 'items_name' → 1",
			new:        "SELECT count(*) FROM items → 4",
			contracted: "SELECT count(*) FROM pg_indexes WHERE indexname = 'items_name' → 0",
		},
		{
			name:  "a unique constraint of two columns",
			setup: "CREATE TABLE items (id bigint PRIMARY KEY, name text, zip int); INSERT INTO items VALUES (1, 'a', 10), (2, 'a', 10), (3, 'b', 10)",
			ops: `
  - create_constraint:
      {type: unique, table: items, name: items_uq, columns: [name, zip],
       up: {name: "name || '-' || id", zip: zip}, down: {name: "split_part(name, '-', 1)", zip: zip}}`,
			early: "\nold INSERT INTO items VALUES (4, 'b', 10)\nnew INSERT INTO items VALUES (5, 'b-5', 11)",
			late: "\nold INSERT INTO items VALUES (6, 'b', 10)\nold UPDATE items SET zip = 12 WHERE id = 1\n" +
				"new INSERT INTO items VALUES (7, 'b-6', 10) ON CONFLICT (name, zip) DO UPDATE SET zip = 99",
			old: allItems + "1 a 12, 2 a 10, 3 b 10, 4 b 10, 5 b 11, 6 b 99",
			new: allItems + "1 a-1 12, 2 a-2 10, 3 b-3 10, 4 b-4 10, 5 b-5 11, 6 b-6 99",
			contracted: allItems + "1 a-1 12, 2 a-2 10, 3 b-3 10, 4 b-4 10, 5 b-5 11, 6 b-6 99\n" +
				"base SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'items_uq' → UNIQUE (name, zip)",
		},
		{
			name:  "a check of two columns",
			setup: items,
			ops: `
  - create_constraint:
      {type: check, table: items, name: items_check, columns: [name, zip], check: "name IS NOT NULL AND (name <> 'zip' OR zip > 15)",
       up: {name: "coalesce(name, 'none')", zip: "SELECT greatest(zip, 16)"}, down: {name: "nullif(name, 'none')", zip: zip}}`,
			early:      "\nold INSERT INTO items VALUES (4, NULL, 1)\nnew UPDATE items SET name = 'zip' WHERE id = 2",
			late:       "\nold INSERT INTO items VALUES (5, 'zip', 2)\nnew INSERT INTO items VALUES (6, 'none', 17)",
			old:        allItems + "1 a 10, 2 zip 20, 3 <nil> 30, 4 <nil> 1, 5 zip 2, 6 <nil> 17",
			new:        allItems + "1 a 16, 2 zip 20, 3 none 30, 4 none 16, 5 zip 16, 6 none 17",
			contracted: allItems + "1 a 16, 2 zip 20, 3 none 30, 4 none 16, 5 zip 16, 6 none 17\nbase SELECT convalidated FROM pg_constraint WHERE conname = 'items_check' → true",
		},
		{
			name: "a foreign key of two columns",
			setup: items + `CREATE TABLE sellers (name text, zip int, PRIMARY KEY (name, zip));
				INSERT INTO sellers VALUES ('a', 10), ('b', 20), ('x', 0)`,
			ops: `
  - create_constraint:
      {type: foreign_key, table: items, name: items_seller, columns: [name, zip], references: {table: sellers, columns: [name, zip], on_delete: CASCADE},
       up: {name: "SELECT CASE WHEN EXISTS (SELECT 1 FROM sellers s WHERE s.name = items.name AND s.zip = items.zip) THEN name ELSE 'x' END",
            zip: "SELECT CASE WHEN EXISTS (SELECT 1 FROM sellers s WHERE s.name = items.name AND s.zip = items.zip) THEN zip ELSE 0 END"},
       down: {name: name, zip: zip}}`,
			early:      "\nold INSERT INTO items VALUES (4, 'nobody', 1)\nnew INSERT INTO items VALUES (5, 'b', 20)",
			late:       "\nold UPDATE items SET zip = 11 WHERE id = 1\nnew UPDATE items SET name = 'a', zip = 10 WHERE id = 5",
			old:        allItems + "1 a 11, 2 b 20, 3 <nil> 30, 4 nobody 1, 5 a 10",
			new:        allItems + "1 x 0, 2 b 20, 3 x 0, 4 x 0, 5 a 10",
			contracted: "base SELECT convalidated FROM pg_constraint WHERE conname = 'items_seller' → true\nSELECT count(*) FROM items WHERE name = 'x' → 3",
		},
		{
			name:  "a primary key",
			setup: "CREATE TABLE items (id bigint, name text, zip int); INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20), (NULL, 'c', 30)",
			ops: `
  - create_constraint: {type: primary_key, table: items, name: items_pk, columns: [id], up: {id: "coalesce(id, zip)"}, down: {id: id}}`,
			early:      "\nold INSERT INTO items VALUES (NULL, 'd', 40)\nnew INSERT INTO items VALUES (5, 'e', 50)",
			late:       "\nold UPDATE items SET name = 'f' WHERE zip = 30\nnew INSERT INTO items VALUES (5, 'e', 50) ON CONFLICT (id) DO UPDATE SET zip = 51",
			old:        "SELECT id, name, zip FROM items ORDER BY zip → 1 a 10, 2 b 20, <nil> f 30, <nil> d 40, 5 e 51",
			new:        allItems + "1 a 10, 2 b 20, 5 e 51, 30 f 30, 40 d 40",
			contracted: "base SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = 'items'::regclass → PRIMARY KEY (id)\n" + allItems + "1 a 10, 2 b 20, 5 e 51, 30 f 30, 40 d 40",
		},
		{
			name: "drop constraints",
			setup: `CREATE TABLE sellers (name text PRIMARY KEY); INSERT INTO sellers VALUES ('a'), ('b');
				CREATE TABLE items (id bigint PRIMARY KEY, name text CONSTRAINT items_name REFERENCES sellers, zip int, CONSTRAINT items_zip CHECK (zip > 5 OR id > 100), CONSTRAINT items_uq UNIQUE (zip));
				INSERT INTO items VALUES (1, 'a', 10), (2, 'b', 20)`,
			ops: `
  - drop_constraint: {table: items, name: items_name, up: name, down: "SELECT CASE WHEN EXISTS (SELECT 1 FROM sellers s WHERE s.name = items.name) THEN name END"}
  - drop_constraint: {table: items, name: items_uq, up: zip, down: "zip * 100 + id"}`,
			early: "\nold INSERT INTO items VALUES (3, 'b', 30)\nnew INSERT INTO items VALUES (4, 'nobody', 10)",
			late:  "\nold UPDATE items SET zip = 31 WHERE id = 3\nnew UPDATE items SET name = 'other', zip = 10 WHERE id = 2",
			old:   allItems + "1 a 10, 2 <nil> 1002, 3 b 31, 4 <nil> 1004",
			new:   allItems + "1 a 10, 2 other 10, 3 b 31, 4 nobody 10",
			// The old release's are what is left of them.
			again: allItems + "1 a 10, 2 <nil> 1002, 3 b 31, 4 <nil> 1004",
			contracted: allItems + "1 a 10, 2 <nil> 1002, 3 b 31, 4 <nil> 1004\n" +
				"base SELECT conname FROM pg_constraint WHERE conrelid = 'items'::regclass ORDER BY 1 → items_pkey, items_zip",
		},
		{
			name: "drop a constraint of two columns",
			setup: `CREATE TABLE items (id bigint PRIMARY KEY, name text, zip int, CONSTRAINT items_zip CHECK (zip > 5 OR name = 'low'));
				INSERT INTO items VALUES (1, 'a', 10), (2, 'low', 2)`,
			ops: `
  - drop_multicolumn_constraint: {table: items, name: items_zip, down: {name: name, zip: "CASE WHEN name = 'low' THEN zip ELSE greatest(zip, 6) END"}}`,
			early:      "\nold INSERT INTO items VALUES (3, 'b', 30)\nnew INSERT INTO items VALUES (4, 'c', 1)",
			late:       "\nnew UPDATE items SET name = 'd' WHERE id = 2",
			old:        allItems + "1 a 10, 2 d 6, 3 b 30, 4 c 6",
			new:        allItems + "1 a 10, 2 d 2, 3 b 30, 4 c 1",
			again:      allItems + "1 a 10, 2 d 6, 3 b 30, 4 c 6",
			contracted: "base SELECT count(*) FROM pg_constraint WHERE conname = 'items_zip' → 0",
		},
		{
			name:  "rename a constraint",
			setup: items + "ALTER TABLE items ADD CONSTRAINT items_zip CHECK (zip > 5)",
			ops: `
  - rename_constraint: {table: items, from: items_zip, to: items_code}
  - alter_column: {table: items, column: zip, type: bigint, up: zip, down: zip}`,
			early: "\nold INSERT INTO items VALUES (4, 'd', 40)",
			old:   "SELECT count(*) FROM pg_constraint WHERE conname = 'items_zip' → 1",
			new:   "SELECT count(*) FROM items → 4",
			contracted: "base SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'items'::regclass AND contype = 'c' → " +
				"items_code CHECK ((zip > 5))",
		},
		{
			name:       "the replica identity",
			setup:      items + "CREATE UNIQUE INDEX items_zip ON items (zip); ALTER TABLE items ALTER zip SET NOT NULL",
			ops:        "\n  - set_replica_identity: {table: items, identity: {type: index, index: items_zip}}",
			old:        "SELECT relreplident FROM pg_class WHERE oid = 'public.items'::regclass → i",
			new:        allItems + "1 a 10, 2 b 20, 3 <nil> 30",
			undone:     "SELECT relreplident FROM pg_class WHERE oid = 'public.items'::regclass → d",
			contracted: "SELECT relreplident FROM pg_class WHERE oid = 'public.items'::regclass → i",
		},
		{
			name:  "plain SQL",
			setup: items,
			ops: `
  - sql: {up: "CREATE TYPE size AS ENUM ('s', 'l'); CREATE TABLE boxes (size size); ALTER TABLE items ADD COLUMN weight int DEFAULT 7",
      down: "DROP TABLE IF EXISTS boxes; DROP TYPE IF EXISTS size; ALTER TABLE items DROP COLUMN IF EXISTS weight"}`,
			early:  "\nnew INSERT INTO boxes VALUES ('s')\nnew UPDATE items SET weight = 8 WHERE id = 1",
			late:   "\nold INSERT INTO items VALUES (4, 'd', 40)",
			old:    allItems + "1 a 10, 2 b 20, 3 <nil> 30, 4 d 40",
			new:    "SELECT id, weight FROM items ORDER BY id → 1 8, 2 7, 3 7, 4 7\nSELECT size FROM boxes → s",
			undone: "SELECT to_regclass('boxes') IS NULL → true",
			again:  "SELECT id, weight FROM items ORDER BY id → 1 7, 2 7, 3 7, 4 7",
		},
		{
			name:  "plain SQL at contract",
			setup: items,
			ops: `
  - rename_column: {table: items, from: zip, to: code}
  - rename_table: {from: items, to: goods}
  - sql: {up: "CREATE TABLE late (id int); ALTER TABLE items ADD COLUMN weight int DEFAULT 7", onComplete: true}`,
			late:       "\nold INSERT INTO items VALUES (4, 'd', 40)",
			old:        allItems + "1 a 10, 2 b 20, 3 <nil> 30, 4 d 40",
			new:        "SELECT sum(code) FROM goods → 100",
			contracted: "SELECT name, code, weight FROM goods WHERE id = 4 → d 40 7\nSELECT to_regclass(current_schema() || '.late') IS NULL → false",
		},
		{
			name: "a routine with another signature",
			setup: items + `
				CREATE FUNCTION price(i bigint) RETURNS int LANGUAGE sql AS 'SELECT zip FROM items WHERE id = i';
				CREATE PROCEDURE bump(i bigint) LANGUAGE sql AS 'UPDATE items SET zip = zip + 1 WHERE id = i';
				REVOKE ALL ON FUNCTION price FROM PUBLIC`,
			ops: `
  - rename_column: {table: items, from: zip, to: code}
  - create_routine:
      name: price
      sql: |
        -- with tax
        CREATE FUNCTION price(i bigint, tax int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$ SELECT code + tax FROM items WHERE id = i $$; -- done
  - create_routine: {name: bump, sql: "CREATE OR REPLACE PROCEDURE bump(i bigint, n int) LANGUAGE sql AS 'UPDATE items SET code = code + n WHERE id = i'"}`,
			early: "\nold CALL bump(1)\nnew CALL bump(1, 100)",
			late:  "\nold CALL bump(2)\nnew CALL bump(2, 100)",
			old:   "SELECT price(1), price(2) → 111 121",
			new:   "SELECT price(1), price(1, 2), price(2) → 112 113 122\nSELECT proacl::text FROM pg_proc WHERE oid = 'price'::regproc → {segue=X/segue}",
			again: "SELECT price(1), price(1, 2), price(2) → 112 113 122",
			contracted: "SELECT price(1), price(1, 2), price(2) → 112 113 122\n" +
				"base SELECT oid::regprocedure, proacl::text FROM pg_proc WHERE proname IN ('price', 'bump') AND pronamespace = 'public'::regnamespace ORDER BY 1 → " +
				"price(bigint,integer) {segue=X/segue}, bump(bigint,integer) <nil>",
		},
	}
}

func TestBothReleasesLiveWithAnOperation(t *testing.T) {
	for _, l := range lives() {
		t.Run(l.name, func(t *testing.T) { l.live(t) })
	}
}

func (l life) live(t *testing.T) {
	s := newShared(t, l.setup)
	was := s.structure()
	s.begin(migrationOf(t, "0002_change", l.ops))
	s.write(l.early)
	s.must(script.Backfill)
	s.write(l.late)
	s.look(s.old, "the old release", l.old)
	s.look(s.new, "the new release", l.new)
	s.must(script.Undo)
	if l.undone == "" {
		l.undone = l.old
	}
	s.look(s.old, "the old release, after undo", l.undone)
	if is := s.structure(); is != was {
		t.Errorf("undo leaves\n%s\nwhere there was\n%s", strings.ReplaceAll(is, ", ", "\n"), strings.ReplaceAll(was, ", ", "\n"))
	}
	s.must(script.Undo) // which may be run again
	s.begin(migrationOf(t, "0002_change", l.ops))
	s.must(script.Backfill)
	if l.again == "" {
		l.again = l.new
	}
	s.look(s.new, "the new release, again", l.again)
	s.must(script.Contract)
	if l.contracted == "" {
		l.contracted = l.again
	}
	s.look(s.new, "the new release, after contract", l.contracted)
	if is := s.structure(); strings.Contains(is, "_segue") {
		t.Errorf("contract leaves\n%s", strings.ReplaceAll(is, ", ", "\n"))
	}
}

// write runs statements, each by who is named first.
func (s *shared) write(lines string) {
	s.t.Helper()
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		who, query, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.exec(map[string]*sql.DB{"old": s.old, "new": s.new}[who], query)
	}
}

// look compares what queries find with what they are to find.
func (s *shared) look(db *sql.DB, who, lines string) {
	s.t.Helper()
	for line := range strings.Lines(lines) {
		query, want, _ := strings.Cut(strings.TrimSpace(line), " → ")
		if rest, base := strings.CutPrefix(query, "base "); base {
			s.want(s.admin, who+", in the tables", rest, want)
			continue
		}
		s.want(db, who, query, want)
	}
}
