package check

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A webSocket is a client's end of a WebSocket (RFC 6455), on a connection of
// its own. One goroutine uses it at a time.
type webSocket struct{ *conn }

// Opcodes and status codes of RFC 6455 §5.2 and §7.4, and its IANA registry.
const (
	opClose = 8
	opPing  = 9
	opPong  = 10

	closeGoingAway = 1001
	closeNoCode    = 1005 // for a close frame without one; it never stands in a frame
	closeRestart   = 1012
	closeTryLater  = 1013
)

// openWebSocket makes the opening handshake (RFC 6455 §4.1).
func (s *Stage) openWebSocket(ctx context.Context, path string) (*webSocket, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	err = c.get(path, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+key, "Origin: "+s.base.Scheme+"://"+s.base.Host)
	if err == nil {
		_, a := c.opening(s.patience())
		err = upgraded(a, key)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("WebSocket %s: %w", path, err)
	}
	return &webSocket{c}, nil
}

func upgraded(a answer, key string) error {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	switch {
	case a.ending != whole:
		return errors.New(string(a.ending))
	case a.status != http.StatusSwitchingProtocols:
		return fmt.Errorf("answered %d, and not 101", a.status)
	case a.header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("answered 101 with a wrong Sec-WebSocket-Accept")
	}
	return nil
}

// A frame is one of a WebSocket; of data the payload is not kept.
type frame struct {
	op      byte
	payload []byte
}

// frame reads the next frame, until then. begun reports whether some of it had
// come when the read failed.
func (w *webSocket) frame(until time.Time) (f frame, begun bool, err error) {
	_ = w.SetReadDeadline(until)
	if _, err := w.r.Peek(1); err != nil {
		return f, false, err
	}
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return f, true, err
	}
	f.op = head[0] & 0x0f
	length, err := w.length(head[1])
	if err != nil {
		return f, true, err
	}
	if f.op < opClose {
		_, err = io.CopyN(io.Discard, w.r, length)
		return f, true, err
	}
	f.payload = make([]byte, min(length, 125)) // no control frame is longer
	_, err = io.ReadFull(w.r, f.payload)
	return f, true, err
}

// length reads the payload's length (RFC 6455 §5.2). A server does not mask.
func (w *webSocket) length(b byte) (int64, error) {
	var long [8]byte
	switch b & 0x7f {
	case 126:
		_, err := io.ReadFull(w.r, long[6:])
		return int64(binary.BigEndian.Uint64(long[:])), err
	case 127:
		_, err := io.ReadFull(w.r, long[:])
		return int64(binary.BigEndian.Uint64(long[:]) & (1<<63 - 1)), err
	default:
		return int64(b & 0x7f), nil
	}
}

// reply sends a control frame, masked as a client must (RFC 6455 §5.3).
func (w *webSocket) reply(op byte, payload []byte) error {
	var mask [4]byte
	_, _ = rand.Read(mask[:]) // never fails
	b := append([]byte{0x80 | op, 0x80 | byte(len(payload))}, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	_, err := w.Conn.Write(b)
	return err
}

// closeCode is why the server closes.
func closeCode(payload []byte) int {
	if len(payload) < 2 {
		return closeNoCode
	}
	return int(binary.BigEndian.Uint16(payload))
}
