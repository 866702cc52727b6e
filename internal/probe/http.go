package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	userAgent = "segue-probe"
	// maxAnswer bounds what is read of one answer, header and body.
	maxAnswer = 64 << 10
	// drainTime is how long the rest of a body is waited for after a yes, so
	// that the instance can finish writing and sees an orderly end.
	drainTime = 100 * time.Millisecond
)

// askHTTP sends one GET in HTTP/1.1 and takes 200 to 399 as a yes; redirects
// are not followed. It writes and reads the connection itself: a http.Transport
// starts three goroutines for each connection, and this is done hundreds of
// times a second at rest.
func askHTTP(ctx context.Context, path, addr string) error {
	if bad := checkPath(path); bad != nil {
		return bad
	}
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // wakes the read below
	defer stop()

	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "+userAgent+"\r\nAccept: */*\r\nConnection: close\r\n\r\n"); err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	resp, err := readFinal(bufio.NewReaderSize(io.LimitReader(conn, maxAnswer), 2048))
	if err != nil {
		return noResponse(err)
	}
	defer resp.Body.Close()
	return judge(resp, func() { _ = conn.SetReadDeadline(time.Now().Add(drainTime)) })
}

// checkPath keeps a path from becoming a second header line.
func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("the path %q cannot be asked for", path)
	}
	return nil
}

// readFinal skips interim responses (RFC 9110 section 15.2).
func readFinal(r *bufio.Reader) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

func noResponse(err error) error {
	var op net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return answer{errors.New("connected, but the connection was closed without a full response header")}
	case errors.As(err, &op):
		return fmt.Errorf("connected, but no response: %w", err)
	}
	return answer{fmt.Errorf("connected, but what came back is no HTTP/1.1 response: %s", excerpt([]byte(err.Error())))}
}

// judge tells yes from no. patience is called before the rest of a yes is read.
func judge(resp *http.Response, patience func()) error {
	if resp.StatusCode >= 200 && resp.StatusCode <= 399 {
		patience()
		_, _ = io.Copy(io.Discard, resp.Body) // bounded, and the answer stands whatever becomes of it
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, excerptBytes+1)) // as much as there is
	said := fmt.Sprintf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := excerpt(body); text != "" {
		said += ": " + text
	}
	return answer{errors.New(strings.TrimSpace(said))}
}

// askH2C is askHTTP for instances that speak HTTP/2 with prior knowledge (RFC
// 9113 section 3.3). They are few, and HTTP/2 is nothing to write by hand, so
// here a transport of its own is made for each question.
func askH2C(ctx context.Context, path, addr string) error {
	if bad := checkPath(path); bad != nil {
		return bad
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	tr := &http.Transport{
		Protocols:         &protocols,
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) },
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return fmt.Errorf("the path %q cannot be asked for", path)
	}
	req.Host = "localhost"
	req.Header.Set("User-Agent", userAgent)
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	body := resp.Body
	drain := time.AfterFunc(time.Hour, func() { _ = body.Close() })
	defer drain.Stop()
	return judge(resp, func() { drain.Reset(drainTime) })
}
