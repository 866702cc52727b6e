package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/session"
)

func valuesComeBackWithTheirType(t *testing.T, b *browser) {
	at := time.Date(2026, 11, 22, 3, 4, 5, 6, time.UTC)
	b.do(func(ctx context.Context) {
		s := b.sessions
		s.Put(ctx, "string", "a <b> \"c\" \u2028")
		s.Put(ctx, "bool", true)
		s.Put(ctx, "int", 1<<53+1)
		s.Put(ctx, "float", 1.5)
		s.Put(ctx, "bytes", []byte{0, 255})
		s.Put(ctx, "time", at)
		s.Put(ctx, "null", nil)
	})
	b.do(func(ctx context.Context) {
		s := b.sessions
		if s.GetString(ctx, "string") != "a <b> \"c\" \u2028" || !s.GetBool(ctx, "bool") || s.GetInt(ctx, "int") != 1<<53+1 ||
			s.GetInt64(ctx, "int") != 1<<53+1 || s.GetFloat(ctx, "float") != 1.5 ||
			string(s.GetBytes(ctx, "bytes")) != "\x00\xff" || !s.GetTime(ctx, "time").Equal(at) {
			t.Error("a value is another")
		}
		if s.GetInt32(ctx, "int") != 0 || s.GetInt(ctx, "string") != 0 || s.GetString(ctx, "none") != "" {
			t.Error("what has another type is not zero")
		}
		if s.Get(ctx, "float") != 1.5 || s.Get(ctx, "null") != nil || !s.Exists(ctx, "null") || s.Exists(ctx, "none") {
			t.Error("Get or Exists are wrong")
		}
		if got := strings.Join(s.Keys(ctx), " "); got != "bool bytes float int null string time" {
			t.Errorf("keys: %s", got)
		}
	})
}

func removingWays(t *testing.T, b *browser) {
	all := func(ctx context.Context) {
		for _, name := range []string{"a", "b", "c"} {
			b.sessions.Put(ctx, name, name)
		}
	}
	b.do(all)
	b.do(func(ctx context.Context) {
		if got := b.sessions.PopString(ctx, "a"); got != "a" || b.sessions.Exists(ctx, "a") {
			t.Errorf("popped %q", got)
		}
		b.sessions.Remove(ctx, "b")
	})
	b.sees("a", "")
	b.sees("b", "")
	b.sees("c", "c")
	token := b.cookie.Value
	b.do(func(ctx context.Context) {
		b.sessions.Clear(ctx)
		b.sessions.Put(ctx, "d", "d")
	})
	b.sees("c", "")
	b.sees("d", "d")
	if b.cookie.Value != token {
		t.Error("Clear took the token")
	}
}

func status(t *testing.T, b *browser) {
	want := func(ctx context.Context, status session.Status) {
		t.Helper()
		if got := b.sessions.Status(ctx); got != status {
			t.Errorf("status %v, want %v", got, status)
		}
	}
	b.do(func(ctx context.Context) {
		want(ctx, session.Unmodified)
		b.sessions.Put(ctx, "a", "1")
		want(ctx, session.Modified)
	})
	b.do(func(ctx context.Context) {
		b.sessions.GetString(ctx, "a")
		b.sessions.Put(ctx, "a", "1")
		b.sessions.Remove(ctx, "none")
		want(ctx, session.Unmodified)
		if err := b.sessions.Destroy(ctx); err != nil {
			t.Error(err)
		}
		want(ctx, session.Destroyed)
	})
	if b.cookie != nil {
		t.Error("the cookie outlives the session")
	}
}

func storeIsAskedNoMoreThanPromised(t *testing.T, b *browser) {
	c := b.store
	c.costs(t, 0, 0, func() { b.sees("a", "") })
	c.costs(t, 0, 0, func() { b.do(func(ctx context.Context) { b.sessions.Put(ctx, "a", "1"); b.sessions.Pop(ctx, "a") }) })
	if b.cookie != nil {
		t.Error("a cookie for nothing")
	}
	c.costs(t, 0, 1, func() { b.put("a", "1") })
	c.costs(t, 1, 0, func() { b.sees("a", "1") })
	c.costs(t, 1, 0, func() { b.put("a", "1") })
	c.costs(t, 1, 1, func() { b.put("a", "2") })
	c.costs(t, 1, 0, func() { b.do(func(ctx context.Context) { b.sessions.PopString(ctx, "flash") }) })
	c.costs(t, 2, 2, func() { b.do(func(ctx context.Context) { b.sessions.RenewToken(ctx) }) })
	c.costs(t, 1, 1, func() { b.do(func(ctx context.Context) { b.sessions.Destroy(ctx) }) })
	b.cookie = b.cookieNamed("made up")
	c.costs(t, 0, 0, func() { b.sees("a", "") })
}

func unknownTokenIsNotAdopted(t *testing.T, b *browser) {
	known := strings.Repeat("A", 43)
	b.cookie = b.cookieNamed(known)
	b.put("a", "1")
	if b.cookie.Value == known || len(b.cookie.Value) != 43 {
		t.Errorf("token %q", b.cookie.Value)
	}
}

func storeHasNoToken(t *testing.T, b *browser) {
	b.put("a", "1")
	for e, err := range b.store.List(t.Context(), "session/"+b.sessions.Cookie.Name) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(e.Key+string(e.Value), b.cookie.Value) {
			t.Errorf("%s: %s", e.Key, e.Value)
		}
	}
}

func managersDoNotTakeEachOthersTokens(t *testing.T, b *browser) {
	b.put("a", "1")
	admin := session.New(b.store)
	admin.Cookie.Name = "admin"
	other := &browser{t: t, store: b.store, sessions: admin, cookie: &http.Cookie{Name: "__Host-admin", Value: b.cookie.Value}}
	other.sees("a", "")
}

func iterateSeesAllSessions(t *testing.T, b *browser) {
	b.put("user", "ada")
	other := b.another()
	other.put("user", "eve")
	other.do(func(ctx context.Context) { b.sessions.RenewToken(ctx) })
	seen := 0
	err := b.sessions.Iterate(t.Context(), func(ctx context.Context) error {
		seen++
		if b.sessions.GetString(ctx, "user") == "eve" {
			return b.sessions.Destroy(ctx)
		}
		b.sessions.Put(ctx, "seen", "yes")
		_, _, err := b.sessions.Commit(ctx)
		return err
	})
	if err != nil || seen != 2 {
		t.Errorf("%d sessions, %v", seen, err)
	}
	b.sees("seen", "yes")
	other.sees("user", "")
	b.another().put("user", "bob")
	spoilt := false
	b.rewrite(func(value string) string {
		if strings.Contains(value, "ada") {
			return value
		}
		spoilt = true
		return "spoilt"
	})
	seen = 0
	err = b.sessions.Iterate(t.Context(), func(context.Context) error { seen++; return nil })
	if !spoilt || seen != 1 || err == nil {
		t.Errorf("%d sessions, %v", seen, err)
	}
}

func withoutLoadAndSaveItPanics(t *testing.T, b *browser) {
	defer func() {
		if r, ok := recover().(string); !ok || !strings.Contains(r, "LoadAndSave") {
			t.Errorf("recovered %q", r)
		}
	}()
	b.sessions.GetString(t.Context(), "a")
}
