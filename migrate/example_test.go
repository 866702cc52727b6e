package migrate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing/fstest"

	"github.com/seguehq/segue/migrate"
)

// A deploy in four parts: the old release runs during the first two, both during
// the third, and the last is called when nobody wants the old one back.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	// As a rule: migrate.Load(os.DirFS("migrations")).
	set, err := migrate.Load(fstest.MapFS{
		"0001_users.expand.sql": {Data: []byte("CREATE TABLE users (id integer PRIMARY KEY, mail text);\n-- +goose Down\nDROP TABLE users;")},
	})
	if err != nil {
		log.Fatal(err)
	}
	db, err := migrate.Open(ctx, "sqlite:"+filepath.Join(dir, "shop.db"), migrate.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	for _, phase := range []func() error{
		func() error { return db.Expand(ctx, set, false) },
		func() error { return db.Backfill(ctx) },
		func() error { fmt.Println("the new release takes the place of the old one"); return nil },
		func() error { return db.Contract(ctx) },
	} {
		if err := phase(); err != nil {
			log.Fatal(err)
		}
	}
	status, err := db.Status(ctx, set)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Applied)
	// Output:
	// the new release takes the place of the old one
	// [0001_users]
}
