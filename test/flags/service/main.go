// The Go service of test/flags: it tells what a flag is for a user, by OpenFeature's
// SDK in process, and serves the page.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"log"
	"net/http"
	"os"

	of "github.com/open-feature/go-sdk/openfeature"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/openfeature"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/store/open"
)

//go:embed page.html
var page []byte

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
	flags := featureflag.New(s)
	provider := openfeature.New(flags)
	client := of.NewClient("web")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /flag", func(w http.ResponseWriter, r *http.Request) {
		user := r.FormValue("user")
		d, err := client.BooleanValueDetails(r.Context(), "new-checkout", false, of.NewEvaluationContext(user, nil))
		if err != nil {
			log.Printf("%s: %v", user, err)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"user": user, "on": d.Value, "reason": d.Reason, "error": d.ErrorCode}); err != nil {
			log.Print(err)
		}
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := w.Write(page); err != nil {
			log.Print(err)
		}
	})
	mux.Handle("GET /modules/", http.StripPrefix("/modules/", http.FileServer(http.Dir(os.Getenv("MODULES")))))
	app := lifecycle.App{Components: []lifecycle.Component{
		lifecycle.Func("store", nil, func(context.Context) error { return s.Close() }),
		lifecycle.Go("flags", flags.Run).DependsOn("store"),
		lifecycle.Func("provider", func(ctx context.Context) error {
			return of.SetProviderWithContextAndWait(ctx, provider)
		}, nil).DependsOn("flags"),
		lifecycle.HTTP(&http.Server{Handler: mux}, lifecycle.WithReadiness("/ready")),
	}}
	return app.Run(context.Background())
}
