package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/session"
)

func TestCookieIsSafeByDefault(t *testing.T) {
	b := newBrowser(t, inMemory())
	c := b.put("a", "1").Cookies()[0]
	if c.Name != "__Host-session" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("%s", c)
	}
	if len(c.Value) != 43 || c.MaxAge < 86300 || c.MaxAge > 86401 {
		t.Errorf("%s", c)
	}
}

func TestCookieHasThePrefixWhereItMayHaveIt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*session.Cookie)
		want   string
	}{
		"a name of one's own": {func(c *session.Cookie) { c.Name = "shop" }, "__Host-shop"},
		"plain HTTP":          {func(c *session.Cookie) { c.Secure = false }, "session"},
		"a domain":            {func(c *session.Cookie) { c.Domain = "shop.example" }, "session"},
		"a path":              {func(c *session.Cookie) { c.Path = "/admin" }, "session"},
		"a prefix":            {func(c *session.Cookie) { c.Name = "__Secure-shop" }, "__Secure-shop"},
		"as it is":            {func(c *session.Cookie) { c.Plain = true }, "session"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, inMemory())
			c.change(&b.sessions.Cookie)
			if got := b.put("a", "1").Cookies()[0].Name; got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			b.sees("a", "1")
		})
	}
}

func TestCookieOutlivesTheBrowserIfItIsTo(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.sessions.Cookie.Persist = false
	if c := b.put("a", "1").Cookies()[0]; c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("%s", c)
	}
	remember := func(yes bool) *http.Cookie {
		return b.do(func(ctx context.Context) { b.sessions.RememberMe(ctx, yes) }).Cookies()[0]
	}
	if c := remember(true); c.MaxAge == 0 {
		t.Errorf("%s", c)
	}
	if c := b.login("ada").Cookies()[0]; c.MaxAge == 0 {
		t.Errorf("after the renewal: %s", c)
	}
	if c := remember(false); c.MaxAge != 0 {
		t.Errorf("%s", c)
	}
}

// A cookie that is sent again may come later than a newer one, and replace it.
func TestCookieIsSentOnce(t *testing.T) {
	b := newBrowser(t, inMemory())
	b.sessions.IdleTimeout = time.Minute
	if r := b.put("a", "1"); len(r.Cookies()) != 1 || r.Header.Get("Cache-Control") != `no-cache="Set-Cookie"` || r.Header.Get("Vary") != "Cookie" {
		t.Errorf("%v", r.Header)
	}
	wantNoCookie(t, b.put("a", "2"))
	if r := b.login("ada"); len(r.Cookies()) != 1 {
		t.Errorf("%v", r.Header)
	}
	wantNoCookie(t, b.put("a", "3"))
}

func TestLifetimeEndsABusySession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.sessions.Lifetime = time.Hour
		b.put("a", "1")
		for range 5 {
			time.Sleep(11 * time.Minute)
			b.put("b", time.Now().String())
			b.sees("a", "1")
		}
		old := *b
		b.login("ada")
		time.Sleep(6 * time.Minute)
		old.sees("a", "")
		b.sees("a", "1")
		time.Sleep(time.Hour)
		b.sees("a", "")
	})
}

func TestIdleSessionEndsAndOneInUseDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.sessions.IdleTimeout = 10 * time.Minute
		b.put("a", "1")
		for range 10 {
			time.Sleep(9*time.Minute + 59*time.Second)
			b.sees("a", "1")
		}
		time.Sleep(11 * time.Minute)
		b.sees("a", "")
	})
}

func TestUseIsWrittenDownNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.sessions.IdleTimeout = 10 * time.Minute
		b.put("a", "1")
		b.store.costs(t, 59, 0, func() {
			for range 59 {
				time.Sleep(time.Second)
				b.sees("a", "1")
			}
		})
		time.Sleep(time.Second)
		b.store.costs(t, 1, 1, func() { b.sees("a", "1") })
		b.store.costs(t, 1, 0, func() { b.sees("a", "1") })
	})
}

func TestDeadlineCanBeSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.put("a", "1")
		at := time.Now().Add(time.Minute)
		r := b.do(func(ctx context.Context) {
			b.sessions.SetDeadline(ctx, at)
			if got := b.sessions.Deadline(ctx); !got.Equal(at.Truncate(time.Millisecond)) {
				t.Errorf("deadline %v, want %v", got, at)
			}
		})
		if c := r.Cookies()[0]; c.MaxAge != 60 && c.MaxAge != 61 {
			t.Errorf("%s", c)
		}
		time.Sleep(59 * time.Second)
		b.sees("a", "1")
		time.Sleep(2 * time.Second)
		b.sees("a", "")
		b.put("a", "2")
		b.do(func(ctx context.Context) { b.sessions.SetDeadline(ctx, time.Now().Add(-time.Second)) })
		b.sees("a", "")
		for e := range b.store.List(t.Context(), "") {
			t.Errorf("there is %s", e.Value)
		}
	})
}

func TestGraceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, inMemory())
		b.put("cart", "tea")
		old := *b
		under := b.start(func(ctx context.Context) { b.sessions.Put(ctx, "seen", "page") })
		b.login("ada")
		time.Sleep(29 * time.Second)
		old.sees("cart", "tea")
		time.Sleep(2 * time.Second)
		old.sees("cart", "")
		wantNoCookie(t, under.end())
		b.sees("seen", "")
		b.sees("user", "ada")
	})
}

func TestTokenIsSentInNoOtherWay(t *testing.T) {
	b := newBrowser(t, inMemory())
	r := b.put("a", "1")
	for name, values := range r.Header {
		if name != "Set-Cookie" && strings.Contains(strings.Join(values, " "), b.cookie.Value) {
			t.Errorf("%s: %v", name, values)
		}
	}
	b.do(func(ctx context.Context) {
		if got := b.sessions.Token(ctx); got != b.cookie.Value {
			t.Errorf("token %q", got)
		}
	})
}
