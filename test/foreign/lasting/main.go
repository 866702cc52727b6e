// Command lasting is a service whose exchanges last: a WebSocket echo, events,
// long polls, uploads and downloads. With arguments it is a client of the
// WebSocket, by coder/websocket.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

func main() {
	if len(os.Args) > 2 {
		client(os.Args[1], os.Args[2])
		return
	}
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/ws", echo)
	http.HandleFunc("/events", events)
	http.HandleFunc("/page", page)
	http.HandleFunc("/poll", poll)
	http.HandleFunc("/sum", sum)
	http.HandleFunc("/film", film)
	http.HandleFunc("/clip", film)
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	os.Exit(1)
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, text, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), kind, text)
		}
		if err != nil {
			return
		}
	}
}

// events go on behind the last that the client has seen.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "retry: 50\n\n")
	n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // none: from the first
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n++
		fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", n, n)
		w.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// page tells the address in its query of every event that the browser gets.
func page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, `<!doctype html><title>events</title><script>
let opened = 0, queue = [], busy = false
async function tell() {
  if (busy || !queue.length) return
  busy = true
  const body = queue.join("\n")
  queue = []
  await fetch(%q, {method: "POST", mode: "no-cors", body})
  busy = false
  tell()
}
const source = new EventSource("/events")
source.onopen = () => { opened++ }
source.onmessage = e => { queue.push(opened + " " + e.lastEventId); tell() }
</script>`, r.URL.RawQuery)
}

func poll(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(1200 * time.Millisecond):
		io.WriteString(w, "news")
	case <-r.Context().Done():
	}
}

func sum(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	if _, err := io.Copy(h, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, "%x", h.Sum(nil))
}

const pieces = 40

// film is a second and a half of film.
func film(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(pieces*1000))
	for range pieces {
		fmt.Fprintf(w, "%1000s", "film")
		w.(http.Flusher).Flush()
		select {
		case <-time.After(40 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}
