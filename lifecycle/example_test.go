package lifecycle_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seguehq/segue/lifecycle"
)

func Example() {
	shop := http.NewServeMux()
	shop.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

	db := lifecycle.Func("db", openDB, closeDB)
	web := lifecycle.HTTP(&http.Server{Addr: "127.0.0.1:0", Handler: shop}, lifecycle.WithReadiness("/ready"))

	if err := lifecycle.Run(ctx, db, web); err != nil { // until SIGTERM
		fmt.Println(err)
	}
	// Output:
	// db open
	// db closed
}

// ctx ends the example soon after its start.
var ctx, cancel = context.WithCancel(context.Background())

func openDB(context.Context) error {
	fmt.Println("db open")
	time.AfterFunc(50*time.Millisecond, cancel)
	return nil
}

func closeDB(context.Context) error {
	fmt.Println("db closed")
	return nil
}

// A handler that goes on until it is told ends behind a whole event.
func ExampleStopping() {
	events := make(chan string)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case e := <-events:
				fmt.Fprintf(w, "data: %s\n\n", e)
				_ = http.NewResponseController(w).Flush() // the client has gone: see below
			case <-lifecycle.Stopping(r.Context()):
				return
			case <-r.Context().Done():
				return
			}
		}
	})
	_ = lifecycle.HTTP(&http.Server{Addr: ":8080", Handler: handler})
}
