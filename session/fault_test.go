package session_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/session"
)

var errDown = errors.New("connection refused")

// breaks makes one kind of operation fail.
func (c *counter) breaks(op string) {
	c.fail = func(o string) error {
		if o == op {
			return errDown
		}
		return nil
	}
}

func wantUnavailable(t *testing.T, r *http.Response) {
	t.Helper()
	wantStatus(t, r, http.StatusServiceUnavailable)
	if r.Header.Get("Retry-After") == "" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", r.Header)
	}
	wantNoCookie(t, r)
}

func TestStoreThatIsDownLogsNobodyOut(t *testing.T) {
	for _, op := range []string{"get", "put"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				b := newBrowser(t, inMemory())
				b.sessions.Logger = slog.New(slog.NewTextHandler(&log, nil))
				b.put("a", "1")
				b.store.breaks(op)
				before := time.Now()
				r := b.request(func(w http.ResponseWriter, r *http.Request) {
					if op == "get" {
						t.Error("the handler was called")
					}
					b.sessions.Put(r.Context(), "b", "1")
					w.Header().Set("Content-Length", "4")
					w.Header().Set("Content-Encoding", "identity")
					w.WriteHeader(http.StatusCreated)
					if _, err := io.WriteString(w, "done"); !errors.Is(err, session.ErrUnavailable) {
						t.Errorf("writing: %v", err)
					}
				})
				wantUnavailable(t, r)
				if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "done") || r.Header.Get("Content-Encoding") != "" {
					t.Errorf("%v %s", r.Header, body)
				}
				if d := time.Since(before); d != 3*time.Second {
					t.Errorf("waited for %v", d)
				}
				if got := log.String(); !strings.Contains(got, "connection refused") || strings.Contains(got, b.cookie.Value) {
					t.Errorf("logged %s", got)
				}
				b.store.fail = nil
				b.sees("a", "1")
				b.sees("b", "")
			})
		})
	}
}

func TestStoreThatComesBackIsWaitedFor(t *testing.T) {
	for _, op := range []string{"get", "put", "put late", "delete"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBrowser(t, inMemory())
				count := session.Value[int]{Sessions: b.sessions, Name: "count"}
				b.put("a", "1")
				back := time.Now().Add(2 * time.Second)
				b.store.fail = func(o string) error {
					if o == op && time.Now().Before(back) {
						return errDown
					}
					return nil
				}
				r := b.do(func(ctx context.Context) {
					b.sessions.Put(ctx, "b", "2")
					if err := count.Update(ctx, func(n int) (int, error) { return n + 1, nil }); err != nil {
						t.Error(err)
					}
				})
				wantStatus(t, r, http.StatusOK)
				back = time.Now().Add(2 * time.Second)
				wantStatus(t, b.login("ada"), http.StatusOK)
				b.sees("b", "2")
				b.do(func(ctx context.Context) {
					if got, err := count.Get(ctx); got != 1 || err != nil {
						t.Errorf("counted %d, %v", got, err)
					}
				})
				back = time.Now().Add(2 * time.Second)
				b.do(func(ctx context.Context) {
					if err := b.sessions.Destroy(ctx); err != nil {
						t.Error(err)
					}
				})
				b.sees("b", "")
			})
		})
	}
}

func TestFailureToWriteDownUseFailsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.sessions.Logger = slog.New(slog.DiscardHandler)
		b.sessions.IdleTimeout = 10 * time.Minute
		b.put("a", "1")
		time.Sleep(5 * time.Minute)
		b.store.breaks("put")
		wantStatus(t, b.do(func(context.Context) {}), http.StatusOK)
		b.store.fail = nil
		b.sees("a", "1")
	})
}

func TestErrorFuncAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.put("a", "1")
		b.store.breaks("get")
		b.sessions.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
			if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, errDown) {
				t.Errorf("got %v", err)
			}
			w.WriteHeader(http.StatusTeapot)
		}
		wantStatus(t, b.do(func(context.Context) {}), http.StatusTeapot)
	})
}

func TestDestroyThatFailsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.put("a", "1")
		b.store.breaks("delete")
		b.do(func(ctx context.Context) {
			if err := b.sessions.Destroy(ctx); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
		b.store.fail = nil
		b.sees("a", "1")
	})
}

func TestClientThatGoesAwayHasItsSessionSaved(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.put("a", "1")
	b.request(func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		b.sessions.Put(ctx, "a", "2")
		cancel()
		if _, _, err := b.sessions.Commit(ctx); err != nil {
			t.Error(err)
		}
	})
	b.sees("a", "2")
}

func TestWhatCannotBeSavedFailsTheRequest(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(ctx context.Context, s *session.Manager)
		want []string
	}{
		"too large":        {func(ctx context.Context, s *session.Manager) { s.Put(ctx, "big", strings.Repeat("x", 300<<10)) }, []string{`"big"`, "307202", "262144", "MaxSize"}},
		"no encoding":      {func(ctx context.Context, s *session.Manager) { s.Put(ctx, "a", make(chan int)) }, []string{`"a"`, "chan int"}},
		"our names":        {func(ctx context.Context, s *session.Manager) { s.Put(ctx, "$v", 7) }, []string{`"$v"`, "choose another"}},
		"no name":          {func(ctx context.Context, s *session.Manager) { s.Put(ctx, "", 7) }, []string{"needs a name"}},
		"the first counts": {func(ctx context.Context, s *session.Manager) { s.Put(ctx, "", 7); s.Put(ctx, "a$b", 7) }, []string{"needs a name"}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			b := newBrowser(t, inMemory())
			b.sessions.Logger = slog.New(slog.NewTextHandler(&log, nil))
			b.put("a", "1")
			r := b.do(func(ctx context.Context) { b.sessions.Put(ctx, "b", "1"); c.put(ctx, b.sessions) })
			wantStatus(t, r, http.StatusInternalServerError)
			for _, want := range c.want {
				if !strings.Contains(strings.ReplaceAll(log.String(), `\"`, `"`), want) {
					t.Errorf("logged %s, without %s", &log, want)
				}
			}
			b.sees("a", "1")
			b.sees("b", "")
		})
	}
}

func TestSessionsOwnNamesAreNotTouched(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.put("a", "1")
	b.do(func(ctx context.Context) {
		for _, name := range []string{"", "$v", "$deadline", "a$2"} {
			b.sessions.Remove(ctx, name)
			if b.sessions.Exists(ctx, name) || b.sessions.Get(ctx, name) != nil {
				t.Errorf("%q is there", name)
			}
		}
		b.sessions.Clear(ctx)
		b.sessions.Put(ctx, "b", "2")
	})
	b.sees("b", "2")
}

func TestWhatIsNoSessionIsLeftAsItIs(t *testing.T) {
	for name, value := range map[string]string{"no JSON": "gob", "a list": "[]", "null": "null", "no format": `{"a":1}`, "no deadline": `{"$v":1}`} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, inMemory())
			b.sessions.Logger = slog.New(slog.DiscardHandler)
			b.put("a", "1")
			b.rewrite(func(string) string { return value })
			wantStatus(t, b.put("a", "2"), http.StatusInternalServerError)
			b.rewrite(func(got string) string {
				if got != value {
					t.Errorf("it is %s", got)
				}
				return got
			})
		})
	}
}

// The store has written, its answer is lost, and another has written since.
func TestUpdateThatTheStoreCouldNotConfirmIsDoneOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.put("a", "1")
		other := newBrowser(t, b.store.Store)
		other.cookie = b.cookie
		increment := func(b *browser) {
			count := session.Value[int]{Sessions: b.sessions, Name: "count"}
			b.do(func(ctx context.Context) {
				if err := count.Update(ctx, func(n int) (int, error) { return n + 1, nil }); err != nil {
					t.Error(err)
				}
			})
		}
		b.store.fail = func(op string) error {
			if op != "put late" {
				return nil
			}
			b.store.fail = nil
			for range 3 {
				increment(other)
			}
			return errDown
		}
		increment(b)
		b.do(func(ctx context.Context) {
			if got := b.sessions.GetInt(ctx, "count"); got != 4 {
				t.Errorf("counted %d, want 4", got)
			}
		})
	})
}

func TestMarksOfUpdatesDoNotGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		count := session.Value[int]{Sessions: b.sessions, Name: "count"}
		b.put("count", "")
		b.do(func(ctx context.Context) {
			b.sessions.Put(ctx, "count", 0)
		})
		for range 40 {
			b.do(func(ctx context.Context) {
				if err := count.Update(ctx, func(n int) (int, error) { return n + 1, nil }); err != nil {
					t.Error(err)
				}
			})
		}
		marks := func() (n int) {
			b.rewrite(func(value string) string {
				n = strings.Count(value, "$update$")
				return value
			})
			return n
		}
		if n := marks(); n != 32 {
			t.Errorf("%d marks, want 32", n)
		}
		time.Sleep(2 * time.Minute)
		b.put("a", "1")
		if n := marks(); n != 0 {
			t.Errorf("%d marks after two minutes", n)
		}
	})
}
