package control

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
	"strconv"
	"strings"
	"syscall"

	"github.com/seguehq/segue/internal/deploy"
)

// Client calls an agent. It may be used by any number of goroutines.
type Client struct {
	path string
	http *http.Client
}

// NewClient returns a client of the agent whose socket is at path. Nothing is
// connected until the first call.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return Dial(ctx, path) }
	return &Client{path, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// ErrNoAgent is returned when nobody answers at the socket.
var ErrNoAgent = errors.New("no agent is running")

func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.get(ctx, "/v1/status", &s)
}

func (c *Client) Releases(ctx context.Context, service string) (rs []Release, err error) {
	return rs, c.get(ctx, "/v1/releases?service="+url.QueryEscape(service), &rs)
}

func (c *Client) History(ctx context.Context, service string, limit int) (rs []deploy.Rollout, err error) {
	return rs, c.get(ctx, fmt.Sprintf("/v1/history?limit=%d&service=%s", limit, url.QueryEscape(service)), &rs)
}

func (c *Client) HasTree(ctx context.Context, digest string) (has bool, err error) {
	return has, c.get(ctx, "/v1/trees/"+url.PathEscape(digest), &has)
}

func (c *Client) PutTree(ctx context.Context, tar io.Reader) (digest string, err error) {
	return digest, c.call(ctx, "POST", "/v1/trees", tar, &digest)
}

func (c *Client) Deploy(ctx context.Context, r DeployRequest) (b Begun, err error) {
	return b, c.post(ctx, "/v1/deploy", r, &b)
}

func (c *Client) Plan(ctx context.Context, r DeployRequest) (p Plan, err error) {
	return p, c.post(ctx, "/v1/plan", r, &p)
}

func (c *Client) Rollback(ctx context.Context, r Request) (b Begun, err error) {
	return b, c.post(ctx, "/v1/rollback", r, &b)
}

func (c *Client) Scale(ctx context.Context, r Request) (b Begun, err error) {
	return b, c.post(ctx, "/v1/scale", r, &b)
}

func (c *Client) Restart(ctx context.Context, r Request) (b Begun, err error) {
	return b, c.post(ctx, "/v1/restart", r, &b)
}

func (c *Client) Down(ctx context.Context, r Request) (b Begun, err error) {
	return b, c.post(ctx, "/v1/down", r, &b)
}

func (c *Client) Contract(ctx context.Context, r Request) (b Begun, err error) {
	return b, c.post(ctx, "/v1/contract", r, &b)
}

func (c *Client) Maintain(ctx context.Context, r MaintenanceRequest) (m Maintenance, err error) {
	return m, c.post(ctx, "/v1/maintenance", r, &m)
}

func (c *Client) AwaitMaintenance(ctx context.Context, r Request) (m Maintenance, err error) {
	return m, c.post(ctx, "/v1/maintenance/await", r, &m)
}

func (c *Client) Pause(ctx context.Context, r PauseRequest) (p Paused, err error) {
	return p, c.post(ctx, "/v1/pause", r, &p)
}

func (c *Client) Promote(ctx context.Context, r PromoteRequest) (x Promoted, err error) {
	return x, c.post(ctx, "/v1/promote", r, &x)
}

func (c *Client) Resume(ctx context.Context, r Request) (x Resumed, err error) {
	return x, c.post(ctx, "/v1/resume", r, &x)
}

func (c *Client) Prepare(ctx context.Context, r PrepareRequest, tell func(PrepareEvent) error) error {
	return tellAll(ctx, c, "/v1/prepare", r, tell)
}

func (c *Client) Preparations(ctx context.Context, service string) (ps []deploy.Preparation, err error) {
	return ps, c.get(ctx, "/v1/preparations?service="+url.QueryEscape(service), &ps)
}

func (c *Client) NotifyTest(ctx context.Context, r Request) (n []Notified, err error) {
	return n, c.post(ctx, "/v1/notify/test", r, &n)
}

func (c *Client) Settings(ctx context.Context, s Settings) error {
	return c.post(ctx, "/v1/settings", s, nil)
}

func (c *Client) Quit(ctx context.Context, everything bool) error {
	return c.post(ctx, "/v1/quit", quitRequest{everything}, nil)
}

func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	res, err := c.do(ctx, "GET", "/v1/metrics", nil, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// Watch calls tell for each event of a rollout after the given sequence
// number and returns nil after its end.
func (c *Client) Watch(ctx context.Context, rollout, since int64, tell func(Event) error) error {
	head := http.Header{"Last-Event-ID": {strconv.FormatInt(since, 10)}}
	res, err := c.do(ctx, "GET", fmt.Sprintf("/v1/rollouts/%d/events", rollout), nil, head)
	if err != nil {
		return err
	}
	return events(res.Body, tell)
}

func (c *Client) Logs(ctx context.Context, r LogsRequest, line func(LogLine) error) error {
	return tellAll(ctx, c, "/v1/logs", r, line)
}

func (c *Client) Upgrade(ctx context.Context, r UpgradeRequest, tell func(string) error) error {
	return tellAll(ctx, c, "/v1/upgrade", r, tell)
}

func tellAll[T any](ctx context.Context, c *Client, path string, q any, tell func(T) error) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, "POST", path, bytes.NewReader(body), nil)
	if err != nil {
		return err
	}
	return events(res.Body, tell)
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.call(ctx, "GET", path, nil, into)
}

func (c *Client) post(ctx context.Context, path string, q, into any) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return c.call(ctx, "POST", path, bytes.NewReader(body), into)
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	res, err := c.do(ctx, method, path, body, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("answer of the agent: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, head http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return nil, err
	}
	for k, v := range head {
		req.Header[k] = v
	}
	res, err := c.http.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w at %s; start one with `segue up` or `segue agent`", ErrNoAgent, c.path)
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // it is the caller who knows why
	}
	if err != nil {
		return nil, fmt.Errorf("agent at %s: %w", c.path, err)
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, readError(res)
	}
	return res, nil
}

func readError(res *http.Response) error {
	var e Error
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&e); err != nil || e.Message == "" {
		return fmt.Errorf("the agent answered %s", res.Status)
	}
	return &e
}

// ErrCut is returned when a stream of events ended without saying so: the
// agent has gone.
var ErrCut = errors.New("the agent has gone")

// events reads server-sent events until the one named end.
func events[T any](body io.ReadCloser, tell func(T) error) error {
	defer body.Close()
	r := bufio.NewReader(body)
	name := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%w (%v)", ErrCut, err)
		}
		field, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			if name != "" {
				return ending(name, value)
			}
			var t T
			if err := json.Unmarshal([]byte(value), &t); err != nil {
				return fmt.Errorf("event of the agent: %w", err)
			}
			if err := tell(t); err != nil {
				return err
			}
		}
	}
}

func ending(name, value string) error {
	if name == "end" {
		return nil
	}
	var e Error
	if err := json.Unmarshal([]byte(value), &e); err != nil {
		return fmt.Errorf("the agent said %s: %s", name, value)
	}
	return &e
}
