package servertest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Wire is a network between clients and a server that can fail. Its methods may
// be used concurrently.
type Wire struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	dials int
	mute  chan struct{} // closed when the server's words pass again; nil while they do
	ended bool
}

// NewWire makes a wire to addr that ends with the test.
func NewWire(t testing.TB, addr string) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{listener: l, to: addr, conns: map[net.Conn]bool{}}
	w.running.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

// Addr is where clients connect: host:port.
func (w *Wire) Addr() string { return w.listener.Addr().String() }

// Dials is how many connections there have been.
func (w *Wire) Dials() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}

// Mute holds back what the server says, until Cut or Heal. It still hears, and
// nobody is told that the connection has failed.
func (w *Wire) Mute() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute == nil {
		w.mute = make(chan struct{})
	}
}

// Heal lets the server's words pass again.
func (w *Wire) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heal()
}

func (w *Wire) heal() {
	if w.mute != nil {
		close(w.mute)
		w.mute = nil
	}
}

// Cut breaks all connections, with what is held back. New ones are well.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
	w.heal()
}

func (w *Wire) close() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	_ = w.listener.Close()
	w.Cut()
	w.running.Wait()
}

func (w *Wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !w.add(client, server) {
			return
		}
		w.running.Go(func() { defer server.Close(); _, _ = io.Copy(server, client) })
		w.running.Go(func() { defer client.Close(); _, _ = io.Copy(heldBack{client, w}, server) })
	}
}

func (w *Wire) add(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials++
	for _, c := range conns {
		if w.ended {
			_ = c.Close()
			continue
		}
		w.conns[c] = true
	}
	return !w.ended
}

// heldBack writes to the client when the wire is not mute.
type heldBack struct {
	client net.Conn
	wire   *Wire
}

func (h heldBack) Write(p []byte) (int, error) {
	for {
		h.wire.mu.Lock()
		mute := h.wire.mute
		h.wire.mu.Unlock()
		if mute == nil {
			return h.client.Write(p)
		}
		<-mute
	}
}
