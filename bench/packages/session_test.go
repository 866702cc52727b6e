//go:build bench

package packages

import (
	"context"
	"encoding/gob"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store/redis"
)

// sessions is what the two managers have in common.
type sessions interface {
	LoadAndSave(http.Handler) http.Handler
	Put(ctx context.Context, name string, value any)
	GetString(ctx context.Context, name string) string
	GetInt(ctx context.Context, name string) int
}

// sessionWork is a handler's.
type sessionWork func(s sessions, ctx context.Context)

func readSession(s sessions, ctx context.Context) {
	if s.GetString(ctx, "user") != "ada.lovelace@example.com" {
		panic("not logged in")
	}
}

func changeSession(s sessions, ctx context.Context) {
	readSession(s, ctx)
	s.Put(ctx, "seen", s.GetInt(ctx, "seen")+1)
}

// TestSessions measures whole requests behind LoadAndSave: with the middleware,
// and without the network between client and server.
func TestSessions(t *testing.T) {
	server := servertest.Redis(t)
	ours, theirs := ourSessions(t, server.URL()), theirSessions(t, server.URL())
	var tab table
	tab.row("scenario", "requests at a time", "Segue, requests/s", "p50", "p99", "scs, requests/s", "p50", "p99", "Segue ÷ scs")
	for _, work := range []struct {
		name string
		work sessionWork
	}{{"load, change and save", changeSession}, {"load only", readSession}} {
		for _, workers := range []int{1, 16, 64} {
			a, b := newLoad(t, ours, work.work, workers), newLoad(t, theirs, work.work, workers)
			got := inTurn(t, a.measure, b.measure)
			our, their := median(got[0]), median(got[1])
			tab.row(work.name, fmt.Sprint(workers), fmt.Sprintf("%.0f", our), a.quantile(0.5), a.quantile(0.99),
				fmt.Sprintf("%.0f", their), b.quantile(0.5), b.quantile(0.99), fmt.Sprintf("%.2f", our/their))
		}
	}
	how := fmt.Sprintf("Redis on loopback; scs 2.9.0 with goredisstore and go-redis. A session of four values; each worker has a session of its own. "+
		"Of two requests that change different values of one session at the same time, scs lost one change in %d of 200 pairs, Segue in %d.",
		lostOfPairs(theirs, 200), lostOfPairs(ours, 200))
	write(t, "sessions", how, tab)
}

func ourSessions(t *testing.T, url string) sessions {
	s, err := redis.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return session.New(s)
}

func theirSessions(t *testing.T, url string) sessions {
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.PoolSize = 64 // one for each worker; its default is ten for each CPU
	c := goredis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	gob.Register(time.Time{}) // without that scs fails at the first request
	m := scs.New()
	m.Store = goredisstore.New(c)
	return m
}

// login makes a session and returns its cookie.
func login(s sessions) string {
	w := httptest.NewRecorder()
	s.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.Put(r.Context(), "user", "ada.lovelace@example.com")
		s.Put(r.Context(), "csrf", "8c2f1a90b1c34c1ea7e2d3f4a5b6c7d8")
		s.Put(r.Context(), "since", time.Now())
		s.Put(r.Context(), "seen", 0)
	})).ServeHTTP(w, httptest.NewRequest("POST", "/login", nil))
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return cookie
}

func request(cookie string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", cookie)
	return r
}

// A sessionLoad is workers that each make one request after the other.
type sessionLoad struct {
	handler http.Handler
	cookies []string
	took    []time.Duration // of each request in the last round
}

func newLoad(t *testing.T, s sessions, work sessionWork, workers int) *sessionLoad {
	t.Helper()
	l := &sessionLoad{handler: s.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { work(s, r.Context()) }))}
	for range workers {
		l.cookies = append(l.cookies, login(s))
	}
	return l
}

// measure is the requests per second of one round.
func (l *sessionLoad) measure(t *testing.T) float64 {
	took := make([][]time.Duration, len(l.cookies))
	begin := time.Now()
	var all sync.WaitGroup
	for i, cookie := range l.cookies {
		all.Go(func() {
			for at := begin; at.Sub(begin) < span; {
				l.handler.ServeHTTP(&discard{}, request(cookie))
				now := time.Now()
				took[i] = append(took[i], now.Sub(at))
				at = now
			}
		})
	}
	all.Wait()
	l.took = nil
	for _, t := range took {
		l.took = append(l.took, t...)
	}
	return float64(len(l.took)) / time.Since(begin).Seconds()
}

func (l *sessionLoad) quantile(part float64) string {
	return quantile(l.took, part).Round(time.Microsecond).String()
}

// lostOfPairs lets two requests of one session meet, so often, and counts in how
// many pairs a change was lost.
func lostOfPairs(s sessions, pairs int) int {
	var lost atomic.Int64
	for range pairs {
		cookie := login(s)
		var loaded, done sync.WaitGroup
		loaded.Add(2)
		for _, name := range []string{"a", "b"} {
			done.Go(func() {
				s.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					loaded.Done()
					loaded.Wait() // both have read
					s.Put(r.Context(), name, "1")
				})).ServeHTTP(&discard{}, request(cookie))
			})
		}
		done.Wait()
		s.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s.GetString(r.Context(), "a") == "" || s.GetString(r.Context(), "b") == "" {
				lost.Add(1)
			}
		})).ServeHTTP(&discard{}, request(cookie))
	}
	return int(lost.Load())
}

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int) {
	if status != http.StatusOK {
		panic(fmt.Sprint("status ", status))
	}
}
