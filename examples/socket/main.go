// Command socket is a service without a proxy in front of it (via: socket). It
// accepts on a socket that it inherits, as from systemd, so old and new releases
// accept side by side. That no request is lost while one takes the other's place
// is then its own work: see serve.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const greeting = "hello"

// linger is how long idle connections are kept when the service is to end: a
// client may have a request on its way that it believes will be answered. It is
// longer than the time for which our clients leave a connection idle.
const linger = 2 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f := os.NewFile(3, "inherited socket") // the first of LISTEN_FDS, see sd_listen_fds(3)
	l, err := net.FileListener(f)
	if err != nil {
		log.Fatal(err)
	}
	f.Close() // l is a copy
	if err := serve(ctx, l); err != nil {
		log.Fatal(err)
	}
}

// serve answers until ctx ends, and then ends in an order that loses nothing:
// others accept; clients are asked to close; idle connections get their time;
// what is in flight is finished.
func serve(ctx context.Context, l net.Listener) error {
	var leaving atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s from release %s, with nothing between\n", greeting, os.Getenv("SEGUE_RELEASE"))
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		_, _ = w.Write(body) // a client that has gone needs nothing
	})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Segue-Release", os.Getenv("SEGUE_RELEASE")) // by which `segue drill` tells releases apart
		if leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	ready()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	leaving.Store(true)
	l.Close() // our copy: what waits in the queue is the others'
	time.Sleep(linger)
	return server.Shutdown(context.Background())
}

// ready tells Segue that requests may come (sd_notify(3)).
func ready() {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("READY=1")); err != nil {
		log.Print(err)
	}
}
