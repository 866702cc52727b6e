// Package storetest is what every driver of store has to pass.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return open(t, url) })
//	}
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/store"
)

// patience is how long the suite waits for what must happen.
const patience = 10 * time.Second

var storeTests = map[string]func(*testing.T, *suite){
	"get what is not there":           getMissing,
	"create once":                     createOnce,
	"replace what was read":           replace,
	"replace anything":                replaceAny,
	"delete":                          deletes,
	"revisions only grow":             revisionsGrow,
	"values come back as they are":    values,
	"the caller's value is its own":   valueIsCopied,
	"what is refused":                 refusals,
	"expiry":                          expiry,
	"a write sets the expiry anew":    expiryAnew,
	"an expired entry is absent":      expiredIsAbsent,
	"list by prefix":                  list,
	"list takes prefixes by bytes":    listLiteral,
	"list can be left":                listLeft,
	"a write below a bound":           below,
	"a write below is seen":           belowTold,
	"one of many below a bound wins":  oneBelow,
	"one of many writers wins":        oneWins,
	"no increment is lost":            increments,
	"a watcher is told":               watch,
	"a watcher misses no last change": watchLast,
	"a watcher can be closed":         watchClosed,
	"a closed store":                  closed,
	"a context that is done":          contextDone,
}

// Run holds a driver to the contract. open returns a handle on one and the same
// store each time it is called, as another process would have it; the suite
// closes it. What else is in the store does not matter. Of a store.Locker it tests
// the locks as well.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	run(t, open, storeTests)
	h := open(t)
	if _, ok := h.(store.Locker); ok {
		run(t, open, lockerTests)
	}
	if err := h.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func run(t *testing.T, open func(t *testing.T) store.Store, tests map[string]func(*testing.T, *suite)) {
	for name, test := range tests {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := &suite{prefix: fmt.Sprintf("storetest/%x/", rand.Uint64()), open: func() store.Store {
				h := open(t)
				t.Cleanup(func() {
					if err := h.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
				return h
			}}
			s.Store = s.open()
			test(t, s)
		})
	}
}

// A suite is one test's room in the store.
type suite struct {
	store.Store
	prefix string
	open   func() store.Store
}

func (s *suite) key(name string) string { return s.prefix + name }

func (s *suite) put(t *testing.T, name, value string, expect store.Revision, ttl time.Duration) store.Revision {
	t.Helper()
	r, err := s.Put(t.Context(), store.Write{Key: s.key(name), Value: []byte(value), Expect: expect, TTL: ttl})
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return r
}

func (s *suite) want(t *testing.T, name, value string) store.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), s.key(name))
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	if e.Key != s.key(name) || string(e.Value) != value {
		t.Fatalf("got %q with %q, want %q with %q", e.Key, e.Value, s.key(name), value)
	}
	return e
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

// eventually asks until it is so. There is no event for what time does.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func getMissing(t *testing.T, s *suite) {
	_, err := s.Get(t.Context(), s.key("none"))
	wantError(t, "get", err, store.ErrNotFound)
}

func createOnce(t *testing.T, s *suite) {
	r := s.put(t, "a", "one", store.Absent, 0)
	if e := s.want(t, "a", "one"); e.Revision != r || !e.Expires.IsZero() {
		t.Errorf("revision %d, expires %v; want %d, never", e.Revision, e.Expires, r)
	}
	_, err := s.Put(t.Context(), store.Write{Key: s.key("a"), Value: []byte("two")})
	wantError(t, "create again", err, store.ErrConflict)
	s.want(t, "a", "one")
}

func replace(t *testing.T, s *suite) {
	old := s.put(t, "a", "one", store.Absent, 0)
	r := s.put(t, "a", "two", old, 0)
	_, err := s.Put(t.Context(), store.Write{Key: s.key("a"), Value: []byte("three"), Expect: old})
	wantError(t, "replace what is no longer", err, store.ErrConflict)
	if e := s.want(t, "a", "two"); e.Revision != r {
		t.Errorf("revision %d, want %d", e.Revision, r)
	}
	_, err = s.Put(t.Context(), store.Write{Key: s.key("none"), Expect: r})
	wantError(t, "replace what was never there", err, store.ErrConflict)
}

func replaceAny(t *testing.T, s *suite) {
	s.put(t, "a", "one", store.Any, 0)
	s.put(t, "a", "two", store.Any, 0)
	s.want(t, "a", "two")
}

func deletes(t *testing.T, s *suite) {
	r := s.put(t, "a", "one", store.Absent, 0)
	wantError(t, "delete another revision", s.Delete(t.Context(), s.key("a"), r+1), store.ErrConflict)
	s.want(t, "a", "one")
	wantError(t, "delete", s.Delete(t.Context(), s.key("a"), r), nil)
	_, err := s.Get(t.Context(), s.key("a"))
	wantError(t, "get", err, store.ErrNotFound)
	wantError(t, "delete what is gone", s.Delete(t.Context(), s.key("a"), r), store.ErrConflict)
	wantError(t, "delete whatever there is", s.Delete(t.Context(), s.key("a"), store.Any), nil)
	s.put(t, "a", "again", store.Absent, 0)
	wantError(t, "delete whatever there is", s.Delete(t.Context(), s.key("a"), store.Any), nil)
}

func revisionsGrow(t *testing.T, s *suite) {
	last := store.Absent
	next := func(r store.Revision) {
		t.Helper()
		if r <= last {
			t.Fatalf("revision %d after %d", r, last)
		}
		last = r
	}
	next(s.put(t, "a", "1", store.Absent, 0))
	next(s.put(t, "a", "2", last, 0))
	wantError(t, "delete", s.Delete(t.Context(), s.key("a"), store.Any), nil)
	next(s.put(t, "a", "3", store.Absent, 20*time.Millisecond))
	eventually(t, "expiry", func() bool {
		_, err := s.Get(t.Context(), s.key("a"))
		return errors.Is(err, store.ErrNotFound)
	})
	other := s.open()
	r, err := other.Put(t.Context(), store.Write{Key: s.key("a")})
	wantError(t, "create by another handle", err, nil)
	next(r)
}

func values(t *testing.T, s *suite) {
	big := bytes.Repeat([]byte("0123456789abcdef"), store.MaxValue/16)
	for name, v := range map[string][]byte{
		"empty": {}, "binary": {0, 255, '\n', 0, 128, '\'', '"', '\\'}, "big": big, "text": []byte("ü 漢 \U0001F600"),
		"key ' \" \\ % _ * ? [ü漢": []byte("in the key"), strings.Repeat("k", store.MaxKey-len(s.prefix)): []byte("longest key"),
	} {
		if _, err := s.Put(t.Context(), store.Write{Key: s.key(name), Value: v}); err != nil {
			t.Fatalf("put %.20q: %v", name, err)
		}
		e, err := s.Get(t.Context(), s.key(name))
		if err != nil || !bytes.Equal(e.Value, v) {
			t.Errorf("%.20q: %d bytes came back of %d: %v", name, len(e.Value), len(v), err)
		}
	}
}

func valueIsCopied(t *testing.T, s *suite) {
	mine := []byte("mine")
	if _, err := s.Put(t.Context(), store.Write{Key: s.key("a"), Value: mine}); err != nil {
		t.Fatal(err)
	}
	copy(mine, "xxxx")
	e := s.want(t, "a", "mine")
	copy(e.Value, "yyyy")
	s.want(t, "a", "mine")
}

func refusals(t *testing.T, s *suite) {
	for what, w := range map[string]store.Write{
		"no key":           {},
		"a key too long":   {Key: strings.Repeat("k", store.MaxKey+1)},
		"a NUL in the key": {Key: s.key("\x00")},
		"not UTF-8":        {Key: s.key("\xff")},
		"too large":        {Key: s.key("a"), Value: make([]byte, store.MaxValue+1)},
		"too short a life": {Key: s.key("a"), TTL: time.Microsecond},
		"a negative life":  {Key: s.key("a"), TTL: -time.Second},
		"no such revision": {Key: s.key("a"), Expect: -2},
	} {
		if _, err := s.Put(t.Context(), w); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: got %v, want it refused", what, err)
		}
	}
	if _, err := s.Get(t.Context(), ""); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("get without a key: %v", err)
	}
}

func expiry(t *testing.T, s *suite) {
	s.put(t, "long", "stays", store.Absent, time.Hour)
	if e := s.want(t, "long", "stays"); time.Until(e.Expires) < 50*time.Minute || time.Until(e.Expires) > 70*time.Minute {
		t.Errorf("expires %v, want in an hour", e.Expires)
	}
	s.put(t, "short", "goes", store.Absent, 30*time.Millisecond)
	eventually(t, "expiry", func() bool {
		_, err := s.Get(t.Context(), s.key("short"))
		return errors.Is(err, store.ErrNotFound)
	})
	for e, err := range s.List(t.Context(), s.prefix) {
		if err != nil || e.Key != s.key("long") {
			t.Errorf("listed %q, %v", e.Key, err)
		}
	}
}

func expiryAnew(t *testing.T, s *suite) {
	s.put(t, "a", "one", store.Absent, time.Hour)
	s.put(t, "a", "two", store.Any, 0)
	if e := s.want(t, "a", "two"); !e.Expires.IsZero() {
		t.Errorf("expires %v, want never", e.Expires)
	}
}

func expiredIsAbsent(t *testing.T, s *suite) {
	r := s.put(t, "a", "one", store.Absent, 20*time.Millisecond)
	eventually(t, "create what has expired", func() bool {
		_, err := s.Put(t.Context(), store.Write{Key: s.key("a"), Value: []byte("two")})
		return err == nil
	})
	_, err := s.Put(t.Context(), store.Write{Key: s.key("a"), Value: []byte("three"), Expect: r})
	wantError(t, "replace what has expired", err, store.ErrConflict)
	s.want(t, "a", "two")
}

func list(t *testing.T, s *suite) {
	for _, name := range []string{"b", "a/2", "a/1", "a", "a/10", "ä", "c"} {
		s.put(t, name, "of "+name, store.Absent, 0)
	}
	for prefix, want := range map[string][]string{
		"": {"a", "a/1", "a/10", "a/2", "b", "c", "ä"}, "a/": {"a/1", "a/10", "a/2"}, "a": {"a", "a/1", "a/10", "a/2"}, "none": nil,
	} {
		var got []string
		for e, err := range s.List(t.Context(), s.key(prefix)) {
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimPrefix(e.Key, s.prefix)
			if string(e.Value) != "of "+name || e.Revision <= 0 {
				t.Errorf("%s has %q at %d", name, e.Value, e.Revision)
			}
			got = append(got, name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("prefix %q: got %q, want %q", prefix, got, want)
		}
	}
}

// Drivers search by patterns; a prefix is none.
func listLiteral(t *testing.T, s *suite) {
	for _, c := range []string{"%", "_", "*", "?", "[a]", "\\", "'", "^"} {
		s.put(t, "lit"+c+"x", "yes", store.Absent, 0)
		s.put(t, "litaax", "no", store.Any, 0)
		n := 0
		for e, err := range s.List(t.Context(), s.key("lit"+c)) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; e.Key != s.key("lit"+c+"x") {
				t.Errorf("prefix lit%s lists %q", c, e.Key)
			}
		}
		if n != 1 {
			t.Errorf("prefix lit%s lists %d entries, want 1", c, n)
		}
	}
}

func listLeft(t *testing.T, s *suite) {
	for n := range 10 {
		s.put(t, fmt.Sprint(n), "x", store.Absent, 0)
	}
	for range s.List(t.Context(), s.prefix) {
		break
	}
	s.put(t, "after", "x", store.Absent, 0) // nothing is left locked
	for _, err := range s.List(t.Context(), s.prefix) {
		if err != nil {
			t.Fatal(err)
		}
		s.put(t, "while", "x", store.Any, 0) // nor is it while one reads
	}
}

func oneWins(t *testing.T, s *suite) {
	handles := []store.Store{s.Store, s.open(), s.open()}
	for round := range 20 {
		var won sync.Map
		var all sync.WaitGroup
		for n := range 12 {
			all.Go(func() {
				_, err := handles[n%len(handles)].Put(t.Context(), store.Write{Key: s.key(fmt.Sprint(round)), Value: fmt.Append(nil, n)})
				switch {
				case err == nil:
					won.Store(n, true)
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
				}
			})
		}
		all.Wait()
		winners := 0
		won.Range(func(n, _ any) bool {
			winners++
			s.want(t, fmt.Sprint(round), fmt.Sprint(n))
			return true
		})
		if winners != 1 {
			t.Fatalf("round %d: %d writers have created the entry, want 1", round, winners)
		}
	}
}

func increments(t *testing.T, s *suite) {
	const writers, each = 8, 25
	handles := []store.Store{s.Store, s.open()}
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			for range each {
				if err := increment(t.Context(), handles[n%2], s.key("n")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s.want(t, "n", fmt.Sprint(writers*each))
}

func increment(ctx context.Context, s store.Store, key string) error {
	for {
		n := 0
		e, err := s.Get(ctx, key)
		if err == nil {
			_, err = fmt.Sscan(string(e.Value), &n)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		_, err = s.Put(ctx, store.Write{Key: key, Value: fmt.Append(nil, n+1), Expect: e.Revision})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// told waits until the watcher has told of all these keys, or that it has missed
// some, which is as good.
func told(t *testing.T, w store.Watcher, keys ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for left := slices.Clone(keys); len(left) > 0; {
		c, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("not told of %q: %v", left, err)
		}
		if c.Missed {
			return
		}
		left = slices.DeleteFunc(left, func(k string) bool { return k == c.Key })
	}
}

func (s *suite) watch(t *testing.T, name string) store.Watcher {
	t.Helper()
	w, err := s.Watch(t.Context(), s.key(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() }) // a second time does nothing
	return w
}

func watch(t *testing.T, s *suite) {
	other := s.open()
	w := s.watch(t, "a/")
	for _, h := range []store.Store{s.Store, other} {
		if _, err := h.Put(t.Context(), store.Write{Key: s.key("b/1"), Expect: store.Any}); err != nil {
			t.Fatal(err)
		}
		r, err := h.Put(t.Context(), store.Write{Key: s.key("a/1"), Expect: store.Any})
		if err != nil {
			t.Fatal(err)
		}
		told(t, w, s.key("a/1"))
		if err := h.Delete(t.Context(), s.key("a/1"), r); err != nil {
			t.Fatal(err)
		}
		told(t, w, s.key("a/1"))
	}
}

// Whoever looks at an entry each time a watcher tells of it ends with what it is
// now, however slow he is.
func watchLast(t *testing.T, s *suite) {
	other := s.open()
	w := s.watch(t, "")
	const last = 300
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := range last + 1 {
			if _, err := other.Put(t.Context(), store.Write{Key: s.key("n"), Value: fmt.Append(nil, n), Expect: store.Any}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writing.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, err := w.Next(ctx); err != nil {
			t.Fatalf("the last change was not told: %v", err)
		}
		e, err := s.Get(ctx, s.key("n"))
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Value) == fmt.Sprint(last) {
			return
		}
	}
}

func watchClosed(t *testing.T, s *suite) {
	w := s.watch(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.Next(ctx)
	wantError(t, "next with a context that is done", err, context.Canceled)
	s.put(t, "a", "", store.Absent, 0)
	told(t, w, s.key("a"))
	ended := make(chan error)
	go func() {
		_, err := w.Next(context.Background())
		ended <- err
	}()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		wantError(t, "next", err, store.ErrClosed)
	case <-time.After(patience):
		t.Fatal("Close does not end Next")
	}
}

func closed(t *testing.T, s *suite) {
	other := s.open()
	s.put(t, "a", "stays", store.Absent, 0)
	w := s.watch(t, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := w.Next(t.Context())
	wantError(t, "next", err, store.ErrClosed)
	_, err = s.Get(t.Context(), s.key("a"))
	wantError(t, "get", err, store.ErrClosed)
	_, err = s.Put(t.Context(), store.Write{Key: s.key("a"), Expect: store.Any})
	wantError(t, "put", err, store.ErrClosed)
	wantError(t, "delete", s.Delete(t.Context(), s.key("a"), store.Any), store.ErrClosed)
	_, err = s.Watch(t.Context(), "")
	wantError(t, "watch", err, store.ErrClosed)
	wantError(t, "close again", s.Close(), nil)
	s.Store = other
	s.want(t, "a", "stays")
}

func contextDone(t *testing.T, s *suite) {
	s.put(t, "a", "one", store.Absent, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Get(ctx, s.key("a"))
	wantError(t, "get", err, context.Canceled)
	_, err = s.Put(ctx, store.Write{Key: s.key("a"), Value: []byte("two"), Expect: store.Any})
	wantError(t, "put", err, context.Canceled)
	s.want(t, "a", "one")
}
