// The service of test/messages: it writes what it does into a ledger, which
// outlives it.
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/store/open"
)

func main() {
	if err := run(); err != nil {
		log.Fatalf("%d: %v", os.Getpid(), err)
	}
}

func run() error {
	s, err := open.Default(context.Background())
	if err != nil {
		return err
	}
	file, err := os.OpenFile(os.Getenv("LEDGER"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	write := func(what, id string) error {
		_, err := fmt.Fprintln(file, what, id, os.Getpid(), time.Now().UnixNano())
		return err
	}
	var once []message.Option
	if os.Getenv("ONCE") != "" {
		once = append(once, message.Once(time.Hour))
	}
	broker := embedded.New(s, embedded.Lease(3*time.Second))
	bus := message.New(broker, s)
	bus.One("orders", "packing", func(_ context.Context, m message.Message) error {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // work
		return write("one", m.ID)
	}, once...)
	bus.All("prices", func(_ context.Context, m message.Message) error { return write("all", m.ID) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	app := lifecycle.App{Components: []lifecycle.Component{
		lifecycle.Func("store", nil, func(context.Context) error { _ = broker.Close(); return s.Close() }),
		bus.Component().DependsOn("store"),
		lifecycle.Func("ledger", func(context.Context) error { return write("up", "-") }, func(context.Context) error { return write("down", "-") }).DependsOn("messages"),
		lifecycle.HTTP(&http.Server{Handler: mux}, lifecycle.WithReadiness("/ready")),
	}}
	return app.Run(context.Background())
}
