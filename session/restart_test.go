package session_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store"
)

// TestSessionsSurviveTheFleet replaces the service, process by process as it were,
// while its visitors go on.
func TestSessionsSurviveTheFleet(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(*testing.T) store.Store) {
		var serving atomic.Pointer[session.Manager]
		replace := func() {
			s := open(t)
			serving.Store(session.New(s))
		}
		replace()
		visitors := begin(t, 4, serving.Load)
		for range 5 {
			visitors.wait(20)
			replace()
		}
		visitors.wait(20)
		if refused := visitors.end(); refused > 0 {
			t.Errorf("%d requests were refused", refused)
		}
	})
}

func TestSessionsSurviveTheStoresRestart(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) *servertest.Server{
		"redis":    func(t *testing.T) *servertest.Server { return servertest.Redis(t) },
		"postgres": func(t *testing.T) *servertest.Server { return servertest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			sessions := session.New(server.Open(t))
			sessions.Timeout = 20 * time.Second // the machine may be busy
			visitors := begin(t, 4, func() *session.Manager { return sessions })
			for _, restart := range []func(){
				func() { server.Restart(t) },
				func() { server.Kill(t); server.Start(t) },
			} {
				visitors.wait(20)
				restart()
			}
			visitors.wait(20)
			if refused := visitors.end(); refused > 0 {
				t.Errorf("%d requests were refused", refused)
			}
		})
	}
}

// A store that stays away costs requests, and nobody his session.
func TestStoreThatStaysAwayLogsNobodyOut(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	sessions := session.New(server.Open(t))
	sessions.Logger = slog.New(slog.DiscardHandler)
	b := &browser{t: t, sessions: sessions}
	b.login("ada")
	server.Stop(t)
	sessions.Timeout = 100 * time.Millisecond
	wantUnavailable(t, b.put("a", "1"))
	wantUnavailable(t, b.login("eve"))
	sessions.Timeout = 20 * time.Second
	server.Start(t)
	b.sees("user", "ada")
	b.put("a", "2")
	b.sees("a", "2")
}

// visitors are logged in and go on making requests, each of which has to find
// the visitor logged in and counts itself.
type visitors struct {
	t                 *testing.T
	serving           func() *session.Manager
	browsers          []*browser
	answered, refused atomic.Int64
	quit              chan struct{}
	done              sync.WaitGroup
	progress          chan struct{}
}

func begin(t *testing.T, n int, serving func() *session.Manager) *visitors {
	v := &visitors{t: t, serving: serving, quit: make(chan struct{}), progress: make(chan struct{}, 1)}
	for i := range n {
		b := &browser{t: t, sessions: serving()}
		b.login(fmt.Sprint("visitor", i))
		v.browsers = append(v.browsers, b)
		for range 2 { // requests of one visitor at the same time
			v.done.Go(func() { v.goOn(*b, fmt.Sprint("visitor", i)) })
		}
	}
	return v
}

// count is how many requests a visitor has made.
func (v *visitors) count(sessions *session.Manager) session.Value[int] {
	return session.Value[int]{Sessions: sessions, Name: "requests"}
}

func (v *visitors) goOn(b browser, user string) {
	for {
		select {
		case <-v.quit:
			return
		default:
		}
		b.sessions = v.serving()
		r := b.do(func(ctx context.Context) {
			if got := b.sessions.GetString(ctx, "user"); got != user {
				v.t.Errorf("%s finds %q logged in", user, got)
			}
			if err := v.count(b.sessions).Update(ctx, func(n int) (int, error) { return n + 1, nil }); err != nil {
				v.t.Error(err)
			}
		})
		if r.StatusCode == http.StatusOK {
			v.answered.Add(1)
		} else {
			v.refused.Add(1)
		}
		select {
		case v.progress <- struct{}{}:
		default:
		}
	}
}

// wait waits until so many more requests were answered.
func (v *visitors) wait(n int64) {
	for until := v.answered.Load() + n; v.answered.Load() < until; {
		select {
		case <-v.progress:
		case <-v.t.Context().Done():
			v.t.Fatal("the test is over")
		}
	}
}

// end stops them, holds the sessions to what was answered, and returns how many
// requests were refused.
func (v *visitors) end() int64 {
	close(v.quit)
	v.done.Wait()
	counted := int64(0)
	for _, b := range v.browsers {
		b.sessions = v.serving()
		b.do(func(ctx context.Context) {
			n, err := v.count(b.sessions).Get(ctx)
			if err != nil {
				v.t.Error(err)
			}
			counted += int64(n)
		})
	}
	if answered, refused := v.answered.Load(), v.refused.Load(); counted < answered || counted > answered+refused {
		v.t.Errorf("%d requests are in the sessions, %d were answered and %d refused", counted, answered, refused)
	}
	return v.refused.Load()
}
