package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Serve answers an agent's callers on l until ctx ends, and returns when
// everybody has been answered whose connection was accepted by then. Calls that
// still go on after the time of most are called off; l is closed. It returns an error
// only when it can no longer accept.
//
// http.Server.Shutdown would not do: it hangs up on a caller whose request it
// reads only then, and that caller cannot know whether anything was done. A
// connection is for one call, so that none is idle when it is to be closed.
func Serve(ctx context.Context, l net.Listener, a Agent, most time.Duration) error {
	calls, callOff := context.WithCancel(context.WithoutCancel(ctx))
	defer callOff()
	open := &connections{states: map[net.Conn]http.ConnState{}, changed: make(chan struct{}, 1)}
	server := &http.Server{Handler: Handler(a), ConnState: open.note, BaseContext: func(net.Listener) context.Context { return calls }}
	server.SetKeepAlivesEnabled(false)
	closed := context.AfterFunc(ctx, func() { l.Close() })
	err := server.Serve(l)
	if !closed() || errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if !open.none(most) {
		open.hangUp()
		callOff()
		open.none(lastWords)
	}
	_ = server.Close() // on who does not take the answer
	return err
}

// lastWords is what a call that is called off has to say so.
const lastWords = 10 * time.Second

// connections are those of callers that are not closed yet.
type connections struct {
	mu      sync.Mutex
	states  map[net.Conn]http.ConnState
	changed chan struct{} // holds one if a connection was closed since it was looked at
}

func (cs *connections) note(c net.Conn, state http.ConnState) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if state != http.StateClosed {
		cs.states[c] = state
		return
	}
	delete(cs.states, c)
	select {
	case cs.changed <- struct{}{}:
	default:
	}
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.states)
}

// hangUp closes the connections of those who have not said what they want.
func (cs *connections) hangUp() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c, state := range cs.states {
		if state == http.StateNew {
			_ = c.Close() // what fails is closed already
		}
	}
}

// none waits until there is no connection, and reports whether that was in time.
func (cs *connections) none(most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for cs.count() > 0 {
		select {
		case <-cs.changed:
		case <-timer.C:
			return false
		}
	}
	return true
}
