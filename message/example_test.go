package message_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seguehq/segue/internal/doctest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/store/memory"
)

func Example() {
	s := memory.New() // in a service: s, err := open.Default(ctx), of store/open
	bus := message.New(embedded.New(s), s)
	packed := make(chan string)
	bus.One("orders", "packing", func(ctx context.Context, m message.Message) error {
		packed <- string(m.Body)
		return nil // done; after an error it is tried again
	})
	part := bus.Component() // in a service: lifecycle.Run(ctx, bus.Component(), web)
	err := part.Start(context.Background())

	fmt.Println(err, bus.Publish(context.Background(), message.Message{Topic: "orders", Body: []byte("a lamp")}))
	fmt.Println(<-packed, part.Stop(context.Background()))
	// Output:
	// <nil> <nil>
	// a lamp <nil>
}

func TestPage(t *testing.T) { doctest.FirstExample(t, "../docs/message.md", "example_test.go") }
