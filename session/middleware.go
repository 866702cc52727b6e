package session

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// LoadAndSave gives each request its session: read before next is called, saved
// before the first byte of the response is sent. It reads the store once, if the
// request has a cookie, and writes to it once, if something was changed.
//
// If the session cannot be read, next is not called; if it cannot be saved, what
// next has written is not sent. The client gets what Manager.ErrorFunc says
// instead. It is never taken for somebody who has no session.
//
// What is changed after the first byte is saved when next returns; only a cookie
// cannot be set any more. A handler that panics has nothing saved.
//
// The ResponseWriter that next gets can be flushed, hijacked and unwrapped as far
// as the one below it can, directly or by http.ResponseController. A connection
// that is hijacked has no Set-Cookie sent on it by anybody but the hijacker.
func (m *Manager) LoadAndSave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		ctx, err := m.Load(r.Context(), m.tokenOf(r))
		if err != nil {
			m.answer(w, r, err)
			return
		}
		r = r.WithContext(ctx)
		sw := &response{ResponseWriter: w, manager: m, request: r}
		next.ServeHTTP(sw, r)
		sw.end()
	})
}

func (m *Manager) tokenOf(r *http.Request) string {
	c, err := r.Cookie(m.Cookie.name())
	if err != nil {
		return ""
	}
	return c.Value
}

// answer is what a request gets instead of its own.
func (m *Manager) answer(w http.ResponseWriter, r *http.Request, err error) {
	if m.ErrorFunc != nil {
		m.ErrorFunc(w, r, err)
		return
	}
	if r.Context().Err() == nil { // else nobody is there to be answered
		m.log().ErrorContext(r.Context(), "session: a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	status := http.StatusInternalServerError
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNewer) {
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
	}
	http.Error(w, http.StatusText(status), status)
}

// saveFor saves the session and tells the client what it has to know.
func (m *Manager) saveFor(ctx context.Context, w http.ResponseWriter) error {
	s := m.of(ctx)
	defer s.mu.Unlock()
	if err := m.commit(context.WithoutCancel(ctx), s); err != nil {
		return err
	}
	s.written = true
	switch {
	case s.cookie && s.token != "" && s.before == nil:
		m.setCookie(w, s.token, s.record.deadline(), m.persists(s))
	case s.forget:
		m.setCookie(w, "", time.Time{}, false)
	}
	s.cookie, s.forget = false, false
	return nil
}

// A response saves the session before it begins.
type response struct {
	http.ResponseWriter
	manager *Manager
	request *http.Request
	begun   bool
	err     error // of saving; the client has its answer already
}

func (w *response) begin() error {
	if w.begun {
		return w.err
	}
	w.begun = true
	if w.err = w.manager.saveFor(w.request.Context(), w.ResponseWriter); w.err != nil {
		for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Range", "Etag", "Last-Modified", "Location"} {
			w.Header().Del(name) // it belongs to what is not sent
		}
		w.manager.answer(w.ResponseWriter, w.request, w.err)
	}
	return w.err
}

// end is called when the handler has returned.
func (w *response) end() {
	if !w.begun {
		w.begin()
		return
	}
	if w.err != nil {
		return
	}
	if _, _, err := w.manager.Commit(w.request.Context()); err != nil {
		w.manager.log().ErrorContext(w.request.Context(), "session: what was changed after the response had begun is lost",
			"method", w.request.Method, "path", w.request.URL.Path, "error", err)
	}
}

func (w *response) Write(b []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(b)
}

func (w *response) WriteHeader(status int) {
	informational := status < 200 && status != http.StatusSwitchingProtocols
	if informational || w.begin() == nil {
		w.ResponseWriter.WriteHeader(status)
	}
}

// ReadFrom lets files be sent as the writer below can send them.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return io.Copy(w.ResponseWriter, r)
}

func (w *response) Flush() {
	// http.Flusher has no error to return; who wants it calls FlushError.
	_ = w.FlushError()
}

func (w *response) FlushError() error {
	if err := w.begin(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.begin(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
