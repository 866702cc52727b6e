package lifecycle

import (
	"context"
	"io"
	"net/http"
)

type serverKey struct{}

func serverOf(ctx context.Context) *server {
	s, _ := ctx.Value(serverKey{}).(*server)
	return s
}

// Ready is a handler for the readiness probe: 200 while the service wants
// requests, 503 while it starts and from the moment on at which it is told to
// stop. A process that has been replaced goes on saying 200: the service is
// ready. It knows of requests that come through a server of [HTTP]; to others it
// says 503. See also [WithReadiness].
func Ready(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if s := serverOf(r.Context()); s == nil || !s.ready.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "not ready\n") // the client may have gone
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}

// Stopping is closed when long-lived handlers (server-sent events, WebSockets
// and other hijacked connections, long polls) are to come to an end: they say
// goodbye in their protocol's words and return. That is once nobody can connect
// to this process any more, so that clients that come back find another one.
// The context is a request's of a server of [HTTP]; with any other the channel is
// nil, and nothing is ever received from it.
//
// Ordinary handlers need not look: they are waited for. At the deadline the
// contexts of those that still run are called off.
func Stopping(ctx context.Context) <-chan struct{} {
	if s := serverOf(ctx); s != nil {
		return s.stopping
	}
	return nil
}

// UntilStopping is a context that ends when [Stopping] says so, or when ctx does.
// The function releases what it holds.
func UntilStopping(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(ctx)
	if stopping := Stopping(ctx); stopping != nil {
		go func() {
			defer cancel()
			select {
			case <-stopping:
			case <-out.Done():
			}
		}()
	}
	return out, cancel
}
