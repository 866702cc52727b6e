// Command chi stops as chi's example does, by http.Server.Shutdown:
// https://github.com/go-chi/chi/blob/master/_examples/graceful/main.go
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	r := chi.NewRouter()
	r.Use(middleware.RequestID)
	r.Use(middleware.Recoverer)
	r.Get("/", paths.Root)
	r.Get("/slow", paths.Slow)
	r.Get("/stream", paths.Stream)
	r.Post("/upload", paths.Upload)
	r.Get("/events", paths.Events)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	srv := &http.Server{Addr: paths.Addr(), Handler: r}
	go func() {
		if err := srv.ListenAndServe(); err != nil && err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()

	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
