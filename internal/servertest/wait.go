package servertest

import (
	"context"
	"testing"
	"time"

	"github.com/seguehq/segue/store"
)

// Patience is how long a test waits for what must happen, on a machine that does
// much else besides.
const Patience = time.Minute

// Eventually asks until it is so: for what other processes or goroutines bring
// about, and tell nobody of.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, Patience)
		}
	}
}

// Told waits until a watcher tells of a key, or, if it is empty, that it has
// missed some.
func Told(t testing.TB, w store.Watcher, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for {
		c, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("not told of %q: %v", key, err)
		}
		if c.Key == key || c.Missed && key == "" {
			return
		}
	}
}

// Put writes an entry whose value does not matter.
func Put(t testing.TB, s store.Store, key string, expect store.Revision) store.Revision {
	t.Helper()
	r, err := s.Put(t.Context(), store.Write{Key: key, Value: []byte("v"), Expect: expect})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
