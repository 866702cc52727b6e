package drill

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync"
)

// sink takes a response's body: counts it, and keeps or hashes it where
// somebody asked for that.
type sink struct {
	n     int64
	limit int // bytes to keep
	kept  []byte
	hash  hash.Hash
}

func (s *sink) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	if room := s.limit - len(s.kept); room > 0 {
		s.kept = append(s.kept, p[:min(room, len(p))]...)
	}
	if s.hash != nil {
		s.hash.Write(p)
	}
	return len(p), nil
}

func newSink(e *Expect, keep bool) *sink {
	s := &sink{}
	switch {
	case e.BodyEquals != nil: // one byte more shows that there is more
		s.limit = max(maxKeptBody, len(e.BodyEquals)+1)
	case keep || e.keepsBody():
		s.limit = maxKeptBody
	}
	if e.BodySHA256 != "" {
		s.hash = sha256.New()
	}
	return s
}

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// fill reads r to its end; io.EOF is not an error.
func (s *sink) fill(r io.Reader) error {
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := r.Read(buf[:])
		s.Write(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
