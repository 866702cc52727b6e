package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/store"
)

// lockerTests are for stores that keep locks themselves.
var lockerTests = map[string]func(*testing.T, *suite){
	"lock that is free":                   lockFree,
	"lock first come, first served":       lockQueue,
	"lock asked for twice":                lockTwice,
	"lock tried":                          lockTry,
	"lock whose lease has ended":          lockExpired,
	"lock extended":                       lockExtended,
	"lock of which a waiter has died":     lockDeadWaiter,
	"lock left by a waiter":               lockLeft,
	"locks by prefix":                     lockList,
	"lock tokens grow":                    lockTokens,
	"lock requests that are refused":      lockRefusals,
	"lock behind a prefix":                lockPrefixed,
	"locks and entries are no neighbours": lockApart,
	"lock of a closed store":              lockClosed,
}

// long is a lease that does not end while a test runs, short one that does.
const (
	long  = time.Minute
	short = 60 * time.Millisecond
)

func (s *suite) locker(t *testing.T) store.Locker {
	t.Helper()
	l, ok := store.LockerOf(s.Store)
	if !ok {
		t.Fatal("no Locker")
	}
	return l
}

// id is unique for ever, as those of the suite's prefix are.
func (s *suite) id(name string) string { return strings.TrimPrefix(s.prefix, "storetest/") + name }

func (s *suite) wake(name string) string { return s.key("wake/" + name) }

func (s *suite) request(lock, name string, lease time.Duration) store.LockRequest {
	return store.LockRequest{Key: s.key(lock), ID: s.id(name), Wake: s.wake(name), Owner: "owner " + name, Lease: lease, Place: lease}
}

// ask asks for the lock, and wants the answer to be that so many are ahead.
func (s *suite) ask(t *testing.T, r store.LockRequest, ahead int) store.LockGrant {
	t.Helper()
	g, err := s.locker(t).AcquireLock(t.Context(), r)
	if err != nil {
		t.Fatalf("acquire %s for %s: %v", r.Key, r.ID, err)
	}
	if g.Ahead != ahead || (g.Token != 0) != (ahead == 0) {
		t.Fatalf("%s: token %d with %d ahead, want %d ahead", r.ID, g.Token, g.Ahead, ahead)
	}
	if g.Holder.ID == "" || ahead == 0 && g.Holder.ID != r.ID {
		t.Fatalf("%s is told that %q holds the lock", r.ID, g.Holder.ID)
	}
	return g
}

func (s *suite) release(t *testing.T, lock, name string, want error) {
	t.Helper()
	wantError(t, "release by "+name, s.locker(t).ReleaseLock(t.Context(), s.key(lock), s.id(name)), want)
}

func lockFree(t *testing.T, s *suite) {
	g := s.ask(t, s.request("l", "a", long), 0)
	if g.Holder.Owner != "owner a" || g.Holder.Left > long || g.Holder.Left < long/2 {
		t.Errorf("holder %+v", g.Holder)
	}
	if age := time.Since(g.Holder.Since); age < -time.Minute || age > time.Minute {
		t.Errorf("held since %v, %v ago", g.Holder.Since, age)
	}
	s.release(t, "l", "a", nil)
	s.release(t, "l", "a", store.ErrConflict)
	s.ask(t, s.request("l", "b", long), 0)
}

func lockQueue(t *testing.T, s *suite) {
	w := s.watch(t, "wake/")
	last := s.ask(t, s.request("l", "0", long), 0).Token
	const waiters = 5
	for n := 1; n <= waiters; n++ {
		g := s.ask(t, s.request("l", fmt.Sprint(n), long), n)
		if g.Holder.Owner != "owner 0" {
			t.Errorf("%+v holds the lock", g.Holder)
		}
	}
	for n := 1; n <= waiters; n++ {
		s.release(t, "l", fmt.Sprint(n-1), nil)
		told(t, w, s.wake(fmt.Sprint(n)))
		if n < waiters {
			s.ask(t, s.request("l", fmt.Sprint(n+1), long), 1)
		}
		g := s.ask(t, s.request("l", fmt.Sprint(n), long), 0)
		if g.Token <= last {
			t.Errorf("token %d after %d", g.Token, last)
		}
		last = g.Token
	}
}

func lockTwice(t *testing.T, s *suite) {
	g := s.ask(t, s.request("l", "a", long), 0)
	s.ask(t, s.request("l", "b", long), 1)
	if again := s.ask(t, s.request("l", "a", long), 0); again.Token != g.Token {
		t.Errorf("token %d, then %d, for the same grant", g.Token, again.Token)
	}
	s.ask(t, s.request("l", "b", long), 1)
	s.release(t, "l", "a", nil)
	s.ask(t, s.request("l", "b", long), 0)
	s.release(t, "l", "b", nil)
	s.ask(t, s.request("l", "c", long), 0)
}

func lockTry(t *testing.T, s *suite) {
	s.ask(t, s.request("l", "a", long), 0)
	try := s.request("l", "b", long)
	try.Try, try.Wake = true, ""
	if g := s.ask(t, try, 1); g.Holder.Owner != "owner a" {
		t.Errorf("%+v holds the lock", g.Holder)
	}
	s.release(t, "l", "b", store.ErrConflict)
	s.release(t, "l", "a", nil)
	s.ask(t, try, 0)
}

func lockExpired(t *testing.T, s *suite) {
	w := s.watch(t, "wake/")
	token := s.ask(t, s.request("l", "a", long), 0).Token
	if g := s.ask(t, s.request("l", "b", long), 1); g.Holder.Left > long {
		t.Errorf("%v left of %v", g.Holder.Left, long)
	}
	s.ask(t, s.request("l", "c", long), 2)
	// Only now, as its end must not come while the others take their places.
	if err := s.locker(t).ExtendLock(t.Context(), s.key("l"), s.id("a"), short); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the lease", func() bool { // c finds it, and b is woken
		if g, err := s.locker(t).AcquireLock(t.Context(), s.request("l", "c", long)); err != nil || g.Token != 0 {
			t.Fatal(g, err)
		} else {
			return g.Ahead == 1
		}
		return false
	})
	told(t, w, s.wake("b"))
	wantError(t, "extend what has ended", s.locker(t).ExtendLock(t.Context(), s.key("l"), s.id("a"), long), store.ErrConflict)
	s.release(t, "l", "a", store.ErrConflict)
	if g := s.ask(t, s.request("l", "b", long), 0); g.Token <= token {
		t.Errorf("token %d after %d", g.Token, token)
	}
	s.ask(t, s.request("l", "a", long), 2) // behind all
}

func lockExtended(t *testing.T, s *suite) {
	s.ask(t, s.request("l", "a", long/4), 0)
	if err := s.locker(t).ExtendLock(t.Context(), s.key("l"), s.id("a"), long); err != nil {
		t.Fatal(err)
	}
	if g := s.ask(t, s.request("l", "b", long), 1); g.Holder.Left < long/2 {
		t.Errorf("%v left of %v", g.Holder.Left, long)
	}
	wantError(t, "extend as a waiter", s.locker(t).ExtendLock(t.Context(), s.key("l"), s.id("b"), long), store.ErrConflict)
	wantError(t, "extend as a stranger", s.locker(t).ExtendLock(t.Context(), s.key("l"), s.id("x"), long), store.ErrConflict)
	wantError(t, "extend what nobody holds", s.locker(t).ExtendLock(t.Context(), s.key("none"), s.id("a"), long), store.ErrConflict)
	// Shorter is possible too, and nobody has to ask for it to end.
	if err := s.locker(t).ExtendLock(t.Context(), s.key("l"), s.id("a"), short); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the lease", func() bool {
		err := s.locker(t).ExtendLock(t.Context(), s.key("l"), s.id("a"), time.Millisecond)
		return errors.Is(err, store.ErrConflict)
	})
	s.ask(t, s.request("l", "b", long), 0)
}

func lockDeadWaiter(t *testing.T, s *suite) {
	w := s.watch(t, "wake/")
	s.ask(t, s.request("l", "a", long), 0)
	s.ask(t, s.request("l", "dies", long), 1)
	s.ask(t, s.request("l", "b", long), 2)
	s.ask(t, s.request("l", "dies", short), 1) // its place lasts so long from now on
	eventually(t, "the end of the place", func() bool {
		g, err := s.locker(t).AcquireLock(t.Context(), s.request("l", "b", long))
		return err == nil && g.Ahead == 1
	})
	s.release(t, "l", "a", nil)
	told(t, w, s.wake("b"))
	s.ask(t, s.request("l", "dies", long), 1) // it has lost its place
	s.release(t, "l", "b", nil)
	s.ask(t, s.request("l", "dies", long), 0)
}

func lockLeft(t *testing.T, s *suite) {
	s.ask(t, s.request("l", "a", long), 0)
	s.ask(t, s.request("l", "b", long), 1)
	s.ask(t, s.request("l", "c", long), 2)
	s.release(t, "l", "b", nil)
	s.release(t, "l", "b", store.ErrConflict)
	s.ask(t, s.request("l", "c", long), 1)
	s.release(t, "l", "a", nil)
	s.ask(t, s.request("l", "c", long), 0)
}

func (s *suite) locks(t *testing.T, prefix string) (all []store.LockState) {
	t.Helper()
	for l, err := range s.locker(t).Locks(t.Context(), s.key(prefix)) {
		if err != nil {
			t.Fatal(err)
		}
		l.Key = strings.TrimPrefix(l.Key, s.prefix)
		all = append(all, l)
	}
	return all
}

func lockList(t *testing.T, s *suite) {
	for _, name := range []string{"b/1", "a%2", "a%1", "c_", "cx", "ends"} {
		s.ask(t, s.request(name, name, map[bool]time.Duration{true: short, false: long}[name == "ends"]), 0)
	}
	s.ask(t, s.request("b/1", "second", long), 1)
	s.ask(t, s.request("b/1", "third", long), 2)
	eventually(t, "the end of a lease", func() bool { return len(s.locks(t, "ends")) == 0 })
	for prefix, want := range map[string]string{"": "a%1 a%2 b/1 c_ cx", "a%": "a%1 a%2", "c_": "c_", "none": ""} {
		var got []string
		for _, l := range s.locks(t, prefix) {
			got = append(got, l.Key)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("prefix %q: %q, want %q", prefix, got, want)
		}
	}
	l := s.locks(t, "b/1")[0]
	if l.Token <= 0 || l.Holder.Owner != "owner b/1" || l.Holder.Left <= 0 || l.Holder.ID != s.id("b/1") {
		t.Errorf("%+v", l)
	}
	var waiters []string
	for _, w := range l.Waiters {
		waiters = append(waiters, w.Owner)
		if w.Left <= 0 || w.Since.IsZero() {
			t.Errorf("%+v", w)
		}
	}
	if want := []string{"owner second", "owner third"}; !slices.Equal(waiters, want) {
		t.Errorf("%q wait, want %q", waiters, want)
	}
	for range s.locker(t).Locks(t.Context(), s.prefix) {
		break
	}
	s.release(t, "b/1", "b/1", nil) // nothing is left locked
}

// Several processes ask at once; each has the lock some times.
func lockTokens(t *testing.T, s *suite) {
	const each, processes = 10, 4
	var mu sync.Mutex
	var tokens []store.Revision // in the order in which they were granted
	var all sync.WaitGroup
	for p := range processes {
		locker, _ := store.LockerOf(s.open())
		all.Go(func() {
			for n := range each {
				r := s.request("l", fmt.Sprint(p, ".", n), long)
				var g store.LockGrant
				for g.Token == 0 {
					var err error
					if g, err = locker.AcquireLock(t.Context(), r); err != nil {
						t.Error(err)
						return
					}
				}
				mu.Lock()
				tokens = append(tokens, g.Token)
				mu.Unlock()
				if err := locker.ReleaseLock(t.Context(), r.Key, r.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if !slices.IsSorted(tokens) || len(slices.Compact(tokens)) != each*processes {
		t.Errorf("tokens %v", tokens)
	}
}

func lockRefusals(t *testing.T, s *suite) {
	for what, change := range map[string]func(*store.LockRequest){
		"no key":            func(r *store.LockRequest) { r.Key = "" },
		"a key too long":    func(r *store.LockRequest) { r.Key = strings.Repeat("k", store.MaxKey+1) },
		"no ID":             func(r *store.LockRequest) { r.ID = "" },
		"an ID too long":    func(r *store.LockRequest) { r.ID = strings.Repeat("i", 65) },
		"no lease":          func(r *store.LockRequest) { r.Lease = 0 },
		"too short a place": func(r *store.LockRequest) { r.Place = time.Microsecond },
	} {
		r := s.request("l", "a", long)
		change(&r)
		if _, err := s.locker(t).AcquireLock(t.Context(), r); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: got %v, want it refused", what, err)
		}
	}
}

func lockPrefixed(t *testing.T, s *suite) {
	w := s.watch(t, "wake/b")
	inside, ok := store.LockerOf(store.Prefixed(s.Store, s.prefix))
	if !ok {
		t.Fatal("no Locker behind the prefix")
	}
	s.ask(t, s.request("l", "a", long), 0)
	r := s.request("l", "b", long)
	r.Key, r.Wake = "l", "wake/b"
	g, err := inside.AcquireLock(t.Context(), r)
	if err != nil || g.Ahead != 1 {
		t.Fatal(g, err)
	}
	for l, err := range inside.Locks(t.Context(), "") {
		if err != nil || l.Key != "l" {
			t.Errorf("%q is held, %v", l.Key, err)
		}
	}
	s.release(t, "l", "a", nil)
	told(t, w, s.wake("b"))
	wantError(t, "extend", inside.ExtendLock(t.Context(), "l", r.ID, long), nil)
	wantError(t, "release", inside.ReleaseLock(t.Context(), "l", r.ID), nil)
}

func lockApart(t *testing.T, s *suite) {
	s.ask(t, s.request("same", "a", long), 0)
	_, err := s.Get(t.Context(), s.key("same"))
	wantError(t, "get", err, store.ErrNotFound)
	s.put(t, "same", "entry", store.Absent, 0)
	for e, err := range s.List(t.Context(), s.prefix) {
		if err != nil || e.Key != s.key("same") || string(e.Value) != "entry" {
			t.Errorf("listed %q, %v", e.Key, err)
		}
	}
	s.release(t, "same", "a", nil)
	s.want(t, "same", "entry")
}

func lockClosed(t *testing.T, s *suite) {
	l := s.locker(t)
	r := s.request("l", "a", long)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.AcquireLock(ctx, r)
	wantError(t, "acquire with a context that is done", err, context.Canceled)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = l.AcquireLock(t.Context(), r)
	wantError(t, "acquire", err, store.ErrClosed)
	wantError(t, "extend", l.ExtendLock(t.Context(), r.Key, r.ID, long), store.ErrClosed)
	wantError(t, "release", l.ReleaseLock(t.Context(), r.Key, r.ID), store.ErrClosed)
	for _, err := range l.Locks(t.Context(), s.prefix) {
		wantError(t, "list", err, store.ErrClosed)
	}
}
