// Shelf is a service whose environment decides which database it opens: a file
// of lines, named by DATABASE. GET gives how many there are, POST adds its body.
// It is ready when the file is there.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		data, err := os.ReadFile(os.Getenv("DATABASE"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%d lines, %s\n", bytes.Count(data, []byte("\n")), os.Getenv("DATABASE"))
	})
	http.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) { // tells that it is seen
		fmt.Fprintf(w, "<!doctype html><title>shelf</title><img src=%q>", r.URL.RawQuery)
	})
	http.HandleFunc("GET /mode", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getenv("SEGUE_MODE")) })
	http.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		line, err := io.ReadAll(r.Body)
		if err == nil {
			err = add(append(line, '\n'))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	ended := make(chan error)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		log.Fatal(err)
	case <-ctx.Done():
	}
	if err := server.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	<-ended
}

// add never makes the file: it is gone when the database is.
func add(line []byte) error {
	f, err := os.OpenFile(os.Getenv("DATABASE"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(line)
	return err
}
