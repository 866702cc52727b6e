package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/message"
)

// Screens are the browsers that look at this instance, by server-sent events. Each
// is told what all instances are told.
type screens struct {
	mu   sync.Mutex
	open map[chan changed]bool
}

// show shows a change on every screen. One that is so slow that its queue is full is
// left out: it shows less, and holds nobody up.
func (s *screens) show(_ context.Context, m message.Of[changed]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for queue := range s.open {
		select {
		case queue <- m.Value:
		default:
		}
	}
	return nil
}

func (s *screens) add() (queue chan changed, remove func()) {
	queue = make(chan changed, 1000)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[chan changed]bool{}
	}
	s.open[queue] = true
	return queue, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, queue)
	}
}

// ServeHTTP shows changes until the browser leaves, or this instance does: then the
// browser comes back, and finds another one.
func (s *screens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	queue, remove := s.add()
	defer remove()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	err := say(w, "hello", os.Getenv("SEGUE_INSTANCE"))
	for err == nil {
		select {
		case c := <-queue:
			err = say(w, "changed", c)
		case <-lifecycle.Stopping(r.Context()):
			return
		case <-r.Context().Done():
			return
		}
	}
}

// say sends an event. It fails when the browser has gone.
func say(w http.ResponseWriter, event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
