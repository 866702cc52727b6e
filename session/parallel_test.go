package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/seguehq/segue/session"
)

// gate lets requests of one session meet: each has read the session before any
// goes on.
func (b *browser) together(n int, fn func(ctx context.Context, i int)) {
	var pendings []*pending
	for i := range n {
		pendings = append(pendings, b.start(func(ctx context.Context) { fn(ctx, i) }))
	}
	var all sync.WaitGroup
	for _, p := range pendings {
		all.Go(func() { p.end() })
	}
	all.Wait()
}

func parallelWritesOfDifferentValuesAllWin(t *testing.T, b *browser) {
	b.put("first", "x")
	const n = 12
	name := func(i int) string { return fmt.Sprintf("key%d", i) }
	b.together(n, func(ctx context.Context, i int) {
		b.sessions.Put(ctx, name(i), "x")
		if i%3 == 0 {
			b.sessions.Remove(ctx, "first")
		}
	})
	for i := range n {
		b.sees(name(i), "x")
	}
	b.sees("first", "")
}

func lastWriterOfAValueWins(_ *testing.T, b *browser) {
	b.put("a", "0")
	one := b.start(func(ctx context.Context) { b.sessions.Put(ctx, "a", "1") })
	two := b.start(func(ctx context.Context) { b.sessions.Put(ctx, "a", "2") })
	two.end()
	b.sees("a", "2")
	one.end()
	b.sees("a", "1")
}

func parallelUpdatesAllCount(t *testing.T, b *browser) {
	b.put("first", "x")
	count := session.Value[int]{Sessions: b.sessions, Name: "count"}
	const n = 12
	b.together(n, func(ctx context.Context, _ int) {
		for range 2 {
			if err := count.Update(ctx, func(now int) (int, error) { return now + 1, nil }); err != nil {
				t.Error(err)
			}
		}
	})
	b.do(func(ctx context.Context) {
		if got, err := count.Get(ctx); got != 2*n || err != nil {
			t.Errorf("counted %d, %v; want %d", got, err, 2*n)
		}
	})
}

func clearingLeavesWhatComesAfter(_ *testing.T, b *browser) {
	b.put("a", "1")
	cleared := b.start(func(ctx context.Context) { b.sessions.Clear(ctx); b.sessions.Put(ctx, "c", "1") })
	b.put("b", "1")
	cleared.end()
	b.sees("a", "")
	b.sees("b", "")
	b.sees("c", "1")
}

func destroyedSessionDoesNotRise(t *testing.T, b *browser) {
	b.put("a", "1")
	old := *b
	var late []*pending
	for i := range 3 {
		late = append(late, b.start(func(ctx context.Context) {
			b.sessions.Put(ctx, "b", "1")
			switch i {
			case 1:
				b.sessions.RenewToken(ctx)
			case 2:
				b.sessions.SetDeadline(ctx, b.sessions.Deadline(ctx).Add(1e9))
			}
		}))
	}
	b.do(func(ctx context.Context) {
		if err := b.sessions.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, p := range late {
		wantNoCookie(t, p.end())
	}
	old.sees("a", "")
	old.sees("b", "")
	for e, err := range b.store.List(t.Context(), "session/"+b.sessions.Cookie.Name+"/") {
		t.Errorf("there is %s, %v", e.Value, err)
	}
}

func destroyBeatsAWriteThatCameFirst(t *testing.T, b *browser) {
	b.put("a", "1")
	old := *b
	destroy := b.start(func(ctx context.Context) {
		if err := b.sessions.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})
	b.put("b", "1")
	b.take(destroy.end())
	if b.cookie != nil {
		t.Error("the cookie is still there")
	}
	old.sees("b", "")
}

func putAfterDestroyMakesAnother(t *testing.T, b *browser) {
	b.put("a", "1")
	old := *b
	b.do(func(ctx context.Context) {
		if err := b.sessions.Destroy(ctx); err != nil {
			t.Error(err)
		}
		b.sessions.Put(ctx, "b", "1")
	})
	if b.cookie == nil || b.cookie.Value == old.cookie.Value {
		t.Fatal("no new token")
	}
	b.sees("a", "")
	b.sees("b", "1")
	old.sees("b", "")
}

// login renews the token as a login does.
func (b *browser) login(user string) *http.Response {
	return b.do(func(ctx context.Context) {
		if err := b.sessions.RenewToken(ctx); err != nil {
			b.t.Error(err)
		}
		b.sessions.Put(ctx, "user", user)
	})
}

func renewalKeepsTheWritesOfRequestsUnderWay(t *testing.T, b *browser) {
	b.put("cart", "tea")
	old := *b
	items := session.Value[[]string]{Sessions: b.sessions, Name: "items"}
	under := b.start(func(ctx context.Context) {
		b.sessions.Put(ctx, "seen", "page")
		if err := items.Update(ctx, func(now []string) ([]string, error) { return append(now, "cup"), nil }); err != nil {
			t.Error(err)
		}
	})
	b.login("ada")
	b.do(func(ctx context.Context) {
		if err := items.Put(ctx, []string{"pot"}); err != nil {
			t.Error(err)
		}
	})
	wantNoCookie(t, under.end())
	wantNoCookie(t, old.put("sent", "late"))
	b.sees("cart", "tea")
	b.sees("user", "ada")
	b.sees("seen", "page")
	b.sees("sent", "late")
	b.do(func(ctx context.Context) {
		if got, err := items.Get(ctx); !slices.Equal(got, []string{"pot", "cup"}) || err != nil {
			t.Errorf("items %v, %v", got, err)
		}
	})
}

func writesBeforeTheRenewalIsSavedAreTakenAlong(_ *testing.T, b *browser) {
	b.put("a", "1")
	login := b.start(func(ctx context.Context) {
		b.sessions.RenewToken(ctx)
		b.sessions.Put(ctx, "user", "ada")
	})
	b.put("b", "1")
	b.take(login.end())
	b.sees("a", "1")
	b.sees("b", "1")
	b.sees("user", "ada")
}

func oldTokenDoesNotGiveTheNewRights(t *testing.T, b *browser) {
	b.put("cart", "tea")
	thief := *b
	attack := thief.start(func(ctx context.Context) {
		b.sessions.Put(ctx, "user", "eve")
		b.sessions.Remove(ctx, "address")
	})
	b.login("ada")
	b.put("address", "here")
	thief.sees("user", "")
	thief.sees("address", "")
	thief.sees("cart", "tea")
	attack.end()
	thief.put("user", "eve")
	thief.do(func(ctx context.Context) { b.sessions.Clear(ctx) })
	b.sees("user", "ada")
	b.sees("address", "here")
	thief.login("eve")
	thief.sees("address", "")
	b.sees("user", "ada")
}

func twoRenewalsMakeTwoSessions(t *testing.T, b *browser) {
	b.put("cart", "tea")
	other := *b
	second := other.start(func(ctx context.Context) {
		b.sessions.RenewToken(ctx)
		b.sessions.Put(ctx, "user", "bob")
	})
	b.login("ada")
	other.take(second.end())
	if b.cookie.Value == other.cookie.Value {
		t.Error("one token")
	}
	b.sees("user", "ada")
	b.sees("cart", "tea")
	other.sees("user", "bob")
	other.sees("cart", "tea")
}

func renewalsInARowAreFollowed(_ *testing.T, b *browser) {
	b.put("cart", "tea")
	under := b.start(func(ctx context.Context) { b.sessions.Put(ctx, "seen", "page") })
	b.login("ada")
	b.login("bob")
	b.login("cyd")
	under.end()
	b.sees("seen", "page")
	b.sees("user", "cyd")
}

func logoutWithTheOldTokenEndsTheSession(t *testing.T, b *browser) {
	b.put("cart", "tea")
	old := *b
	under := b.start(func(ctx context.Context) {
		if err := b.sessions.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})
	b.login("ada")
	under.end()
	b.sees("user", "")
	b = &old
	b.put("cart", "pot")
	old = *b
	b.login("ada")
	old.do(func(ctx context.Context) {
		if err := b.sessions.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})
	b.sees("user", "")
}

func withoutGraceTheOldTokenIsDead(t *testing.T, b *browser) {
	b.sessions.Grace = -1
	b.put("cart", "tea")
	old := *b
	under := b.start(func(ctx context.Context) { b.sessions.Put(ctx, "seen", "page") })
	b.login("ada")
	wantNoCookie(t, under.end())
	old.sees("cart", "")
	b.sees("seen", "")
	b.sees("user", "ada")
	b.sees("cart", "tea")
}

func failedUpdateChangesNothing(t *testing.T, b *browser) {
	count := session.Value[int]{Sessions: b.sessions, Name: "count"}
	refused := errors.New("sold out")
	b.do(func(ctx context.Context) {
		if err := count.Update(ctx, func(int) (int, error) { return 1, refused }); !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
		if b.sessions.Status(ctx) != session.Unmodified {
			t.Error("modified")
		}
	})
}
