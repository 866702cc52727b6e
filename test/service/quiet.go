package main

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// connections are those that the server has accepted, and since when each is in its
// state. http.Server.Shutdown hangs up on one whose first request it has not read
// yet, and on a machine that stands still that may be one who has sent it.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]state
}

type state struct {
	http.ConnState
	since time.Time
}

func (cs *connections) note(c net.Conn, s http.ConnState) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if s == http.StateClosed || s == http.StateHijacked {
		delete(cs.open, c)
		return
	}
	cs.open[c] = state{s, time.Now()}
}

// quiet returns when all are closed, to which no more may come: those that have no
// request when they have had none for so long. It gives new ones longer, as they were
// opened to ask something.
func (cs *connections) quiet(idle time.Duration) {
	const fresh = 10 * time.Second
	began := time.Now()
	for cs.close(began, idle, max(idle, fresh)) > 0 {
		time.Sleep(5 * time.Millisecond)
	}
}

func (cs *connections) close(began time.Time, idle, fresh time.Duration) (left int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	now := time.Now()
	for c, s := range cs.open {
		since := s.since
		if since.Before(began) {
			since = began
		}
		if s.ConnState == http.StateIdle && now.Sub(since) >= idle || s.ConnState == http.StateNew && now.Sub(since) >= fresh {
			_ = c.Close() // its state will say so
			continue
		}
		left++
	}
	return left
}
