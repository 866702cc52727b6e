package featureflag_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/doctest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/memory"
)

// There is a new checkout, which nobody sees yet.
func withNewCheckout() store.Store {
	s, off := memory.New(), "off"
	err := featureflag.NewControl(s, "ann@laptop").Set(context.Background(), "new-checkout", featureflag.Definition{
		Variants: map[string]json.RawMessage{"on": []byte("true"), "off": []byte("false")}, DefaultVariant: &off}, "for the autumn")
	if err != nil {
		panic(err)
	}
	return s
}

func Example() {
	s := withNewCheckout() // in a service: s, err := open.Default(ctx)
	ctx, stop := context.WithCancel(context.Background())
	flags := featureflag.New(s)
	go flags.Run(ctx) // in a service: lifecycle.Run(ctx, lifecycle.Go("flags", flags.Run), web)

	err := flags.Ready(ctx)
	fmt.Println(err, flags.Bool("new-checkout", featureflag.For("user-7"), false))
	stop()
	// Output: <nil> false
}

func ExampleControl() {
	ctx, s := context.Background(), withNewCheckout()
	c := featureflag.NewControl(s, "ann@laptop")
	fmt.Println(c.Ramp(ctx, "new-checkout", featureflag.Ramp{Variant: "on", To: 100, Over: 4 * time.Hour}, "carefully"))
	fmt.Println(c.Kill(ctx, "new-checkout", "payments fail"))
	history, err := c.History(ctx, "new-checkout")
	for _, h := range history {
		fmt.Printf("%s: %s (%s)\n", h.By, h.What, h.Why)
	}
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// ann@laptop: made: off of off, on (for the autumn)
	// ann@laptop: ramp of on: 0 % to 100 % over 4h0m0s (carefully)
	// ann@laptop: killed, and its ramp stopped at 0 % (payments fail)
	// <nil>
}

func TestThePageShowsTheExample(t *testing.T) {
	t.Parallel()
	doctest.FirstExample(t, "../docs/flags.md", "example_test.go")
}
