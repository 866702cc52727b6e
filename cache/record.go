package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A record is what the store keeps under a key.
type record struct {
	kind    kind
	written time.Time     // by the clock of who wrote it
	ttl     time.Duration // fresh for so long; of a claim: renewed within
	life    time.Duration // in the store for so long
	payload []byte        // encoded, not compressed
}

type kind byte

const (
	nothing kind = iota // no record, or one that cannot be read
	value
	absence // there is no such thing, the loader said
	claim   // somebody is loading it
	refusal // it was too large
	failure // the refresh failed; what is there has to do for a while
)

// A record's head: kind, flags, written (Unix milliseconds), ttl and
// life (milliseconds).
const (
	head       = 1 + 1 + 8 + 8 + 8
	compressed = 1 << 0
)

// A press compresses. It makes its tools when they are first needed, as they
// take memory.
type press struct {
	over int
	in   func() (*zstd.Encoder, error)
	out  func() (*zstd.Decoder, error)
}

func newPress(over int) *press {
	return &press{
		over: over,
		in: sync.OnceValues(func() (*zstd.Encoder, error) {
			return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithEncoderConcurrency(2))
		}),
		out: sync.OnceValues(func() (*zstd.Decoder, error) {
			return zstd.NewReader(nil, zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxEncoded), zstd.WithDecoderConcurrency(0))
		}),
	}
}

// pack writes a record.
func (p *press) pack(r record) ([]byte, error) {
	b := make([]byte, head, head+len(r.payload))
	b[0] = byte(r.kind)
	binary.BigEndian.PutUint64(b[2:], uint64(r.written.UnixMilli()))
	binary.BigEndian.PutUint64(b[10:], uint64(r.ttl.Milliseconds()))
	binary.BigEndian.PutUint64(b[18:], uint64(r.life.Milliseconds()))
	if p.over < 0 || len(r.payload) < p.over {
		return append(b, r.payload...), nil
	}
	enc, err := p.in()
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	b[1] |= compressed
	if c := enc.EncodeAll(r.payload, b); len(c) < head+len(r.payload) {
		return c, nil
	}
	b[1] &^= compressed // it has become no smaller
	return append(b, r.payload...), nil
}

// unpack reads a record. It keeps no part of b only if that was compressed.
func (p *press) unpack(b []byte) (record, error) {
	if len(b) < head || b[0] == byte(nothing) || b[0] > byte(failure) {
		return record{}, errors.New("no record of a cache")
	}
	r := record{
		kind:    kind(b[0]),
		written: time.UnixMilli(int64(binary.BigEndian.Uint64(b[2:]))),
		ttl:     time.Duration(binary.BigEndian.Uint64(b[10:])) * time.Millisecond,
		life:    time.Duration(binary.BigEndian.Uint64(b[18:])) * time.Millisecond,
		payload: b[head:],
	}
	if b[1]&compressed == 0 {
		return r, nil
	}
	dec, err := p.out()
	if err == nil {
		r.payload, err = dec.DecodeAll(b[head:], nil)
	}
	if err != nil {
		return record{}, fmt.Errorf("decompress: %w", err)
	}
	return r, nil
}

// age is how long ago it was written. Clocks differ: it is never negative.
func (r record) age(now time.Time) time.Duration { return max(0, now.Sub(r.written)) }
