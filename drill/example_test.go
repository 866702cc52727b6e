package drill_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seguehq/segue/drill"
)

// A drill around whatever replaces the service.
func ExampleAround() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Segue-Release", "7")
		io.WriteString(w, "hello")
	}))
	defer service.Close()

	plan := drill.Plan{URL: service.URL, Rate: 100, Expect: drill.Expect{BodyContains: "hello"}}
	result, err := drill.Around(context.Background(), plan, 100*time.Millisecond, 100*time.Millisecond,
		func(ctx context.Context, mark func(string)) error {
			mark("replacing it")
			return nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Lost, "lost; proved:", result.Verdict().Pass)
	// Output: 0 lost; proved: true
}
