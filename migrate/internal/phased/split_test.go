package phased

import (
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

func TestAFileIsSplitAsItsDatabaseDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kind dialect.Kind
		text string
		want []string
	}{
		{"semicolons", dialect.SQLite, "a;\n b ; ; c", []string{"a", "b", "c"}},
		{"comments are no statements", dialect.Postgres, "-- a;\n/* b; /* c; */ */ ;a; -- end", []string{"a"}},
		{"texts", dialect.Postgres, `a ';' 'it''s;' ";" E'\';' '\';b`, []string{`a ';' 'it''s;' ";" E'\';' '\'`, "b"}},
		{"texts of MariaDB", dialect.MariaDB, "a '\\';' \"\\\";\" `;`;b", []string{"a '\\';' \"\\\";\" `;`", "b"}},
		{"names of SQLite", dialect.SQLite, "a [;] `;`;b", []string{"a [;] `;`", "b"}},
		{"dollars", dialect.Postgres, "a $$;$$ $x$;$$;$x$ $1;b", []string{"a $$;$$ $x$;$$;$x$ $1", "b"}},
		{"a dollar in a name", dialect.Postgres, "a$b; c$;", []string{"a$b", "c$"}},
		{"MariaDB's comments", dialect.MariaDB, "a--1; # b;\nc -- d;\n;/*! e; */;f", []string{"a--1", "c -- d", "/*! e; */", "f"}},
		{"comments of MariaDB do not nest", dialect.MariaDB, "/* /* */ a; b", []string{"a", "b"}},
		{"an atomic body", dialect.Postgres, "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN 1 THEN 2 END; SELECT 2; END; b", []string{
			"CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN 1 THEN 2 END; SELECT 2; END", "b"}},
		{"a transaction is no body", dialect.Postgres, "BEGIN; CREATE TABLE t (); END; b", []string{"BEGIN", "CREATE TABLE t ()", "END", "b"}},
		{"a trigger", dialect.SQLite, "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET \"end\" = 1; SELECT CASE 1 WHEN 1 THEN 2 END; END; b", nil},
		{"a procedure", dialect.MariaDB, `CREATE OR REPLACE DEFINER=x PROCEDURE p() BEGIN
			IF a THEN SET @a = 1; END IF; WHILE a DO BEGIN SET @b = NEW.begin; END; END WHILE;
			CASE a WHEN 1 THEN SET @c = 1; END CASE; END; b`, nil},
		{"a procedure of one statement", dialect.MariaDB, "CREATE PROCEDURE p() SELECT 1; b", []string{"CREATE PROCEDURE p() SELECT 1", "b"}},
		{"a block of goose", dialect.MariaDB, "-- +goose Up\n-- +goose StatementBegin\na; b;\n-- +goose StatementEnd\nc;", []string{"a; b", "c"}},
	} {
		pieces, err := split(c.kind, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, p := range pieces {
			got = append(got, p.body)
		}
		want := c.want
		if want == nil { // the first is all but the last
			whole, _, _ := strings.Cut(c.text, "; b")
			want = []string{whole, "b"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, want)
		}
	}
}

func TestWhatIsOpenedMustBeClosed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a;\n'b":                      "2: what begins here with 'b is not closed",
		"\n\n$$ a":                    "3: what begins here with $$ a is not closed",
		"/* a":                        "1: what begins here with /* a is not closed",
		"-- +goose StatementBegin\na": "1: StatementBegin has no StatementEnd",
		"-- +goose StatementEnd\na":   "1: StatementEnd without StatementBegin",
		"a\n-- +goose Down\nb":        "2: the statement of line 1 is not ended",
		"-- +goose ENVSUB ON\na":      "1: -- +goose ENVSUB ON is not known here",
		"DELIMITER //\na //":          "1: DELIMITER is a command of the client",
	} {
		if _, err := split(dialect.Postgres, text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestAStatementKeepsItsLineItsCommentsAndItsNotes(t *testing.T) {
	t.Parallel()
	pieces, err := split(dialect.Postgres, "-- +goose NO TRANSACTION\n-- +goose Up\n\n-- why\n-- segue: table=users\nUPDATE users;\n\n-- +goose Down\nb;\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(pieces) != 2 {
		t.Fatalf("%+v: want two statements", pieces)
	}
	up, down := pieces[0], pieces[1]
	if up.line != 4 || up.sql != "-- why\n-- segue: table=users\nUPDATE users" || up.body != "UPDATE users" || up.down || !up.alone {
		t.Errorf("up: %+v", up)
	}
	if len(up.notes) != 1 || up.notes[0] != (note{5, "table=users"}) {
		t.Errorf("its notes: %+v", up.notes)
	}
	if down.line != 9 || !down.down || down.notes != nil {
		t.Errorf("down: %+v", down)
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"a;b", "'", "$a$b$a$", "/*/**/", "CREATE TRIGGER BEGIN END;", "-- +goose Down\n;", "E'\\", "[", "\ufeffa"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []dialect.Kind{dialect.Postgres, dialect.MariaDB, dialect.SQLite} {
			pieces, err := split(kind, text)
			if err != nil {
				continue
			}
			for _, p := range pieces {
				if p.body == "" && strings.Trim(text, "; \t\r\n") == "" || !strings.Contains(text, p.body) || !strings.HasSuffix(p.sql, p.body) {
					t.Errorf("%s: %q gave %+v", kind, text, p)
				}
			}
		}
	})
}
