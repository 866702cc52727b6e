package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// serving runs Serve for a fake agent until leave is called.
func serving(t *testing.T, f *fake, most time.Duration) (path string, leave func(), over <-chan error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "agent.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- Serve(ctx, l, f, most)
	}()
	t.Cleanup(func() { leave(); <-done })
	return path, leave, ended
}

// accepted is a connection that Serve has accepted, on which nothing was said yet:
// they are accepted in the order in which they come, and a later one was answered.
func accepted(t *testing.T, path string) net.Conn {
	t.Helper()
	conn, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := NewClient(path).Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	return conn
}

// untilClosed waits until nobody is accepted any more.
func untilClosed(t *testing.T, path string) {
	t.Helper()
	for {
		conn, err := Dial(t.Context(), path)
		if err != nil {
			return
		}
		conn.Close()
		time.Sleep(time.Millisecond) // a listener that is closed tells no one
	}
}

// Who was accepted is answered, also if the request comes when nobody else is
// accepted any more.
func TestServeAnswersWhoWasAccepted(t *testing.T) {
	path, leave, over := serving(t, &fake{}, time.Minute)
	silent, half := accepted(t, path), accepted(t, path)
	say := func(c net.Conn, text string) {
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	say(half, "GET /v1/status HTTP/1.1\r\nHost: ag")
	leave()
	untilClosed(t, path)
	select {
	case err := <-over:
		t.Fatalf("it has ended with callers unanswered: %v", err)
	default:
	}
	say(half, "ent\r\n\r\n")
	say(silent, "GET /v1/releases?service=web HTTP/1.1\r\nHost: agent\r\n\r\n")
	for name, c := range map[string]net.Conn{"silent": silent, "half": half} {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 || !res.Close {
			t.Errorf("%s: %s, to be closed: %v, %v", name, res.Status, res.Close, err)
		}
		res.Body.Close()
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// What goes on for too long is called off, and says so; who says nothing is hung
// up on.
func TestServeCallsOff(t *testing.T) {
	f := &fake{block: make(chan struct{}), gone: make(chan error, 1)}
	path, leave, over := serving(t, f, 0)
	silent := accepted(t, path)
	told, ended := make(chan struct{}), make(chan error, 1)
	f.tells = []any{Event{Rollout: 4}}
	go func() {
		ended <- NewClient(path).Watch(t.Context(), 4, 0, func(Event) error { close(told); return nil })
	}()
	<-told
	leave()
	if err := <-f.gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the call was ended by %v", err)
	}
	var said *Error
	if err := <-ended; !errors.As(err, &said) {
		t.Errorf("the caller was told %v", err)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("who was silent: %v", err)
	}
}

// Who can no longer accept says why.
func TestServeFails(t *testing.T) {
	broken := errors.New("broken")
	if err := Serve(t.Context(), brokenListener{broken}, &fake{}, time.Minute); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type brokenListener struct{ err error }

func (l brokenListener) Accept() (net.Conn, error) { return nil, l.err }
func (brokenListener) Close() error                { return nil }
func (brokenListener) Addr() net.Addr              { return &net.UnixAddr{Name: "broken"} }
