package openfeature_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"sync"

	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/openfeature"
	"github.com/seguehq/segue/store/memory"
)

// A service evaluates its flags through OpenFeature's SDK.
func Example() {
	s := memory.New() // a real one: open.Open(ctx, os.Getenv("SEGUE_STORE"))
	ctx, stop := context.WithCancel(context.Background())
	off := "off"
	err := featureflag.NewControl(s, "ada@laptop").Set(ctx, "new-checkout", featureflag.Definition{
		State:          featureflag.Enabled,
		Variants:       map[string]json.RawMessage{"on": json.RawMessage("true"), "off": json.RawMessage("false")},
		DefaultVariant: &off,
		Targeting:      json.RawMessage(`{"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on"]}`),
	}, "first for ourselves")
	if err != nil {
		log.Fatal(err)
	}

	flags := featureflag.New(s)
	var running sync.WaitGroup
	running.Go(func() { _ = flags.Run(ctx) })
	defer running.Wait()
	defer stop()
	if err := sdk.SetProviderAndWait(openfeature.New(flags)); err != nil {
		log.Fatal(err)
	}
	defer sdk.Shutdown()
	client := sdk.NewClient("shop")
	for _, email := range []string{"ada@example.com", "bob@example.org"} {
		who := sdk.NewEvaluationContext(email, map[string]any{"email": email})
		on, err := client.BooleanValue(ctx, "new-checkout", false, who)
		fmt.Println(email, on, err)
	}
	// Output:
	// ada@example.com true <nil>
	// bob@example.org false <nil>
}
