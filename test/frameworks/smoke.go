package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// smoke starts the server and sees that it has the paths that its row says, so
// that no finding is one about a mistake of ours.
func smoke(ctx context.Context, r Row, temp string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := start(ctx, r, temp)
	if err != nil {
		return err
	}
	defer s.end()
	for _, p := range []struct {
		path string
		try  func(ctx context.Context, path string) error
	}{
		{r.Slow, s.slow}, {r.Stream, s.stream}, {r.Upload, s.upload}, {r.Ready, s.ready}, {r.Events, s.events}, {r.WebSocket, s.webSocket},
	} {
		if p.path == "" {
			continue
		}
		if err := p.try(ctx, p.path); err != nil {
			return fmt.Errorf("%s: %w\n%s", p.path, err, s.words())
		}
	}
	return nil
}

// A server is one that runs for the smoke test.
type server struct {
	cmd  *exec.Cmd
	addr string
	out  *os.File
	h2   bool // it speaks HTTP/2 without TLS, and nothing else
}

// start starts the server on a free port and waits until something answers.
func start(ctx context.Context, r Row, temp string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	out, err := os.CreateTemp(temp, "output-")
	if err != nil {
		return nil, err
	}
	args := make([]string, len(r.Command))
	for i, a := range r.Command {
		args[i] = strings.ReplaceAll(a, "$PORT", port)
	}
	s := &server{cmd: exec.Command(args[0], args[1:]...), addr: net.JoinHostPort("127.0.0.1", port), out: out}
	s.cmd.Dir, s.cmd.Env = r.dir(), append(os.Environ(), "PORT="+port, "TMPDIR="+temp)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		s.end()
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(r.Command, " "), err, s.words())
	}
	return s, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// await returns when the server answers, whatever it says.
func (s *server) await(ctx context.Context) error {
	for {
		err := s.greet(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// greet asks by HTTP/1.1 and looks at what comes: a server without TLS may speak
// nothing but HTTP/2.
func (s *server) greet(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing more is said
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", s.addr); err != nil {
		return err
	}
	word := make([]byte, len("HTTP/1"))
	_, err = io.ReadFull(conn, word)
	s.h2 = string(word) != "HTTP/1"
	return err
}

func (s *server) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return conn, conn.SetDeadline(deadline)
}

// end kills the server with all that it has started in its process group.
func (s *server) end() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	_ = s.cmd.Wait()                                      // it was killed
	_ = s.out.Close()                                     // only read from
}

// words are what the server has printed last.
func (s *server) words() string {
	all, err := os.ReadFile(s.out.Name())
	if err != nil {
		return err.Error()
	}
	return string(all[max(0, len(all)-1000):])
}

func (s *server) get(ctx context.Context, path string) (*http.Response, error) {
	return s.ask(ctx, http.MethodGet, path, nil)
}

func (s *server) ask(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+path, body)
	if err != nil {
		return nil, err
	}
	req.Close = true
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	t := &http.Transport{Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP1(!s.h2)
	t.Protocols.SetUnencryptedHTTP2(s.h2)
	return t.RoundTrip(req)
}

func (s *server) slow(ctx context.Context, path string) error {
	began := time.Now()
	if _, err := s.body(ctx, path); err != nil {
		return err
	}
	if took := time.Since(began); took < time.Second {
		return fmt.Errorf("answered after %v; it should take 1.5 s", took)
	}
	return nil
}

// body is a whole good answer.
func (s *server) body(ctx context.Context, path string) (string, error) {
	answer, err := s.get(ctx, path)
	if err != nil {
		return "", err
	}
	return read(answer)
}

func read(answer *http.Response) (string, error) {
	defer func() { _ = answer.Body.Close() }() // it has been read, or failed
	all, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s", answer.Status)
	}
	return strings.TrimSpace(string(all)), err
}

func (s *server) stream(ctx context.Context, path string) error {
	began := time.Now()
	answer, err := s.get(ctx, path)
	if err != nil {
		return err
	}
	first := time.Since(began)
	all, err := read(answer)
	if err != nil {
		return err
	}
	if took := time.Since(began); !strings.HasSuffix(all, "end") || first > took/2 || took < time.Second {
		return fmt.Errorf("not a stream of 1.5 s: it began after %v, ended after %v, and its end is %q", first, took, all[max(0, len(all)-20):])
	}
	return nil
}

func (s *server) upload(ctx context.Context, path string) error {
	const size = 1_000_000
	answer, err := s.ask(ctx, http.MethodPost, path, bytes.NewReader(make([]byte, size)))
	if err != nil {
		return err
	}
	said, err := read(answer)
	if err == nil && said != fmt.Sprint(size) {
		err = fmt.Errorf("took %d bytes for %q", size, said)
	}
	return err
}

func (s *server) ready(ctx context.Context, path string) error {
	_, err := s.body(ctx, path)
	return err
}

func (s *server) events(ctx context.Context, path string) error {
	answer, err := s.get(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it has no end
	first := make([]byte, len("data:"))
	if _, err := io.ReadFull(answer.Body, first); err != nil {
		return err
	}
	if kind := answer.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return fmt.Errorf("its content type is %q", kind)
	}
	return nil
}

func (s *server) webSocket(ctx context.Context, path string) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing more is said
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n", path, s.addr)
	if err != nil {
		return err
	}
	status := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(conn, status); err != nil {
		return err
	}
	if string(status) != "HTTP/1.1 101" {
		return fmt.Errorf("answered %q to a WebSocket's handshake", status)
	}
	return nil
}
