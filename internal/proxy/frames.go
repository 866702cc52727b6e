package proxy

import (
	"encoding/binary"
	"math"
)

// frames follows one direction of a WebSocket (RFC 6455 §5.2). It reads the
// frames' headers and nothing of what they carry, so extensions do not matter.
type frames struct {
	head   [14]byte
	have   int   // of the header
	left   int64 // of the payload
	opcode byte
	closed bool // a whole Close frame has passed
}

const opClose = 8

func (f *frames) between() bool { return f.have == 0 && f.left == 0 }

// follow implements follower.
func (f *frames) follow(p []byte, stop bool) int {
	for i := 0; i < len(p); {
		if f.left == 0 {
			if i += f.header(p[i:]); f.have > 0 {
				break
			}
		}
		n := min(f.left, int64(len(p)-i))
		i, f.left = i+int(n), f.left-n
		if f.left > 0 {
			break
		}
		f.closed = f.closed || f.opcode == opClose
		if stop {
			return i
		}
	}
	return len(p)
}

// header takes what p has of a frame's header, and gives how much that is. have
// is 0 again when the header is whole.
func (f *frames) header(p []byte) int {
	took := 0
	for f.have < f.size() {
		n := copy(f.head[f.have:f.size()], p[took:])
		if n == 0 {
			return took
		}
		took, f.have = took+n, f.have+n
	}
	f.opcode, f.left, f.have = f.head[0]&0xf, f.length(), 0
	return took
}

// size gives the length of the header, as far as that is known.
func (f *frames) size() int {
	n := 2
	if f.have < n {
		return n
	}
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4 // the mask
	}
	return n
}

func (f *frames) length() int64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return int64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return int64(min(binary.BigEndian.Uint64(f.head[2:]), math.MaxInt64))
	default:
		return int64(n)
	}
}

// closeFrame is a Close frame (RFC 6455 §5.5.1); those that go to the instance
// are masked (§5.3). A mask of zeros will do: masks guard against scripts in
// browsers, and these bytes are ours.
func closeFrame(code uint16, reason string, masked bool) []byte {
	b := []byte{0x80 | opClose, byte(2 + len(reason))}
	if masked {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0)
	}
	return append(binary.BigEndian.AppendUint16(b, code), reason...)
}
