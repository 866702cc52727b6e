package sql_test

import (
	"context"
	stdsql "database/sql"
	"fmt"
	"log"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/sql"
	"github.com/seguehq/segue/store/memory"
)

// openDatabase is a database with ShedLock's table.
func openDatabase() *stdsql.DB {
	db, err := stdsql.Open("sqlite", "file:example?mode=memory&cache=shared&_pragma=busy_timeout(20000)")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec(sql.Schema(sql.SQLite)); err != nil {
		log.Fatal(err)
	}
	return db
}

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	guard := sql.New(openDatabase(), sql.SQLite) // in a service: your *sql.DB, and sql.Postgres
	jobs := job.New(memory.New())                // s, err := open.Default(ctx); job.New(s)

	jobs.Add("sync-orders", job.Every(time.Second), func(ctx context.Context) error {
		// Neither another instance nor a service in Java comes here meanwhile.
		_, ok, _, err := guard.Lock(ctx, "sync-orders", time.Minute)
		fmt.Println("another is refused:", !ok && err == nil)
		stop()
		return nil
	}, job.WithGuard(guard), job.AtLeastFor(500*time.Millisecond))

	fmt.Println(jobs.Run(ctx))
	// Output:
	// another is refused: true
	// <nil>
}
