package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/seguehq/segue/store"
)

// ErrTorn is what Read of a stream returns if the store has lost what comes next.
var ErrTorn = errors.New("cache: the store has lost a part of the stream")

// A Stream is a cache of what is read as a stream: too large for one value, or for
// memory. It is in the store in parts; what a Cache keeps is which parts. It may
// be used concurrently.
type Stream struct {
	index *Cache[index]
	load  func(ctx context.Context, key string) (io.ReadCloser, error)
	max   int64
}

// An index says where the parts of one version are. No other version has them.
type index struct {
	ID       string `json:"id"`
	Parts    int    `json:"parts"`
	Size     int64  `json:"size"`
	TooLarge bool   `json:"too_large,omitempty"` // and has no parts
}

// errUnkept is what a source is not kept for; its readers read it by themselves.
var errUnkept = errors.New("the stream could not be kept")

// NewStream makes a cache of streams of this name. load opens the source of what
// is not there; see New. A stream of up to Options.MaxValue bytes (64 MiB if that
// is 0) is kept, in the store alone: the level only says where it is known what
// there is.
func NewStream(s store.Store, name string, load func(ctx context.Context, key string) (io.ReadCloser, error), o Options) (*Stream, error) {
	if s == nil || load == nil || o.Level == Memory || o.LevelOf != nil {
		return nil, fmt.Errorf("cache %s: a stream needs a store and a loader, and is not kept in memory", name)
	}
	st := &Stream{load: load, max: o.MaxValue}
	if st.max == 0 {
		st.max = maxStream
	}
	o.MaxValue = 0
	var err error
	st.index, err = New(s, name, st.keep, o)
	return st, err
}

// Get returns a reader of what the key stands for: of the store's copy, or if it
// is too large to be kept or the store is away, of the source. ctx has to live as
// long as the reader, which the caller closes. What it reads is one version to the
// end, or fails with ErrTorn.
func (s *Stream) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	for range 2 {
		in, err := s.index.Get(ctx, key)
		switch {
		case errors.Is(err, errUnkept), err == nil && in.TooLarge:
			return s.load(ctx, key)
		case err != nil:
			return nil, err
		}
		r := &reader{ctx: ctx, s: s, in: in}
		if err = r.next(); err == nil || err == io.EOF {
			return r, nil
		}
		if !errors.Is(err, ErrTorn) || s.index.Invalidate(ctx, key) != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.index.counts.bypassed.Add(1)
	return s.load(ctx, key)
}

// Invalidate is that of Cache. Readers read on what they have begun.
func (s *Stream) Invalidate(ctx context.Context, keys ...string) error {
	return s.index.Invalidate(ctx, keys...)
}

// InvalidateAll is that of Cache.
func (s *Stream) InvalidateAll(ctx context.Context) error { return s.index.InvalidateAll(ctx) }

// Stats is that of Cache.
func (s *Stream) Stats() Stats { return s.index.Stats() }

// Close is that of Cache. Readers may read on as long as the store is open.
func (s *Stream) Close() error { return s.index.Close() }

func (s *Stream) part(in index, n int) string {
	return s.index.prefix() + "d/" + in.ID + "/" + strconv.Itoa(n)
}

// keep puts the source into the store, part by part.
func (s *Stream) keep(ctx context.Context, key string) (in index, err error) {
	if err := s.index.far.pause(); err != nil {
		s.index.counts.bypassed.Add(1)
		return index{}, fmt.Errorf("%w: %w", errUnkept, err)
	}
	src, err := s.load(ctx, key)
	if err != nil {
		return index{}, err
	}
	defer src.Close()
	in.ID = rand.Text()
	defer func() {
		if err != nil || in.TooLarge {
			s.discard(ctx, in)
		}
	}()
	begin := time.Now()
	buf := make([]byte, chunkSize)
	for {
		n, end := fill(src, buf)
		if in.Size += int64(n); in.Size > s.max {
			s.index.refuse(key, in.Size, s.max)
			in.TooLarge = true
			return in, nil
		}
		if n > 0 {
			if err := s.put(ctx, in, buf[:n]); err != nil {
				return in, fmt.Errorf("%w: %w", errUnkept, err)
			}
			in.Parts++
		}
		switch {
		case end == io.EOF && time.Since(begin) > chunkGrace:
			return in, fmt.Errorf("%w: it took more than %v to read", errUnkept, chunkGrace)
		case end == io.EOF:
			return in, nil
		case end != nil:
			return in, end
		}
	}
}

// fill is io.ReadFull, but tells a source that ends from one that says it was cut
// off, which is io.ErrUnexpectedEOF too.
func fill(src io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var more int
		more, err = src.Read(buf[n:])
		n += more
	}
	return n, err
}

// put writes the next part. It outlives the index by the time that a reader may
// take who has begun at its end.
func (s *Stream) put(ctx context.Context, in index, data []byte) error {
	b, err := s.index.press.pack(record{kind: value, written: time.Now(), payload: data})
	if err != nil {
		return err
	}
	_, err = s.index.far.put(ctx, store.Write{Key: s.part(in, in.Parts), Value: b, Expect: store.Absent, TTL: s.index.o.life() + 2*chunkGrace})
	return err
}

// discard removes the parts of what is not kept. Those that it cannot remove
// expire.
func (s *Stream) discard(ctx context.Context, in index) {
	for n := range in.Parts {
		s.index.far.tidy(ctx, s.part(in, n), store.Any)
	}
}

// A reader reads one version.
type reader struct {
	ctx  context.Context
	s    *Stream
	in   index
	n    int    // parts that were fetched
	left []byte // of the last of them
	got  int64
	err  error // that ends it
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.left) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// next fetches the next part.
func (r *reader) next() error {
	switch {
	case r.err != nil:
	case r.n == r.in.Parts && r.got == r.in.Size:
		r.err = io.EOF
	case r.n == r.in.Parts:
		r.err = ErrTorn
	default:
		r.left, r.err = r.s.fetch(r.ctx, r.in, r.n)
		r.n++
		r.got += int64(len(r.left))
	}
	return r.err
}

func (s *Stream) fetch(ctx context.Context, in index, n int) ([]byte, error) {
	e, err := s.index.far.get(ctx, s.part(in, n))
	if err != nil {
		return nil, fmt.Errorf("cache %s: read part %d of %d: %w", s.index.name, n+1, in.Parts, err)
	}
	rec, err := s.index.press.unpack(e.Value)
	if err != nil || len(rec.payload) == 0 {
		return nil, fmt.Errorf("%w: part %d of %d", ErrTorn, n+1, in.Parts)
	}
	return rec.payload, nil
}

// Close ends reading.
func (r *reader) Close() error {
	r.left, r.err = nil, errors.New("cache: the stream was closed")
	return nil
}
