// Command hello is a small service that does what Segue asks of every service:
// it listens on $PORT, tells at /health whether it is ready, and on SIGTERM
// finishes what it has begun. It knows nothing of Segue.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	greeting := os.Getenv("GREETING")
	if greeting == "" {
		greeting = "hello"
	}
	boot, err := time.ParseDuration(os.Getenv("BOOT")) // pretend to load something
	if err != nil {
		boot = 0
	}
	began := time.Now()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if time.Since(began) < boot || os.Getenv("BROKEN") != "" {
			http.Error(w, "still starting", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	every, _ := strconv.ParseInt(os.Getenv("FAIL_EVERY"), 10, 64) // pretend to have a bug; 0 has none
	var requests atomic.Int64
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if every > 0 && requests.Add(1)%every == 0 {
			http.Error(w, "a bug of this release", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%s from release %s\n", greeting, os.Getenv("SEGUE_RELEASE"))
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		// Read first: Go's server closes the request's body when the answer begins.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Print(err)
			return
		}
		_, _ = w.Write(body) // a client that has gone needs nothing
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.FormValue("for"))
		if err != nil {
			d = time.Second
		}
		time.Sleep(d)
		fmt.Fprintf(w, "%s, slowly\n", greeting)
	})

	host := os.Getenv("HOST")
	if host == "" {
		host = "127.0.0.1" // in a pod, HOST is empty no more: nobody would reach it
	}
	server := &http.Server{Addr: net.JoinHostPort(host, os.Getenv("PORT")), Handler: mux}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	over := make(chan error, 1)
	go func() {
		<-ctx.Done()
		over <- server.Shutdown(context.Background())
	}()
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-over; err != nil {
		log.Fatal(err)
	}
	log.Print("finished")
}
