package cache

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"
)

func newTestNear(t *testing.T, o Options) *near[int] {
	t.Helper()
	n, err := newNear[int](o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatWasDroppedSinceTheMarkIsNotKept(t *testing.T) {
	n := newTestNear(t, Options{MaxEntries: 10})
	for what, drop := range map[string]func(){"key": func() { n.remove("a") }, "all": n.clear} {
		m := n.mark("a")
		drop()
		n.put("a", &item[int]{}, m)
		if _, ok := n.items.GetIfPresent("a"); ok {
			t.Errorf("%s: it was kept", what)
		}
		n.put("a", &item[int]{}, n.mark("a"))
		if _, ok := n.items.GetIfPresent("a"); !ok {
			t.Errorf("%s: a later one is not kept", what)
		}
	}
}

func TestSweepRemovesTheDead(t *testing.T) {
	n := newTestNear(t, Options{MaxEntries: 10})
	n.put("dead", &item[int]{dead: 5}, n.mark("dead"))
	n.put("live", &item[int]{dead: 7}, n.mark("live"))
	n.sweep(6)
	if _, ok := n.items.GetIfPresent("dead"); ok {
		t.Error("it is still there")
	}
	if _, ok := n.items.GetIfPresent("live"); !ok {
		t.Error("what lives is gone")
	}
}

func TestPlaces(t *testing.T) {
	seen := map[string]string{}
	for _, key := range []string{"", "a", "a/b", "ä", "#", "#a", "\x00", "\xff", "a\x00", strings.Repeat("x", 240), strings.Repeat("x", 241), strings.Repeat("x", 5000)} {
		p := place(key)
		if other, ok := seen[p]; ok {
			t.Errorf("%q and %q have the same place", key, other)
		}
		seen[p] = key
		if len(p) > maxPlain {
			t.Errorf("%q has a place of %d bytes", key, len(p))
		}
		if again := place(p); p != key && again == p {
			t.Errorf("the place of %q is that of the key %q too", key, p)
		}
	}
}

func TestRecords(t *testing.T) {
	long := strings.Repeat("all work and no play ", 1000)
	p := newPress(100)
	for _, r := range []record{
		{kind: value, ttl: time.Minute, life: time.Hour, payload: []byte("short")},
		{kind: value, ttl: time.Minute, payload: []byte(long)},
		{kind: claim, ttl: time.Second},
	} {
		r.written = time.UnixMilli(1234567890123)
		b, err := p.pack(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.payload) > 100 && len(b) > len(r.payload)/10 {
			t.Errorf("%d bytes became %d", len(r.payload), len(b))
		}
		back, err := p.unpack(b)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(r) {
			t.Errorf("%v, %v; it was %v", back, err, r)
		}
		for n := range min(len(b), head) {
			if r, err := p.unpack(b[:n]); err == nil {
				t.Errorf("the first %d bytes are %v", n, r)
			}
		}
	}
}

// What does not compress costs a record's head, and no more.
func TestWhatDoesNotCompressIsKeptAsItIs(t *testing.T) {
	noise := make([]byte, 5000)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	b, err := newPress(100).pack(record{kind: value, payload: noise})
	if err != nil || len(b) != head+len(noise) || b[1] != 0 {
		t.Errorf("%d bytes with the flags %x, %v", len(b), b[1], err)
	}
}

func FuzzUnpack(f *testing.F) {
	p := newPress(10)
	for _, s := range []string{"", "short", strings.Repeat("long ", 100)} {
		b, err := p.pack(record{kind: value, payload: []byte(s)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := p.unpack(b)
		if err == nil && len(r.payload) > maxEncoded {
			t.Errorf("%d bytes became %d", len(b), len(r.payload))
		}
	})
}

func TestAHitAllocatesNothing(t *testing.T) {
	c, err := New(nil, "numbers", func(context.Context, string) (int, error) { return 1, nil }, Options{Level: Memory})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := c.Get(t.Context(), "one"); err != nil {
			t.Error(err)
		}
	}); n > 0.1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHit(b *testing.B) {
	c, err := New(nil, "numbers", func(context.Context, string) (int, error) { return 1, nil }, Options{Level: Memory})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("product-%d", i)
		if _, err := c.Get(ctx, keys[i]); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		if _, err := c.Get(ctx, keys[i%len(keys)]); err != nil {
			b.Fatal(err)
		}
	}
}
