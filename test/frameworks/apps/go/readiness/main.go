// Command readiness stops in the order that Kubernetes needs of a Pod
// (https://kubernetes.io/docs/tutorials/services/pods-and-endpoint-termination-flow/):
// it says that it is not ready, serves on until everybody has heard, each answer
// with "Connection: close", and only then shuts down, within a limit. What lasts
// is told by RegisterOnShutdown.
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

const (
	heard = 2 * time.Second // until no new request should come; 5 s to 15 s in a cluster
	limit = 10 * time.Second
)

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	lasting, end := context.WithCancel(context.Background())

	var stopping atomic.Bool
	mux := http.NewServeMux()
	mux.Handle("/", paths.Handler())
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if stopping.Load() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		context.AfterFunc(lasting, cancel)
		paths.Events(w, r.WithContext(ctx))
	})
	srv := &http.Server{Addr: paths.Addr(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})}
	srv.RegisterOnShutdown(end)
	go func() {
		if err := srv.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()

	<-stop.Done()
	cancel() // a second signal ends it at once
	stopping.Store(true)
	time.Sleep(heard)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatalf("shutdown: %v", err)
	}
}
