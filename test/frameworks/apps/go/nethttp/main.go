// Command nethttp stops as the example of http.Server.Shutdown does:
// https://pkg.go.dev/net/http#Server.Shutdown
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	srv := &http.Server{Addr: paths.Addr(), Handler: paths.Handler()}

	idle := make(chan struct{})
	go func() {
		stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer cancel()
		<-stop.Done()
		if err := srv.Shutdown(context.Background()); err != nil {
			log.Printf("Shutdown: %v", err)
		}
		close(idle)
	}()

	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatalf("ListenAndServe: %v", err)
	}
	<-idle
}
