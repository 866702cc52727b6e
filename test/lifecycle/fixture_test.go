package lifecycle_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/lifecycle"
)

// fixture is a service with what clients of all kinds may ask for.
func fixture() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Segue-Release", fmt.Sprint(os.Getpid()))
		fmt.Fprintln(w, "well")
	})
	mux.HandleFunc("/pid", whoAmI)
	mux.HandleFunc("/exe", func(w http.ResponseWriter, _ *http.Request) {
		path, _ := os.Readlink("/proc/self/exe")
		fmt.Fprint(w, path)
	})
	var busy atomic.Int32
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, busy.Load()) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		busy.Add(1)
		defer busy.Add(-1)
		select {
		case <-time.After(time.Second):
			fmt.Fprintln(w, "late, and well")
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/stuck", func(_ http.ResponseWriter, r *http.Request) {
		busy.Add(1)
		defer busy.Add(-1)
		<-r.Context().Done()
	})
	mux.HandleFunc("/stream", stream)
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			fmt.Fprintln(w, n)
		}
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		event(w)
		busy.Add(1)
		defer busy.Add(-1)
		events(w, r)
	})
	mux.HandleFunc("/ws", webSocket)
	return mux
}

func stream(w http.ResponseWriter, _ *http.Request) {
	for i := range 10 {
		fmt.Fprintln(w, i)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(100 * time.Millisecond)
	}
}

func event(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: tick\n\n")
	_ = http.NewResponseController(w).Flush()
}

func events(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			event(w)
		case <-lifecycle.Stopping(r.Context()):
			return
		case <-r.Context().Done():
			return
		}
	}
}

// webSocket answers pings and says goodbye: as much of RFC 6455 as is needed.
func webSocket(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	_ = rw.Flush()
	frames := make(chan byte)
	go readFrames(rw.Reader, frames)
	stopping := lifecycle.Stopping(r.Context())
	for {
		select {
		case op, ok := <-frames:
			if !ok || op == 8 {
				return
			}
			if op == 9 {
				_, _ = conn.Write([]byte{0x8a, 0})
			}
		case <-stopping:
			stopping = nil
			_, _ = conn.Write([]byte{0x88, 2, 1001 >> 8, 1001 & 0xff})
		}
	}
}

// readFrames gives the opcode of each frame of a client; they are short.
func readFrames(r *bufio.Reader, frames chan<- byte) {
	defer close(frames)
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, r, int64(4+head[1]&0x7f)); err != nil {
			return
		}
		frames <- head[0] & 0xf
	}
}
