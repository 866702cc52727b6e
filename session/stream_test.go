package session_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seguehq/segue/session"
)

// serve is a real server with a client that keeps cookies.
func serve(t *testing.T, sessions *session.Manager, handle http.HandlerFunc) (*http.Client, string) {
	server := httptest.NewTLSServer(sessions.LoadAndSave(handle))
	t.Cleanup(server.Close)
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	return client, server.URL
}

func get(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	return r
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSessionIsSavedBeforeTheFirstByte(t *testing.T) {
	for name, first := range map[string]func(http.ResponseWriter) error{
		"Write": func(w http.ResponseWriter) error { _, err := io.WriteString(w, "x"); return err },
		"WriteHeader": func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusAccepted)
			w.(http.Flusher).Flush()
			return nil
		},
		"Flush":      func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
		"controller": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"ReadFrom": func(w http.ResponseWriter) error {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
			return errors.Join(err, http.NewResponseController(w).Flush())
		},
		"after an early hint": func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusEarlyHints)
			w.(http.Flusher).Flush()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := session.New(inMemory())
			seen := make(chan struct{})
			client, url := serve(t, sessions, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/second" {
					fmt.Fprint(w, sessions.GetString(r.Context(), "a"))
					return
				}
				sessions.Put(r.Context(), "a", "1")
				if err := first(w); err != nil {
					t.Error(err)
				}
				if name == "Write" {
					w.(http.Flusher).Flush()
				}
				<-seen // the response goes on
			})
			get(t, client, url)
			if got := body(t, get(t, client, url+"/second")); got != "1" {
				t.Errorf("got %q", got)
			}
			close(seen)
		})
	}
}

func TestWhatChangesWhileAResponseIsSentIsSaved(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.put("a", "1")
	b.store.costs(t, 1, 3, func() {
		b.request(func(w http.ResponseWriter, r *http.Request) {
			b.sessions.Put(r.Context(), "a", "2")
			io.WriteString(w, "a line")
			b.sessions.Put(r.Context(), "a", "3")
			if _, _, err := b.sessions.Commit(r.Context()); err != nil {
				t.Error(err)
			}
			b.sessions.Put(r.Context(), "b", "4")
			if err := b.sessions.RenewToken(r.Context()); !errors.Is(err, session.ErrWritten) {
				t.Errorf("renewed: %v", err)
			}
		})
	})
	b.sees("a", "3")
	b.sees("b", "4")
}

func TestStreamGoesOnWritingAfterARenewal(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.put("a", "1")
	stream := b.start(func(ctx context.Context) {
		for i := range 3 {
			b.sessions.Put(ctx, "progress", fmt.Sprint(i))
			if _, _, err := b.sessions.Commit(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	b.login("ada")
	stream.end()
	b.sees("progress", "2")
	b.sees("user", "ada")
}

func TestNewSessionAfterTheFirstByteIsToldToBeLost(t *testing.T) {
	var log bytes.Buffer
	b := newBrowser(t, inMemory())
	b.sessions.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r := b.request(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a line")
		b.sessions.Put(r.Context(), "a", "1")
	})
	wantStatus(t, r, http.StatusOK)
	if !strings.Contains(log.String(), "lost") {
		t.Errorf("logged %s", &log)
	}
	for e := range b.store.List(t.Context(), "") {
		t.Errorf("there is %s", e.Value)
	}
}

func TestHijackedConnection(t *testing.T) {
	sessions := session.New(inMemory())
	client, url := serve(t, sessions, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			sessions.Put(r.Context(), "user", "ada")
			return
		}
		if r.URL.Path == "/see" {
			fmt.Fprint(w, sessions.GetString(r.Context(), "said"))
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		sessions.Put(r.Context(), "said", "hello "+sessions.GetString(r.Context(), "user"))
		if _, _, err := sessions.Commit(r.Context()); err != nil {
			t.Error(err)
		}
		fmt.Fprint(rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhijacked")
		rw.Flush()
	})
	get(t, client, url+"/login")
	if got := body(t, get(t, client, url+"/")); got != "hijacked" {
		t.Errorf("got %q", got)
	}
	if got := body(t, get(t, client, url+"/see")); got != "hello ada" {
		t.Errorf("got %q", got)
	}
}

// What cannot be flushed or hijacked below cannot be above, and says so.
func TestWriterBelowThatCanLess(t *testing.T) {
	sessions := session.New(inMemory())
	handler := sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("flush: %v", err)
		}
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("hijack: %v", err)
		}
	}))
	handler.ServeHTTP(plain{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
}

type plain struct{ rec *httptest.ResponseRecorder }

func (p plain) Header() http.Header         { return p.rec.Header() }
func (p plain) Write(b []byte) (int, error) { return p.rec.Write(b) }
func (p plain) WriteHeader(status int)      { p.rec.WriteHeader(status) }

func TestSwitchingProtocolsHasTheCookie(t *testing.T) {
	sessions := session.New(inMemory())
	client, url := serve(t, sessions, func(w http.ResponseWriter, r *http.Request) {
		sessions.Put(r.Context(), "a", "1")
		w.Header().Set("Upgrade", "test")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "hello\n")
		rw.Flush()
	})
	r := get(t, client, url)
	if line, _ := bufio.NewReader(r.Body).ReadString('\n'); r.StatusCode != 101 || line != "hello\n" || len(r.Cookies()) != 1 {
		t.Errorf("status %d, %q, cookies %v", r.StatusCode, line, r.Cookies())
	}
}

func TestEarlyHintIsNotTheFirstByte(t *testing.T) {
	sessions := session.New(inMemory())
	client, url := serve(t, sessions, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		sessions.Put(r.Context(), "a", "1")
	})
	if r := get(t, client, url); len(r.Cookies()) != 1 {
		t.Errorf("cookies %v", r.Cookies())
	}
}

// A router may be behind LoadAndSave, and a part of it once more.
func TestOneSessionBehindTwoMiddlewares(t *testing.T) {
	b := newBrowser(t, inMemory())
	inner := b.sessions.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { b.sessions.Put(r.Context(), "a", "1") }))
	b.store.costs(t, 0, 1, func() {
		if r := b.request(inner.ServeHTTP); len(r.Cookies()) != 1 {
			t.Errorf("cookies %v", r.Cookies())
		}
	})
	b.store.costs(t, 1, 1, func() {
		b.request(func(w http.ResponseWriter, r *http.Request) {
			b.sessions.Put(r.Context(), "b", "1")
			inner.ServeHTTP(w, r)
		})
	})
	b.sees("b", "1")
}

func TestHandlerThatPanicsSavesNothing(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.put("a", "1")
	func() {
		defer func() { _ = recover() }()
		b.do(func(ctx context.Context) {
			b.sessions.Put(ctx, "a", "2")
			panic("fixture")
		})
	}()
	b.sees("a", "1")
}
