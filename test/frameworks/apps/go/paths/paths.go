// Package paths has what the servers of this folder answer, as far as they are
// built of net/http's handlers.
package paths

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Handler serves all of them.
func Handler() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", Root)
	mux.HandleFunc("GET /slow", Slow)
	mux.HandleFunc("GET /stream", Stream)
	mux.HandleFunc("POST /upload", Upload)
	mux.HandleFunc("GET /events", Events)
	return mux
}

// Root answers at once.
func Root(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }

// Slow answers after ms milliseconds.
func Slow(w http.ResponseWriter, r *http.Request) {
	time.Sleep(Duration(r.FormValue("ms")))
	fmt.Fprintln(w, "slow")
}

// Stream sends a line each 50 ms, for ms milliseconds.
func Stream(w http.ResponseWriter, r *http.Request) {
	for end := time.Now().Add(Duration(r.FormValue("ms"))); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		fmt.Fprintln(w, "line")
		w.(http.Flusher).Flush()
	}
	fmt.Fprintln(w, "end")
}

// Upload says how many bytes it was sent.
func Upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, n)
}

// Events sends an event each 50 ms until the client has gone.
func Events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for n := 1; r.Context().Err() == nil; n++ {
		fmt.Fprintf(w, "id: %d\ndata: tick\n\n", n)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Duration is ms in milliseconds; 1.5 s if it does not say.
func Duration(ms string) time.Duration {
	n, err := strconv.Atoi(ms)
	if err != nil {
		n = 1500
	}
	return time.Duration(n) * time.Millisecond
}

// Addr is where a server is to listen.
func Addr() string { return "127.0.0.1:" + os.Getenv("PORT") }
