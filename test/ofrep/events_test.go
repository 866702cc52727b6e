package ofrep

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/ofrep"
)

// TestEventStream: who is told of a stream hears of changes by it, and need not poll.
func TestEventStream(t *testing.T) {
	var set atomic.Pointer[featureflag.Set]
	set.Store(compiled(t, flags))
	changed, listening := make(chan struct{}), make(chan struct{})
	var once sync.Once
	mux := http.NewServeMux()
	mux.Handle("/.segue/ofrep/", ofrep.Handler(set.Load, ofrep.Events("/.segue/events")))
	mux.HandleFunc("GET /.segue/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tell := func() {
			fmt.Fprint(w, "event: flags\ndata: {\"etag\":\"x\"}\n\nevent: message\ndata: {\"type\":\"refetchEvaluation\"}\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		tell()
		once.Do(func() { close(listening) })
		select {
		case <-changed:
			tell()
		case <-r.Context().Done():
			return
		}
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /change", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-listening:
		case <-r.Context().Done():
			return
		}
		set.Store(compiled(t, strings.Replace(flags, `"SMALL"`, `"TINY"`, 1)))
		close(changed)
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	lines := run(t, "events.mjs", s.URL+"/.segue", s.URL+"/change")
	want(t, lines, "before", "SMALL", "small", "DEFAULT", "")
	want(t, lines, "after", "TINY", "small", "DEFAULT", "")
}
