package check

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"time"
)

// pieces sends one text after the other, again and again, until the server
// leaves; last is how many of a round's it sends then.
func (f *fixture) pieces(c *fixtureConn, texts []string, last int) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
			fmt.Fprint(c, texts[i%len(texts)])
			continue
		case <-f.stopping:
		}
		for ; i%len(texts) != last; i++ {
			fmt.Fprint(c, texts[i%len(texts)])
		}
		return
	}
}

// serveEvents sends events in pieces, and ends behind a whole one.
func (f *fixture) serveEvents(c *fixtureConn) {
	fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
	texts := []string{"A\r\ndata: one\n\r\n", "A\r\ndata: two\n\r\n", "3\r\n\n:\n\r\n"}
	last := 0
	if f.faults["events-half"] || f.faults["events-cut"] {
		last = 1
	}
	f.pieces(c, texts, last)
	switch {
	case f.faults["events-endless"]:
		select {}
	case f.faults["events-unended"], f.faults["events-cut"]:
		c.Close()
	default:
		fmt.Fprint(c, "0\r\n\r\n")
	}
}

// serveWebSocket sends pings and texts, and a Close frame at the end.
func (f *fixture) serveWebSocket(c *fixtureConn, req *http.Request) {
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	go func() { _, _ = io.Copy(io.Discard, c.r) }()
	last := 0
	if f.faults["websocket-half"] {
		last = 2
	}
	f.pieces(c, []string{"\x89\x01!", "\x81\x7e\x00\x03", "abc"}, last)
	switch {
	case f.faults["websocket-endless"]:
		select {}
	case f.faults["websocket-cut"], f.faults["websocket-half"]:
	case f.faults["websocket-no-code"]:
		fmt.Fprint(c, "\x88\x00")
	case f.faults["websocket-done"]:
		fmt.Fprint(c, "\x88\x02\x03\xe8") // 1000
	default:
		fmt.Fprint(c, "\x88\x09\x03\xe9leaving") // 1001
	}
	c.Close()
}
