package open_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/doctest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/open"
)

func Example() {
	ctx := context.Background()
	s, err := open.Store(ctx, "memory:") // in a service: open.Default(ctx)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	read, _ := s.Put(ctx, store.Write{Key: "cart/7", Value: []byte("tea"), TTL: time.Hour})
	_, err = s.Put(ctx, store.Write{Key: "cart/7", Value: []byte("tea, milk"), Expect: read})
	fmt.Println("replaced:", err)
	_, err = s.Put(ctx, store.Write{Key: "cart/7", Value: []byte("coffee"), Expect: read})
	fmt.Println(err)
	e, err := s.Get(ctx, "cart/7")
	fmt.Printf("%s %v\n", e.Value, err)
	// Output:
	// replaced: <nil>
	// store: another has written meanwhile
	// tea, milk <nil>
}

func TestThePageShowsTheExample(t *testing.T) {
	t.Parallel()
	doctest.FirstExample(t, "../../docs/store.md", "example_test.go")
}
