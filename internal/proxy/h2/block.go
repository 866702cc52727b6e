package h2

import (
	"golang.org/x/net/http2/hpack"
)

// block is a header block on its way in (RFC 9113 §4.3). Only the reader uses it.
type block struct {
	id     uint32
	end    bool // END_STREAM
	loop   bool // its priority depends on itself
	open   bool // END_HEADERS has not come
	part   []byte
	frames int

	dec    *hpack.Decoder
	most   int // bytes of the decoded list
	size   int
	fields []hpack.HeaderField
}

func newBlock(most int) block {
	b := block{most: most}
	b.dec = hpack.NewDecoder(4096, nil)
	return b
}

// begin takes the payload of HEADERS.
func (b *block) begin(f frame, p []byte) ([]byte, error) {
	p, err := f.unpad(p)
	if err != nil {
		return nil, err
	}
	b.id, b.end, b.loop, b.open = f.id, f.has(flagEndStream), false, !f.has(flagEndHeaders)
	b.frames, b.part = 0, b.part[:0]
	if f.has(flagPriority) {
		if len(p) < priorityLen {
			return nil, connError{codeFrameSize, "HEADERS is too short for its priority"}
		}
		b.loop = dependsOn(p) == f.id
		p = p[priorityLen:]
	}
	if b.open {
		b.part = append(b.part, p...)
	}
	return p, nil
}

// add takes the payload of CONTINUATION.
func (b *block) add(f frame, p []byte) error {
	b.frames++
	if b.frames > mostContinuation || len(b.part)+len(p) > 2*b.most {
		return errBlock
	}
	b.part = append(b.part, p...)
	b.open = !f.has(flagEndHeaders)
	return nil
}

// decode gives the fields; tooLarge when their list is larger than may be: the
// block is decoded all the same, since the next ones build on it.
func (b *block) decode(p []byte) (fields []hpack.HeaderField, tooLarge bool, err error) {
	b.size, b.fields = 0, b.fields[:0]
	b.dec.SetEmitEnabled(true)
	b.dec.SetEmitFunc(b.emit)
	if _, err = b.dec.Write(p); err == nil {
		err = b.dec.Close()
	}
	if err != nil {
		return nil, false, connError{codeCompression, "header block: " + err.Error()}
	}
	return b.fields, b.size > b.most, nil
}

// fieldOverhead is what a field counts besides its bytes (RFC 9113 §6.5.2).
const fieldOverhead = 32

func (b *block) emit(f hpack.HeaderField) {
	b.size += len(f.Name) + len(f.Value) + fieldOverhead
	if b.size > b.most {
		b.dec.SetEmitEnabled(false)
		return
	}
	b.fields = append(b.fields, f)
}

// release lets go what a large block has taken.
func (b *block) release() {
	clear(b.fields)
	if cap(b.fields) > scratchFields {
		b.fields = nil
	}
	b.part = nil
}

// dependsOn gives the stream dependency of a priority (RFC 7540 §6.3).
func dependsOn(p []byte) uint32 {
	return (uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])) & maxStreamID
}
