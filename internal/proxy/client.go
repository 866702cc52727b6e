package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Client talks to a running proxy over its control socket. It may be used by
// several goroutines at once, needs no closing, and keeps no connection: a
// proxy that was replaced on the same path is met by the next call.
type Client struct {
	path string
	http *http.Client
}

// NewClient gives a client for the control socket at path, which may be longer
// than the 107 bytes that a Unix address has room for.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
	}}
	return c
}

// dial reaches the socket by way of a descriptor of its directory, which makes
// every path short.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if len(c.path) < 100 {
		return d.DialContext(ctx, "unix", c.path)
	}
	dir, err := unix.Open(filepath.Dir(c.path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Dir(c.path), Err: err}
	}
	defer unix.Close(dir)
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(c.path)))
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://proxy"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("proxy at %s: %w", c.path, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return c.refused(res)
	}
	if raw, ok := out.(*[]byte); ok {
		*raw, err = io.ReadAll(res.Body)
		return err
	}
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	return json.NewDecoder(res.Body).Decode(out)
}

func (c *Client) refused(res *http.Response) error {
	var f failure
	if err := json.NewDecoder(res.Body).Decode(&f); err != nil || f.Error == "" {
		f.Error = res.Status
	}
	return fmt.Errorf("proxy at %s: %s", c.path, f.Error)
}

// Apply replaces the routing table. When it has returned, no request that
// starts afterwards goes to an instance that is absent from the table, and
// those newly in it may be chosen by the very next request; requests that were
// held for want of an instance are on their way. An error leaves the old table
// in force.
func (c *Client) Apply(ctx context.Context, cfg Config) error {
	return c.call(ctx, "POST", "/apply", cfg, nil)
}

// Status tells what the proxy does.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, "GET", "/status", nil, &s)
	return s, err
}

// Metrics gives the proxy's metrics in the Prometheus text format.
func (c *Client) Metrics(ctx context.Context) (text []byte, err error) {
	err = c.call(ctx, "GET", "/metrics", nil, &text)
	return text, err
}

// ErrRouted is what WaitIdle says of an instance that is in the table: new
// requests would come for ever.
var ErrRouted = errors.New("instance is still routed")

// WaitIdle waits until an instance that is no longer routed has no request in
// flight and no connection open. When ctx ends first, it gives ctx's error and
// the number of requests left. An instance that the proxy does not know has
// nothing in flight.
func (c *Client) WaitIdle(ctx context.Context, instanceID string) (inflight int, err error) {
	for ctx.Err() == nil {
		wait := 30 * time.Second
		if d, ok := ctx.Deadline(); ok {
			wait = min(wait, max(time.Until(d)-50*time.Millisecond, 0))
		}
		r, err := c.idle(ctx, instanceID, wait)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			return 0, err
		case r.Routed:
			return r.InFlight, fmt.Errorf("%s: %w", instanceID, ErrRouted)
		case r.Idle:
			return 0, nil
		case wait == 0:
			<-ctx.Done()
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	r, err := c.idle(last, instanceID, 0)
	if err != nil {
		return 0, errors.Join(ctx.Err(), err)
	}
	if r.Idle {
		return 0, nil
	}
	return r.InFlight, ctx.Err()
}

func (c *Client) idle(ctx context.Context, id string, wait time.Duration) (r idleReply, err error) {
	q := url.Values{"instance": {id}, "wait": {wait.String()}}
	err = c.call(ctx, "GET", "/idle?"+q.Encode(), nil, &r)
	return r, err
}

// Drain tells what the exchanges of an instance that is no longer routed get to
// end in; those of routes with a DrainTimeout get that. Then each is asked to
// end in the words of its protocol: what can be done elsewhere is, WebSockets
// and streams are ended so that their clients come back, and answers that have
// no seam are cut. A request without an answer that cannot be repeated is left
// to its instance. Told again, the end can only come sooner. An instance that
// the proxy does not know has nothing to end.
func (c *Client) Drain(ctx context.Context, instanceID string, timeout time.Duration) error {
	q := url.Values{"instance": {instanceID}, "timeout": {timeout.String()}}
	return c.call(ctx, "POST", "/drain?"+q.Encode(), nil, nil)
}

// Cut closes whatever is open to an instance that is no longer routed. Clients
// see their answers broken off.
func (c *Client) Cut(ctx context.Context, instanceID string) error {
	return c.call(ctx, "POST", "/cut?instance="+url.QueryEscape(instanceID), nil, nil)
}

// Down takes an instance that died out of the table in force, until an Apply
// lists it anew.
func (c *Client) Down(ctx context.Context, instanceID string) error {
	return c.call(ctx, "POST", "/down?instance="+url.QueryEscape(instanceID), nil, nil)
}

// Quit tells the proxy that it was replaced. It returns when the proxy's
// copies of the listening sockets are closed; the proxy then drains and exits.
func (c *Client) Quit(ctx context.Context) error {
	return c.call(ctx, "POST", "/quit", nil, nil)
}

// RemoveListeners closes the proxy's copies of listening sockets. What was
// accepted on them is served.
func (c *Client) RemoveListeners(ctx context.Context, keys []string) error {
	return c.call(ctx, "POST", "/listeners/remove", keys, nil)
}

// Listeners gives copies of the proxy's listening sockets, by key. The caller
// closes them. They do not turn blocking when they are passed to a child
// process, as those of net.TCPListener.File do.
func (c *Client) Listeners(ctx context.Context) (map[string]*os.File, error) {
	conn, err := c.upgrade(ctx, "/listeners")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	files, err := receiveFiles(conn)
	if err != nil {
		return nil, fmt.Errorf("proxy at %s: listeners: %w", c.path, err)
	}
	return files, nil
}

// AddListeners hands listening sockets to the proxy. The caller keeps its
// files. The proxy accepts on them once a table names them.
func (c *Client) AddListeners(ctx context.Context, files map[string]*os.File) error {
	conn, err := c.upgrade(ctx, "/listeners/add")
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if err := sendFiles(conn, files); err != nil {
		return fmt.Errorf("proxy at %s: listeners: %w", c.path, err)
	}
	var f failure
	if err := json.NewDecoder(conn).Decode(&f); err != nil {
		return fmt.Errorf("proxy at %s: listeners: %w", c.path, err)
	}
	if f.Error != "" {
		return fmt.Errorf("proxy at %s: %s", c.path, f.Error)
	}
	return nil
}

// upgrade gives a control connection for descriptors.
func (c *Client) upgrade(ctx context.Context, path string) (*net.UnixConn, error) {
	nc, err := c.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("proxy at %s: %w", c.path, err)
	}
	conn := nc.(*net.UnixConn)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.handshake(conn, path); err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy at %s: %w", c.path, err)
	}
	return conn, nil
}

// handshake reads the 101 byte by byte: behind it come descriptors, which a
// buffered read would drop.
func (c *Client) handshake(conn *net.UnixConn, path string) error {
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: proxy\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", path, descriptors)
	if err != nil {
		return err
	}
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		if _, err := conn.Read(b); err != nil {
			return err
		}
		if head = append(head, b...); len(head) > 4096 {
			return errors.New("no answer to the upgrade")
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("upgrade refused: %s", res.Status)
	}
	return nil
}
