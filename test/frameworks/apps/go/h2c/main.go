// Command h2c speaks HTTP/2 in plaintext, beside HTTP/1.1, and stops by Shutdown:
// https://pkg.go.dev/net/http#example-Server-HTTP2-H2C
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
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	srv := &http.Server{Addr: paths.Addr(), Handler: paths.Handler(), Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)

	done := make(chan error, 1)
	go func() {
		<-stop.Done()
		done <- srv.Shutdown(context.Background())
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}
