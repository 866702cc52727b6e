package check

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Each way to end a WebSocket badly is found.
func TestWebSocketFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]expect{
		"":                  {Pass, outcomeTold},
		"websocket-cut":     {Fail, outcomeCut},
		"websocket-half":    {Fail, outcomeCut},
		"websocket-no-code": {Warn, outcomeToldOther},
		"websocket-done":    {Warn, outcomeToldOther},
		"websocket-endless": {Fail, outcomeNeverTold},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			target := fixtureTarget(fault)
			target.Paths, target.Grace = Paths{WebSocket: "/ws"}, time.Second
			holdTo(t, verdicts(t, target, "websocket-close"), map[string]expect{"websocket-close": want})
		})
	}
}

// Each way to end a stream of events badly is found.
func TestEventsFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]expect{
		"":               {Pass, outcomeEnded},
		"events-half":    {Fail, outcomeCut},
		"events-cut":     {Fail, outcomeCut},
		"events-unended": {Warn, outcomeUnended},
		"events-endless": {Fail, outcomeNeverTold},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			target := fixtureTarget(fault)
			target.Paths, target.Grace = Paths{Events: "/events"}, time.Second
			holdTo(t, verdicts(t, target, "events-boundary"), map[string]expect{"events-boundary": want})
		})
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		whole   int
		between bool
	}{
		"":                               {0, true},
		"data: a\n\n":                    {1, true},
		"data: a\r\n\r\n":                {1, true},
		"data: a\r\rdata: b\r\r":         {2, true},
		"data: a\n":                      {0, false},
		"data: a":                        {0, false},
		"data: a\n\n: still here\n":      {1, true},
		"data: a\n\n: still he":          {1, true},
		"data: a\n\nda":                  {1, false},
		"id: 7\n":                        {0, false},
		"retry: 50\n":                    {0, true},
		"\ufeffdata: a\n":                {0, false},
		"\ufeffdata: a\n\n":              {1, true},
		"unknown: a\n\n":                 {0, true},
		"event: a\ndata: b\ndata: c\n\n": {1, true},
	} {
		for _, size := range []int{1, 3, len(text) + 1} {
			s := new(eventStream)
			for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
				_, _ = s.Write([]byte(rest[:min(size, len(rest))]))
			}
			if s.whole != want.whole || s.between() != want.between {
				t.Errorf("%q in pieces of %d: %d whole, between %v; want %d, %v", text, size, s.whole, s.between(), want.whole, want.between)
			}
		}
	}
}

// Frames of every length are read to their ends, and a Close frame's code with
// them.
func TestWebSocketFrames(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	defer client.Close()
	w := &webSocket{&conn{Conn: client, r: bufio.NewReader(client)}}
	go func() {
		io.WriteString(server, "\x01\x03abc")                                                         // text, not its last
		io.WriteString(server, "\x80\x7e\x01\x00"+strings.Repeat("x", 256))                           // the rest of it
		io.WriteString(server, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"+strings.Repeat("y", 65536)) // binary
		io.WriteString(server, "\x89\x02hi\x88\x05\x03\xf4bye")
		io.WriteString(server, "\x81\x05ab")
		server.Close()
	}()
	for _, want := range []frame{{op: 1}, {op: 0}, {op: 2}, {opPing, []byte("hi")}, {opClose, []byte("\x03\xf4bye")}} {
		f, _, err := w.frame(time.Now().Add(time.Minute))
		if err != nil || f.op != want.op || string(f.payload) != string(want.payload) {
			t.Errorf("%v, %v; want %v", f, err, want)
		}
		if f.op == opClose && closeCode(f.payload) != closeRestart {
			t.Errorf("code %d", closeCode(f.payload))
		}
	}
	if _, begun, err := w.frame(time.Now().Add(time.Minute)); !begun || err == nil {
		t.Errorf("half a frame: begun %v, %v", begun, err)
	}
}
