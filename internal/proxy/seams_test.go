package proxy

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// Where a stream of each kind may end: marked by | in what is sent.
func TestSeams(t *testing.T) {
	for _, c := range []struct{ name, sent string }{
		{"LF", "|data: a\n\n|data: b\ndata: c\n\n|"},
		{"CRLF", "|data: a\r\n\r|\n|data: b\r\ndata: c\r\n\r|\n|"},
		{"CR", "|data: a\r\r|data: b\rdata: c\r\r|"},
		{"one event in lines of each kind", "|data: a\r\ndata\rdata: b"},
		{"comments", "|: hello\n|:\n|\n|data: a\n: inside\n\n|: again\r|\n|"},
		{"empty lines", "|\n|\n|\r|\n|data\n\n|"},
	} {
		t.Run(c.name, func(t *testing.T) { checkSeams(t, &events{start: true}, c.sent) })
	}
	t.Run("lines", func(t *testing.T) { checkSeams(t, &lines{}, "|{}\n|{\"a\":1}\n|\n|{") })
}

func checkSeams(t *testing.T, f follower, marked string) {
	t.Helper()
	var got strings.Builder
	if f.between() {
		got.WriteByte('|')
	}
	for i := range strings.ReplaceAll(marked, "|", "") {
		b := strings.ReplaceAll(marked, "|", "")[i : i+1]
		f.follow([]byte(b), false)
		got.WriteString(b)
		if f.between() {
			got.WriteByte('|')
		}
	}
	if got.String() != marked {
		t.Errorf("got %q, want %q", got.String(), marked)
	}
}

func message(n int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(n)), bytes.Repeat([]byte{'x'}, n)...)
}

// A flow that is asked to end does so behind the part that has begun, in
// whatever pieces it arrives.
func TestSeamsEndBehindAPart(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		parts  [][]byte
	}{
		{"events", http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}, [][]byte{[]byte("id: 1\ndata: a\n\n"), []byte("id: 2\n\n"), []byte("id: 3\ndata: c\n\n")}},
		{"lines", http.Header{"Content-Type": {"application/x-ndjson"}}, [][]byte{[]byte("{}\n"), []byte("[1,2]\n"), []byte("3\n")}},
		{"grpc", http.Header{"Content-Type": {"application/grpc"}}, [][]byte{message(0), message(300), message(7)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := bytes.Join(c.parts, nil)
			ends := map[int]bool{0: true}
			for n, i := 0, 0; i < len(c.parts); i++ {
				n += len(c.parts[i])
				ends[n] = true
			}
			for at := range len(all) + 1 {
				s := seamsOf(c.header)
				out := passAsked(s, all, at)
				if !ends[len(out)] || !bytes.HasPrefix(all, out) || len(out) < at && !s.endsWell() {
					t.Fatalf("asked behind byte %d, it ends behind %d", at, len(out))
				}
				if len(out)-at >= 400 || len(out) < at {
					t.Fatalf("asked behind byte %d, it ends behind %d", at, len(out))
				}
			}
		})
	}
}

// passAsked passes all in random pieces, and asks for the end behind byte at.
func passAsked(s *seams, all []byte, at int) (out []byte) {
	for len(out) < len(all) {
		left := all[len(out):]
		most := len(left)
		if len(out) < at {
			most = at - len(out)
		} else if len(out) == at {
			s.ask()
		}
		part, over := s.pass(left[:1+rand.IntN(most)])
		out = append(out, part...)
		if over {
			return out
		}
	}
	return out
}

func TestSeamless(t *testing.T) {
	for _, h := range []http.Header{
		{"Content-Type": {"text/html"}},
		{"Content-Type": {"text/event-stream"}, "Content-Length": {"7"}},
		{"Content-Type": {"application/x-ndjson"}, "Content-Encoding": {"gzip"}},
		{"Content-Type": {"application/grpc-web"}},
	} {
		if seamsOf(h) != nil {
			t.Errorf("%v can only be cut", h)
		}
	}
}

// frame is one as RFC 6455 §5.2 has it.
func frame(opcode byte, n int, masked bool) []byte {
	b := []byte{0x80 | opcode, 0}
	switch {
	case n > 65535:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	case n > 125:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = byte(n)
	}
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, bytes.Repeat([]byte{0x88}, n)...)
}

func TestFrames(t *testing.T) {
	for _, masked := range []bool{false, true} {
		var f frames
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 100000} {
			b := frame(2, n, masked)
			if got := f.follow(append(b, frame(8, 2, masked)...), true); got != len(b) {
				t.Fatalf("a frame of %d bytes ends at %d, want %d", n, got, len(b))
			}
			if f.closed {
				t.Fatal("what a frame carries was taken for a frame")
			}
		}
		f.follow(frame(8, 2, masked), false)
		if !f.closed || !f.between() {
			t.Error("the Close frame was not seen")
		}
	}
}

func TestCloseFrame(t *testing.T) {
	want := append([]byte{0x88, 17, 0x03, 0xf4}, "service restart"...)
	if got := closeFrame(closeRestart, restartReason, false); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	var f frames
	if b := closeFrame(closeGoingAway, "", true); f.follow(b, true) != len(b) || !f.closed {
		t.Errorf("% x is no Close frame", b)
	}
}

// Whatever the bytes, and however they are cut up, a follower comes to the same
// places.
func FuzzFollowers(f *testing.F) {
	f.Add([]byte("data: a\r\n\r\n:x\n"), uint8(3))
	f.Add(append(frame(1, 300, true), frame(8, 2, true)...), uint8(1))
	f.Add(append(message(3), message(0)...), uint8(2))
	f.Fuzz(func(t *testing.T, all []byte, size uint8) {
		for _, pair := range [][2]follower{
			{&events{start: true}, &events{start: true}}, {&lines{}, &lines{}}, {&messages{}, &messages{}}, {&frames{}, &frames{}},
		} {
			one, other := pair[0], pair[1]
			whole := endsOf(one, all, len(all)+1)
			pieces := endsOf(other, all, int(size)+1)
			if len(whole) != len(pieces) {
				t.Fatalf("%T: %v whole, %v in pieces of %d", one, whole, pieces, size)
			}
			for i := range whole {
				if whole[i] != pieces[i] {
					t.Fatalf("%T: %v whole, %v in pieces of %d", one, whole, pieces, size)
				}
			}
			if one.between() != other.between() {
				t.Fatalf("%T: it depends on the pieces whether a part is under way", one)
			}
		}
	})
}

// endsOf gives where parts end.
func endsOf(f follower, all []byte, size int) (ends []int) {
	for at := 0; at < len(all); {
		n := f.follow(all[at:min(at+size, len(all))], true)
		if at += n; f.between() {
			ends = append(ends, at)
		}
	}
	return ends
}
