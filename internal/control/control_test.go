package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// calls is every call of the API, as a client makes it.
func calls(c *Client) []struct {
	name, heard string
	call        func(context.Context) (any, error)
} {
	q := Request{Service: "web", Release: 2, Replicas: 3, Who: "me", Why: "so", Wait: true}
	heard := fmt.Sprintf("%+v", q)
	d := DeployRequest{Spec: deploy.Service{Name: "web"}, Tree: "tree", Who: "me", Why: "so", Force: true, Wait: true, Env: deploy.Environment{"KEY": "secret"}}
	return []struct {
		name, heard string
		call        func(context.Context) (any, error)
	}{
		{"Status", "status", func(ctx context.Context) (any, error) { return c.Status(ctx) }},
		{"Releases", `releases "a b&c"`, func(ctx context.Context) (any, error) { return c.Releases(ctx, "a b&c") }},
		{"History", `history "a=b" 20`, func(ctx context.Context) (any, error) { return c.History(ctx, "a=b", 20) }},
		{"HasTree", `has "../x y"`, func(ctx context.Context) (any, error) { return c.HasTree(ctx, "../x y") }},
		{"PutTree", "put 7 bytes", func(ctx context.Context) (any, error) { return c.PutTree(ctx, strings.NewReader("content")) }},
		{"Deploy", "deploy web tree true true secret", func(ctx context.Context) (any, error) { return c.Deploy(ctx, d) }},
		{"Plan", "plan web", func(ctx context.Context) (any, error) { return c.Plan(ctx, d) }},
		{"Rollback", "rollback " + heard, func(ctx context.Context) (any, error) { return c.Rollback(ctx, q) }},
		{"Scale", "scale " + heard, func(ctx context.Context) (any, error) { return c.Scale(ctx, q) }},
		{"Maintain", "maintain {Service:web Off:false Writes:true For:1m0s RetryAfter:0s Hold:0s Page: Who:me Why:}", func(ctx context.Context) (any, error) {
			return c.Maintain(ctx, MaintenanceRequest{Service: "web", Writes: true, For: time.Minute, Who: "me"})
		}},
		{"AwaitMaintenance", "await maintenance {Service:web Release:0 Replicas:0 Who: Why: Wait:false Permit:{Now:false Token:}}", func(ctx context.Context) (any, error) {
			return c.AwaitMaintenance(ctx, Request{Service: "web"})
		}},
		{"Pause", "pause {Service:web For:1s Max:0 Who:me Why: Wait:true}", func(ctx context.Context) (any, error) {
			return c.Pause(ctx, PauseRequest{Service: "web", For: time.Second, Who: "me", Wait: true})
		}},
		{"Prepare", "prepare web secret [warm]", func(ctx context.Context) (any, error) {
			return nil, c.Prepare(ctx, PrepareRequest{DeployRequest: d, Again: []string{"warm"}}, func(PrepareEvent) error { return nil })
		}},
		{"Preparations", `preparations "a b&c"`, func(ctx context.Context) (any, error) { return c.Preparations(ctx, "a b&c") }},
		{"NotifyTest", "notify " + heard, func(ctx context.Context) (any, error) { return c.NotifyTest(ctx, q) }},
		{"Resume", "resume " + heard, func(ctx context.Context) (any, error) { return c.Resume(ctx, q) }},
		{"Restart", "restart " + heard, func(ctx context.Context) (any, error) { return c.Restart(ctx, q) }},
		{"Contract", "contract " + heard, func(ctx context.Context) (any, error) { return c.Contract(ctx, q) }},
		{"Down", "down " + heard, func(ctx context.Context) (any, error) { return c.Down(ctx, q) }},
		{"Promote", "promote {Service:web Full:true Who:ann Why:now}", func(ctx context.Context) (any, error) {
			return c.Promote(ctx, PromoteRequest{Service: "web", Full: true, Who: "ann", Why: "now"})
		}},
		{"Settings", "settings {Metrics:x:1 AccessLog:true}", func(ctx context.Context) (any, error) {
			return nil, c.Settings(ctx, Settings{Metrics: "x:1", AccessLog: true})
		}},
		{"Quit", "quit true", func(ctx context.Context) (any, error) { return nil, c.Quit(ctx, true) }},
		{"Metrics", "metrics", func(ctx context.Context) (any, error) { return c.Metrics(ctx) }},
		{"Pass", "pass web", func(ctx context.Context) (any, error) {
			return nil, c.Pass(ctx, PassRequest{Service: "web"}, func(string) error { return nil })
		}},
		{"Freeze", "freeze web sale", func(ctx context.Context) (any, error) {
			return c.Freeze(ctx, FreezeRequest{Service: "web", Why: "sale"})
		}},
		{"Unfreeze", "unfreeze " + heard, func(ctx context.Context) (any, error) { return c.Unfreeze(ctx, q) }},
		{"Lock", "lock {Service:web Who:me Why:so Wait:true Token:}", func(ctx context.Context) (any, error) {
			return nil, c.Lock(ctx, LockRequest{Service: "web", Who: "me", Why: "so", Wait: true}, func(LockEvent) error { return nil })
		}},
		{"Unlock", "unlock {Service:web Token:t Who:me Why:}", func(ctx context.Context) (any, error) {
			return c.Unlock(ctx, UnlockRequest{Service: "web", Token: "t", Who: "me"})
		}},
		{"LookAtSource", "source {Service:web Retry:true Who:me}", func(ctx context.Context) (any, error) {
			return c.LookAtSource(ctx, SourceRequest{Service: "web", Retry: true, Who: "me"})
		}},
		{"SourceLog", `source log "a b"`, func(ctx context.Context) (any, error) { return c.SourceLog(ctx, "a b") }},
		{"Gates", "gates", func(ctx context.Context) (any, error) { return c.Gates(ctx) }},
		{"Watch", "watch 5 17", func(ctx context.Context) (any, error) {
			return nil, c.Watch(ctx, 5, 17, func(Event) error { return nil })
		}},
		{"Logs", "logs {Service:web Instance:web-1.1 Lines:9 Follow:false}", func(ctx context.Context) (any, error) {
			return nil, c.Logs(ctx, LogsRequest{Service: "web", Instance: "web-1.1", Lines: 9}, func(LogLine) error { return nil })
		}},
		{"Upgrade", "upgrade /bin/segue", func(ctx context.Context) (any, error) {
			return nil, c.Upgrade(ctx, UpgradeRequest{Binary: "/bin/segue"}, func(string) error { return nil })
		}},
	}
}

// The client has every method of an agent, so that calls is all of them.
func TestCallsAreAll(t *testing.T) {
	var _ Agent = (*Client)(nil)
	var names []string
	for _, c := range calls(nil) {
		names = append(names, c.name)
	}
	if n := reflect.TypeFor[Agent]().NumMethod(); n != len(names) {
		t.Errorf("Agent has %d methods, the test calls %d: %v", n, len(names), names)
	}
}

func TestRoundTrip(t *testing.T) {
	f := &fake{}
	c, _ := serve(t, f)
	for _, x := range calls(c) {
		if _, err := x.call(t.Context()); err != nil {
			t.Errorf("%s: %v", x.name, err)
		} else if f.last() != x.heard {
			t.Errorf("%s: the agent heard %q, want %q", x.name, f.last(), x.heard)
		}
	}
	want, _ := f.Status(t.Context())
	if got, err := c.Status(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v, %v", got, want, err)
	}
	if got, err := c.Metrics(t.Context()); err != nil || string(got) != "segue_up 1\n" {
		t.Errorf("%q %v", got, err)
	}
	if b, err := c.Deploy(t.Context(), DeployRequest{Spec: deploy.Service{Name: "web"}, Who: "me", Why: "so"}); err != nil ||
		b.Rollout.ID != 5 || b.Rollout.Service != "web" || b.Rollout.Who != "me" || b.Rollout.Why != "so" {
		t.Errorf("%+v %v", b, err)
	}
	if b, err := c.Scale(t.Context(), Request{}); err != nil || !b.Nothing {
		t.Errorf("%+v %v", b, err)
	}
	if has, err := c.HasTree(t.Context(), "known"); err != nil || !has {
		t.Errorf("%v %v", has, err)
	}
	if rs, err := c.Releases(t.Context(), "web"); err != nil || len(rs) != 1 || rs[0].Number != 3 || rs[0].Command[0] != "run" {
		t.Errorf("%+v %v", rs, err)
	}
	if digest, err := c.PutTree(t.Context(), strings.NewReader("x")); err != nil || digest != "digest of 1" {
		t.Errorf("%q %v", digest, err)
	}
}

// What an agent refuses reaches the caller as it was said, code and all.
func TestErrors(t *testing.T) {
	rollout := &deploy.Rollout{ID: 9, Service: "web", Who: "me"}
	for _, want := range []*Error{
		Errorf(CodeInvalid, "bad %d", 1), Errorf(CodeNone, "none"), Errorf(CodeFailed, "failed\non two lines"), {Code: CodeBusy, Message: "busy", Rollout: rollout},
	} {
		f := &fake{err: fmt.Errorf("wrapped: %w", want)}
		c, _ := serve(t, f)
		for _, x := range calls(c) {
			_, err := x.call(t.Context())
			var got *Error
			if !errors.As(err, &got) || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, want %v", x.name, err, want)
			}
		}
	}
	c, _ := serve(t, &fake{err: errors.New("any other")})
	var got *Error
	if _, err := c.Status(t.Context()); !errors.As(err, &got) || got.Code != CodeFailed || got.Message != "any other" {
		t.Errorf("%v", err)
	}
}

func TestWatch(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	told := []any{
		Event{Seq: 18, At: at, Rollout: 5, Instance: "web-2.1", Step: &deploy.Step{Seq: 18, At: at, Verb: deploy.StepStart, Instance: "web-2.1"}},
		Event{At: at, Rollout: 5, Instance: "web-2.1", Progress: "startup 1/50: \"data: \nevent: end\n\n\u2028 ü"},
		Event{At: at, Rollout: 5, End: deploy.RolledBack, Reason: "why\nand more"},
	}
	f := &fake{tells: told}
	c, _ := serve(t, f)
	var got []any
	err := c.Watch(t.Context(), 5, 17, func(e Event) error { got = append(got, e); return nil })
	if err != nil || !reflect.DeepEqual(got, told) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, told)
	}
	if f.last() != "watch 5 17" {
		t.Errorf("Last-Event-ID is lost: %s", f.last())
	}
	stop := errors.New("enough")
	n := 0
	if err := c.Watch(t.Context(), 5, 0, func(Event) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d told, %v", n, err)
	}
}

// The events are in the format of the standard, so that any client reads them.
func TestEventFormat(t *testing.T) {
	f := &fake{tells: []any{Event{Seq: 3, Rollout: 5}, Event{Rollout: 5}}}
	c, _ := serve(t, f)
	res, err := c.do(t.Context(), "GET", "/v1/rollouts/5/events", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := "id: 3\ndata: {…}\n\ndata: {…}\n\nevent: end\ndata: {}\n\n"
	lines := strings.Split(string(body), "\n")
	for n, line := range lines {
		if strings.HasPrefix(line, `data: {"`) {
			lines[n] = "data: {…}"
		}
	}
	if got := strings.Join(lines, "\n"); got != want || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s\n%s", res.Header.Get("Content-Type"), got)
	}
}

func TestErrorAfterEvents(t *testing.T) {
	f := &fake{tells: []any{LogLine{Line: "one"}}, err: &Error{Code: CodeNone, Message: "it is gone"}}
	c, _ := serve(t, f)
	var lines []string
	err := c.Logs(t.Context(), LogsRequest{}, func(l LogLine) error { lines = append(lines, l.Line); return nil })
	var said *Error
	if !errors.As(err, &said) || said.Code != CodeNone || said.Message != "it is gone" || len(lines) != 1 {
		t.Errorf("%v %v", lines, err)
	}
	f.err = errors.New("any other\nerror")
	if err := c.Logs(t.Context(), LogsRequest{}, func(LogLine) error { return nil }); !errors.As(err, &said) || said.Code != CodeFailed || said.Message != "any other\nerror" {
		t.Errorf("%v", err)
	}
}

// An agent that goes in the middle of telling is told apart from one that has
// told everything.
func TestCut(t *testing.T) {
	f := &fake{tells: []any{"one"}, block: make(chan struct{}), gone: make(chan error, 1)}
	c, server := serve(t, f)
	err := c.Upgrade(t.Context(), UpgradeRequest{}, func(string) error { return server.Close() })
	if !errors.Is(err, ErrCut) {
		t.Errorf("%v", err)
	}
	if err := <-f.gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the call goes on without a caller: %v", err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoAgent) {
		t.Errorf("%v", err)
	}
}

func TestCallerGone(t *testing.T) {
	f := &fake{tells: []any{Event{Rollout: 5}}, block: make(chan struct{}), gone: make(chan error, 1)}
	c, _ := serve(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Watch(ctx, 5, 0, func(Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) && !errors.Is(err, ErrCut) {
		t.Errorf("%v", err)
	}
	<-f.gone // else the agent would watch for ever
}

func TestBadRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	serveAt(t, path, &fake{})
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return Dial(ctx, path) }}}
	defer client.CloseIdleConnections()
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/v1/deploy", "{", 400, CodeInvalid},
		{"POST", "/v1/scale", `{"replicas":"many"}`, 400, CodeInvalid},
		{"POST", "/v1/logs", "", 400, CodeInvalid},
		{"GET", "/v1/rollouts/first/events", "", 400, CodeInvalid},
		{"GET", "/v1/deploy", "", 405, ""},
		{"GET", "/v2/status", "", 404, ""},
	} {
		req, err := http.NewRequest(c.method, "http://agent"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var e Error
		if c.code != "" {
			err = json.NewDecoder(res.Body).Decode(&e)
		}
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || e.Code != c.code {
			t.Errorf("%s %s: %s %+v %v", c.method, c.path, res.Status, e, err)
		}
	}
}

// What answers at the socket may be anything.
func TestNotAnAgent(t *testing.T) {
	for body, says := range map[string]string{
		"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nOops": "the agent answered 500 Oops",
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nOops":   "answer of the agent: ",
		"SSH-2.0-OpenSSH\r\n":                                "malformed HTTP response",
		"":                                                   "EOF",
	} {
		path := filepath.Join(t.TempDir(), "agent.sock")
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			conn, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			buf := make([]byte, 4096)
			_, _ = conn.Read(buf) // the request
			_, _ = io.WriteString(conn, body)
			conn.Close()
		})
		if _, err := NewClient(path).Status(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", body, err)
		}
		group.Wait()
		l.Close()
	}
}

func TestLargeTree(t *testing.T) {
	f := &fake{}
	c, _ := serve(t, f)
	const size = 20 << 20
	if digest, err := c.PutTree(t.Context(), io.LimitReader(zeros{}, size)); err != nil || digest != fmt.Sprint("digest of ", size) {
		t.Errorf("%s %v", digest, err)
	}
	broken := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), errReader{errors.New("the file has gone")})
	if _, err := c.PutTree(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "the file has gone") {
		t.Errorf("%v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestConcurrentCalls(t *testing.T) {
	c, _ := serve(t, &fake{tells: []any{Event{Rollout: 1}}})
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if _, err := c.Status(t.Context()); err != nil {
				t.Error(err)
			}
			if err := c.Watch(t.Context(), 1, 0, func(Event) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestNoAgent(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "agent.sock"), filepath.Join(dir, "no", "folder", "agent.sock")} {
		_, err := NewClient(path).Status(t.Context())
		if !errors.Is(err, ErrNoAgent) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "segue up") {
			t.Errorf("%v", err)
		}
	}
}

// A socket's address holds 107 bytes; the path may be longer.
func TestLongPath(t *testing.T) {
	dir := t.TempDir()
	for range 4 {
		dir = filepath.Join(dir, strings.Repeat("long", 60))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "agent.sock")
	c, _ := serveAt(t, path, &fake{})
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if len(path) < 900 {
		t.Errorf("only %d bytes long", len(path))
	}
}

func TestSocketIsPrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "agent.sock")
	serveAt(t, path, &fake{})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	// What a dead agent has left is replaced,
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("nothing is left by an agent that has gone: %v", err)
	}
	if _, err := NewClient(path).Status(t.Context()); !errors.Is(err, ErrNoAgent) {
		t.Errorf("%v", err)
	}
	// and so is a file that is no socket;
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := serveAt(t, path, &fake{})
	// a living one is not taken away.
	if _, err := Listen(path); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "another agent is running there") {
		t.Errorf("%v", err)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("the living one is harmed: %v", err)
	}
	if _, err := Listen(filepath.Join(t.TempDir(), "none", "agent.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
