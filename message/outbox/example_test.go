package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/outbox"
)

// shop is a database, and a publisher that prints.
func shop() (*sql.DB, printer) {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "shop.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	return db, make(printer)
}

type printer chan string

// Publish is message.Bus's.
func (p printer) Publish(_ context.Context, messages ...message.Message) error {
	for _, m := range messages {
		p <- m.Topic + ": " + string(m.Body)
	}
	return nil
}

func Example() {
	ctx, order := context.Background(), "7 chairs"
	db, bus := shop() // your database, and a message.New(…)
	box, _ := outbox.New(ctx, db)
	_ = box.Create(ctx)     // its tables, unless a migration has made them
	relay := box.Relay(bus) // a lifecycle.Component: lifecycle.Run(ctx, relay, …)
	_ = relay.Start(ctx)
	tx, _ := db.BeginTx(ctx, nil)
	_, _ = tx.ExecContext(ctx, "CREATE TABLE orders AS SELECT ? AS what", order)
	_ = box.Add(ctx, tx, message.Message{Topic: "orders", Body: []byte(order)})
	_ = tx.Commit() // from here on it will be published, whatever dies
	fmt.Println(<-bus)
	_ = relay.Stop(ctx)
	// Output: orders: 7 chairs
}
