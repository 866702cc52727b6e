// Visits keeps nothing in its memory: its sessions, its cache and its lock are in
// a store that all its copies share, so that it can be replaced while it runs. By
// `segue deploy`, or all by itself: send it SIGUSR2.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/lock"
	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store/open"
)

const greeting = "hello"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	st, err := open.Default(context.Background()) // a SQLite file, or what SEGUE_STORE says
	if err != nil {
		return err
	}
	sessions, locks := session.New(st), lock.New(st)
	sessions.Cookie.Secure = false // the example speaks plain HTTP
	weather, err := cache.New(st, "weather", look, cache.Options{TTL: time.Minute})
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		n := sessions.GetInt(r.Context(), "visits") + 1
		sessions.Put(r.Context(), "visits", n)
		sky, err := weather.Get(r.Context(), "sky")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "%s from process %d: visit %d, the sky is %s\n", greeting, os.Getpid(), n, sky)
	})
	mux.HandleFunc("POST /report", func(w http.ResponseWriter, r *http.Request) {
		err := locks.TryDo(r.Context(), "report", writeReport)
		if errors.Is(err, lock.ErrHeld) {
			http.Error(w, err.Error(), http.StatusConflict) // who writes it, and since when
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})

	return lifecycle.Run(context.Background(),
		lifecycle.Func("store", nil, func(context.Context) error { return errors.Join(weather.Close(), st.Close()) }),
		lifecycle.HTTP(&http.Server{Handler: sessions.LoadAndSave(mux)}, lifecycle.WithReadiness("/ready")),
	)
}

// look stands for a question that takes long: one copy of the service asks it,
// and all have the answer.
func look(context.Context, string) (string, error) {
	time.Sleep(200 * time.Millisecond)
	return "blue", nil
}

// writeReport stands for work that must not be done twice at the same time.
func writeReport(ctx context.Context) error {
	select {
	case <-time.After(2 * time.Second):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
