package cache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/cache"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

// A version of something long: each has its number in every byte, in effect.
func version(n byte, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte{n})).Read(b)
	return b
}

type library struct {
	mu    sync.Mutex
	text  []byte
	opens atomic.Int64
}

func (l *library) set(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = b
}

func (l *library) open(context.Context, string) (io.ReadCloser, error) {
	l.opens.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	return io.NopCloser(bytes.NewReader(l.text)), nil
}

func stream(t *testing.T, s store.Store, load func(context.Context, string) (io.ReadCloser, error), o cache.Options) *cache.Stream {
	t.Helper()
	st, err := cache.NewStream(s, "books", load, unhurried(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func read(t *testing.T, s *cache.Stream) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), "book")
	if err != nil {
		t.Error(err)
		return nil
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return b
}

func TestStreamsOfAnySizeAreOneLoad(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var l library
		a, b := stream(t, open(t), l.open, cache.Options{}), stream(t, open(t), l.open, cache.Options{})
		for _, size := range []int{0, 1 << 20, 2<<20 + 17} {
			l.opens.Store(0)
			l.set(version(1, size))
			if err := a.Invalidate(t.Context(), "book"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the new size", func() bool { return len(read(t, b)) == size })
			var wg sync.WaitGroup
			for _, s := range []*cache.Stream{a, b, a, b} {
				wg.Go(func() {
					if got := read(t, s); !bytes.Equal(got, version(1, size)) {
						t.Errorf("%d bytes are not what the %d were", len(got), size)
					}
				})
			}
			wg.Wait()
			if n := l.opens.Load(); n != 1 {
				t.Errorf("%d bytes: %d loads", size, n)
			}
		}
	})
}

// While the book is replaced all the time, whoever reads it reads one version.
func TestAReaderReadsOneVersion(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		const size = 2<<20 + 100
		valid := map[[32]byte]byte{}
		for n := range byte(6) {
			valid[sha256.Sum256(version(n, size))] = n
		}
		var l library
		l.set(version(0, size))
		a, b := stream(t, open(t), l.open, cache.Options{}), stream(t, open(t), l.open, cache.Options{})
		begun, err := b.Get(t.Context(), "book")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, s := range []*cache.Stream{a, b} {
			wg.Go(func() {
				for last := byte(0); last < 5; {
					n, ok := valid[sha256.Sum256(read(t, s))]
					if !ok || t.Failed() {
						t.Errorf("after version %d: neither one nor the other", last)
						return
					}
					last = max(last, n)
				}
			})
		}
		for n := byte(1); n < 6; n++ {
			l.set(version(n, size))
			if err := a.Invalidate(t.Context(), "book"); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		if got, err := io.ReadAll(begun); err != nil || sha256.Sum256(got) != sha256.Sum256(version(0, size)) {
			t.Errorf("who had begun before read something else, %v", err)
		}
	})
}

func TestAStreamThatIsTooLargeIsReadFromItsSource(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		var l library
		l.set(version(1, 3<<20))
		st := open(t)
		s := stream(t, st, l.open, cache.Options{MaxValue: 2 << 20})
		for range 3 {
			if got := read(t, s); !bytes.Equal(got, version(1, 3<<20)) {
				t.Errorf("got %d other bytes", len(got))
			}
		}
		if n := l.opens.Load(); n != 4 || s.Stats().Refused != 1 {
			t.Errorf("%d loads: it was tried more than once to keep it; %+v", n, s.Stats())
		}
		for e, err := range st.List(t.Context(), "cache/books/d/") {
			t.Errorf("left behind: %s, %v", e.Key, err)
		}
	})
}

func TestAStreamWithoutTheStore(t *testing.T) {
	c := &cut{Store: servertest.Memory()()}
	var l library
	l.set(version(1, 3<<20))
	s := stream(t, c, l.open, cache.Options{})
	read(t, s)
	r, err := s.Get(t.Context(), "book") // has read the first part
	if err != nil {
		t.Fatal(err)
	}
	c.off.Store(true)
	if got := read(t, s); !bytes.Equal(got, version(1, 3<<20)) {
		t.Errorf("got %d other bytes", len(got))
	}
	if got, err := io.ReadAll(r); !errors.Is(err, errCut) || len(got) != 1<<20 {
		t.Errorf("one who was reading got %d bytes, %v", len(got), err)
	}
	if st := s.Stats(); st.Bypassed == 0 {
		t.Errorf("%+v", st)
	}
}

func TestAStreamOfWhichTheStoreHasLostAPart(t *testing.T) {
	for part := range 3 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			st := servertest.Memory()()
			var l library
			l.set(version(1, 3<<20))
			s := stream(t, st, l.open, cache.Options{})
			read(t, s)
			n := 0
			for e, err := range st.List(t.Context(), "cache/books/d/") {
				if err != nil {
					t.Fatal(err)
				}
				if n == part {
					if err := st.Delete(t.Context(), e.Key, store.Any); err != nil {
						t.Fatal(err)
					}
				}
				n++
			}
			r, err := s.Get(t.Context(), "book")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			switch {
			case part == 0 && (err != nil || !bytes.Equal(got, version(1, 3<<20))):
				t.Errorf("it was not loaded anew: %d bytes, %v", len(got), err)
			case part > 0 && (!errors.Is(err, cache.ErrTorn) || !bytes.Equal(got, version(1, 3<<20)[:part<<20])):
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

// A source that is cut off says so by io.ErrUnexpectedEOF, as an HTTP body does.
func TestASourceThatIsCutOffIsNotKept(t *testing.T) {
	var opens atomic.Int64
	s := stream(t, servertest.Memory()(), func(context.Context, string) (io.ReadCloser, error) {
		whole := io.Reader(bytes.NewReader(version(1, 2000)))
		if opens.Add(1) == 1 {
			whole = io.MultiReader(bytes.NewReader(version(1, 1000)), failing{io.ErrUnexpectedEOF})
		}
		return io.NopCloser(whole), nil
	}, cache.Options{})
	if r, err := s.Get(t.Context(), "book"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, %v", r, err)
	}
	if got := read(t, s); !bytes.Equal(got, version(1, 2000)) {
		t.Errorf("then %d bytes", len(got))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
