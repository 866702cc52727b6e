package proxy

import (
	"io"
	"net"
	"testing"
	"time"
)

// What sniffing has read is read again, whatever it turned out to be.
func TestSniff(t *testing.T) {
	for text, h2 := range map[string]bool{
		preface + "rest":              true,
		"PRI * HTTP/2.0\r\n\r\nGET /": false,
		"GET / HTTP/1.1\r\n\r\n":      false,
		"P":                           false,
	} {
		client, server := tcpPair(t)
		go func() {
			for i := range len(text) { // in the smallest pieces
				io.WriteString(client, text[i:i+1])
			}
			client.CloseWrite()
		}()
		p := newProxy(Options{})
		c := &clientConn{TCPConn: server, p: p}
		got, err := c.sniff(time.Minute)
		if got != h2 || err != nil && text != "P" {
			t.Errorf("%q: HTTP/2 %v, %v", text, got, err)
		}
		if all, _ := io.ReadAll(c); err == nil && string(all) != text {
			t.Errorf("%q was read again as %q", text, all)
		}
	}
}

// A client that says nothing does not hold the greeting for ever.
func TestSniffIsBounded(t *testing.T) {
	_, server := tcpPair(t)
	c := &clientConn{TCPConn: server, p: newProxy(Options{})}
	if _, err := c.sniff(time.Millisecond); err == nil {
		t.Error("silence was taken for a protocol")
	}
}

func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}
