// Command answering is a service for the tests of a cluster. It answers with its
// pod's name, over HTTP/1.1 and HTTP/2 in the clear, and stops as STOP says:
//
//   - exit: at once, as a program does that knows nothing of signals
//   - refuse: it finishes what it has, and says 503 to what still comes on its
//     connections, as Spring does on Undertow
//   - shutdown: with http.Server.Shutdown at once, as most in Go do
//   - lifecycle: as package lifecycle does
//
// An answer takes DELAY. With BURN each answer costs so much CPU time.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/seguehq/segue/lifecycle"
)

func main() {
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: handler(), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	var err error
	switch how := os.Getenv("STOP"); how {
	case "exit":
		err = server.ListenAndServe()
	case "refuse":
		err = refuse(server)
	case "shutdown":
		err = shutdown(server)
	case "lifecycle":
		err = lifecycle.Run(context.Background(), lifecycle.HTTP(server, lifecycle.WithReadiness("/ready")))
	default:
		err = fmt.Errorf("STOP=%q: exit, refuse, shutdown or lifecycle", how)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func handler() http.Handler {
	delay, burn := duration("DELAY"), duration("BURN")
	name, _ := os.Hostname() // a pod has one
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		for end := time.Now().Add(burn); time.Now().Before(end); {
		}
		w.Header().Set("Segue-Release", os.Getenv("RELEASE"))
		fmt.Fprintln(w, name)
	})
	return mux
}

// duration is zero where the variable is not set.
func duration(name string) time.Duration {
	d, err := time.ParseDuration(os.Getenv(name))
	if err != nil && os.Getenv(name) != "" {
		log.Fatalf("%s: %v", name, err)
	}
	return d
}

// shutdown is what the documentation of net/http has as its example.
func shutdown(server *http.Server) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	over := make(chan error, 1)
	go func() {
		<-ctx.Done()
		over <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-over
}

func refuse(server *http.Server) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var answering sync.RWMutex
	inner := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		answering.RLock()
		defer answering.RUnlock()
		inner.ServeHTTP(w, r)
	})
	l, err := net.Listen("tcp", server.Addr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() }) // and the connections stay
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	answering.Lock()
	return nil
}
