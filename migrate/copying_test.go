package migrate_test

import (
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/migrate"
	"github.com/seguehq/segue/migrate/internal/dialect"
)

func TestMariaDBIsNotLetCopyATableUnasked(t *testing.T) {
	t.Parallel()
	url := servertest.MariaDBURL(t)
	d, err := dialect.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	users(t, d, 3)
	// The gate takes it for well, for the shape is; it is the table that is not
	// fit for it.
	run(t, d, "ALTER TABLE users ENGINE=Aria")
	const down = ";\n-- +goose Down\nSELECT 1"
	for text, copies := range map[string]bool{
		"CREATE INDEX i ON users (name)":                                                                                 true,
		"ALTER TABLE users ADD UNIQUE KEY one_name (name)":                                                               true, // the gate only warns of it
		"ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT 3 AFTER id":                                                 true,
		"-- segue: unsafe alter-copies it has three rows\nCREATE INDEX j ON users (name) ALGORITHM=COPY":                 false,
		"-- segue: unsafe change-type it has three rows\nALTER TABLE users MODIFY name varchar(99) CHARACTER SET latin1": false,
		"CREATE TABLE made (a int) ENGINE=Aria;\nCREATE INDEX i ON made (a)":                                             false,
	} {
		db := open(t, url, migrate.Options{})
		err := db.Expand(t.Context(), files(t, map[string]string{"1_a.expand.sql": text + down}), false)
		if copies != (err != nil && strings.Contains(err.Error(), "only by copying the table")) || !copies && err != nil {
			t.Errorf("%s: %v, want a refusal: %t", text, err, copies)
		}
		if err == nil {
			if err := db.Rollback(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
	}
}
