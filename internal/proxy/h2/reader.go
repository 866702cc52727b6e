package h2

import (
	"net"
	"sync"
)

// bigRead holds a whole frame of the largest size, and some more.
type bigRead [32 << 10]byte

var bigReads = sync.Pool{New: func() any { return new(bigRead) }}

// reader cuts what arrives into frames. While nothing of a frame is there it
// holds no more than small: TLS keeps the rest of a record by itself, and TCP
// in the kernel.
type reader struct {
	nc    net.Conn
	buf   []byte // small, or all of big
	r, w  int    // what was read and not yet taken is buf[r:w]
	last  int    // bytes of the last read
	big   *bigRead
	small [512]byte
}

// next gives the next frame if it is there whole; its payload is valid until
// fill is called.
func (r *reader) next() (f frame, payload []byte, ok bool, err error) {
	have := r.buf[r.r:r.w]
	if len(have) < frameHeaderLen {
		return f, nil, false, nil
	}
	f = parseFrame(have)
	if f.length > maxFrame {
		return f, nil, false, connError{codeFrameSize, "frame is larger than SETTINGS_MAX_FRAME_SIZE"}
	}
	end := frameHeaderLen + f.length
	if len(have) < end {
		return f, nil, false, nil
	}
	r.r += end
	return f, have[frameHeaderLen:end:end], true, nil
}

// fill waits for more bytes.
func (r *reader) fill() error {
	switch {
	case r.r == r.w:
		r.r, r.w = 0, 0
		if r.buf == nil || r.big != nil && r.last <= len(r.small) {
			r.release()
		}
	case r.big == nil:
		r.grow()
	default:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	n, err := r.nc.Read(r.buf[r.w:])
	r.w += n
	r.last = n
	if r.big == nil && r.w == len(r.small) {
		r.grow() // there is more
	}
	if n > 0 {
		return nil
	}
	return err
}

func (r *reader) grow() {
	r.big = bigReads.Get().(*bigRead)
	r.w = copy(r.big[:], r.buf[r.r:r.w])
	r.r, r.buf = 0, r.big[:]
}

// release gives the big buffer back; nothing stands in it.
func (r *reader) release() {
	if r.big != nil {
		bigReads.Put(r.big)
		r.big = nil
	}
	r.buf = r.small[:]
}
