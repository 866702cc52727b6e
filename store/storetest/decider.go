package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/store"
)

func (s *suite) below(t *testing.T, name, value, bound string, ttl time.Duration) (store.Entry, error) {
	t.Helper()
	e, err := store.PutBelow(t.Context(), s.Store, store.Write{Key: s.key(name), Value: []byte(value), TTL: ttl}, []byte(bound))
	if err != nil && !errors.Is(err, store.ErrConflict) {
		t.Fatalf("put %s below %q: %v", name, bound, err)
	}
	if e.Key != s.key(name) {
		t.Fatalf("put %s: the entry has key %q", name, e.Key)
	}
	return e, err
}

func below(t *testing.T, s *suite) {
	var last store.Entry
	for _, step := range []struct {
		value, bound string
		written      bool
	}{
		{"b", "", true}, // there is none: nothing to be compared
		{"c", "", false},
		{"c", "b", false}, // equal is not below
		{"c", "a\xff", false},
		{"b\x00", "b\x00", true}, // a part is less than the whole
		{"x", "b", false},
		{"Z", "c", true},
		{"a", "Za", true}, // by bytes, not as a language has it
		{"\x80\x00", "b", true},
		{"y", "\x7f\xff", false}, // bytes have no sign
		{"", "\x80\x01", true},
		{"\xff", "", false},
		{"end", "\x00", true},
	} {
		e, err := s.below(t, "a", step.value, step.bound, 0)
		if (err == nil) != step.written {
			t.Fatalf("%q below %q, where there is %q: written %v, want %v", step.value, step.bound, last.Value, err == nil, step.written)
		}
		if step.written {
			if e.Revision <= last.Revision || string(e.Value) != step.value {
				t.Fatalf("written %q: got %q with revision %d, after %d", step.value, e.Value, e.Revision, last.Revision)
			}
			last = e
		}
		if e.Revision != last.Revision || string(e.Value) != string(last.Value) {
			t.Fatalf("%q is in the way with revision %d; got %q with %d", last.Value, last.Revision, e.Value, e.Revision)
		}
		if now := s.want(t, "a", string(last.Value)); now.Revision != last.Revision {
			t.Fatalf("there is revision %d, want %d", now.Revision, last.Revision)
		}
	}
}

// belowTold looks at expiry, at what others write, and at watchers.
func belowTold(t *testing.T, s *suite) {
	w, err := s.Watch(t.Context(), s.key(""))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := s.below(t, "a", "m", "", time.Minute); err != nil {
		t.Fatal(err)
	}
	if c, err := w.Next(t.Context()); err != nil || !c.Missed && c.Key != s.key("a") {
		t.Fatalf("told of %+v, %v", c, err)
	}
	e, err := s.below(t, "a", "n", "a", 0)
	if err == nil || time.Until(e.Expires) > 2*time.Minute || e.Expires.IsZero() {
		t.Errorf("in the way: %v, until %v; want one that expires within a minute", err, e.Expires)
	}
	r := s.put(t, "a", "k", e.Revision, 50*time.Millisecond)
	if r <= e.Revision {
		t.Errorf("revision %d after %d", r, e.Revision)
	}
	var written store.Entry
	eventually(t, "what has expired is in nobody's way", func() bool {
		written, err = s.below(t, "a", "n", "a", 0)
		return err == nil
	})
	if written.Revision <= r {
		t.Errorf("revision %d after %d", written.Revision, r)
	}
	if e := s.want(t, "a", "n"); !e.Expires.IsZero() {
		t.Errorf("it expires %v, want never", e.Expires)
	}
	p := store.Prefixed(s.Store, s.key("a room/"))
	if e, err := store.PutBelow(t.Context(), p, store.Write{Key: "x", Value: []byte("1")}, nil); err != nil || e.Key != "x" {
		t.Errorf("behind a prefix: %q, %v", e.Key, err)
	}
	s.want(t, "a room/x", "1")
}

// oneBelow has handles as several processes have them claim turn after turn.
func oneBelow(t *testing.T, s *suite) {
	const claimants, turns = 8, 20
	var mu sync.Mutex
	won := map[string]int{}
	var all sync.WaitGroup
	for range claimants {
		h := s.open()
		all.Go(func() {
			for turn := range turns {
				value := fmt.Sprintf("%04d", turn)
				e, err := store.PutBelow(t.Context(), h, store.Write{Key: s.key("turn"), Value: []byte(value)}, []byte(value))
				switch {
				case err == nil:
					mu.Lock()
					won[value]++
					mu.Unlock()
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("turn %s: %v", value, err)
				case string(e.Value) < value:
					t.Errorf("turn %s was refused for %q", value, e.Value)
				}
			}
		})
	}
	all.Wait()
	for turn, n := range won {
		if n != 1 {
			t.Errorf("turn %s was won %d times", turn, n)
		}
	}
	if won[fmt.Sprintf("%04d", turns-1)] != 1 {
		t.Errorf("nobody won the last turn: %v", won)
	}
}
