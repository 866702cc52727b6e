package proxy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// close gives the proxy the table it has, with maintenance or without.
func (r *running) close(m *proxy.Maintenance) {
	r.t.Helper()
	r.change(func(s *proxy.Service) { s.Maintenance = m })
}

// over2 is a client that speaks HTTP/2 from the start.
func over2(t *testing.T) *http.Client {
	t.Helper()
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: h2c}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

func sendAs(t *testing.T, c *http.Client, method, url, body string, fields ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Body = nil
	}
	for n := 0; n < len(fields); n += 2 {
		req.Header.Set(fields[n], fields[n+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res, read(t, res)
}

// What is a write is decided by the method, on every kind of connection.
func TestMaintenanceRefusesWrites(t *testing.T) {
	var reached atomic.Int32
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) { reached.Add(1) })}})
	p.close(&proxy.Maintenance{Writes: true, RetryAfter: 7 * time.Second, Why: "a new disk"})
	big := strings.Repeat("x", 300_000)
	for name, c := range map[string]*http.Client{"kept alive": kept(t), "fresh": fresh(), "HTTP/2": over2(t)} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND"} {
			if res, _ := sendAs(t, c, method, p.url("/"), ""); res.StatusCode != 200 {
				t.Errorf("%s: %s got %s", name, method, res.Status)
			}
		}
		reached.Store(0)
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "get", "LOCK"} {
			for _, body := range []string{"", "small", big} {
				if method == "DELETE" && body != "" {
					continue
				}
				res, told := sendAs(t, c, method, p.url("/"), body)
				if res.StatusCode != 503 || res.Header.Get("Retry-After") != "7" || res.Header.Get("Segue-Error") != "maintenance" || !strings.Contains(told, "a new disk") {
					t.Errorf("%s: %s with %d bytes got %s, %v, %s", name, method, len(body), res.Status, res.Header, told)
				}
			}
		}
		want(t, name+": writes that reached the instance", reached.Load(), 0)
	}
	p.close(nil)
	res, _ := sendAs(t, kept(t), "POST", p.url("/"), "small")
	want(t, "after maintenance", res.StatusCode, 200)
}

// The body of a refused request is either read or never asked for, and the
// connection goes on.
func TestMaintenanceKeepsConnections(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	p.close(&proxy.Maintenance{Writes: true})
	c := dial(t, p.addr)
	r := bufio.NewReader(c)
	answer := func(text string) *http.Response {
		t.Helper()
		io.WriteString(c, text)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		read(t, res)
		return res
	}
	for range 3 {
		want(t, "a write", answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").StatusCode, 503)
		want(t, "a read on the same connection", answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n").StatusCode, 200)
	}
	res := answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n")
	want(t, "a write that asks first", res.StatusCode, 503)
	if !res.Close {
		t.Error("the connection goes on, though the client may or may not send its body")
	}
}

// All are refused, and told by what they understand: programs by problem details
// (RFC 9457), people by a page that comes again by itself.
func TestMaintenanceTellsWhy(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	p.close(&proxy.Maintenance{RetryAfter: 20 * time.Second, Why: `a <new> "disk", für alle`})
	res, told := sendAs(t, kept(t), "GET", p.url("/"), "")
	var problem struct {
		Title, Detail, Error, Message string
		Status, RetryAfter            int
	}
	if err := json.Unmarshal([]byte(told), &problem); err != nil {
		t.Error(err)
	}
	want(t, "type", res.Header.Get("Content-Type"), "application/problem+json")
	want(t, "problem", fmt.Sprint(problem.Title, problem.Status, problem.Error, problem.Detail), "Service Unavailable503maintenance"+
		`The service is under maintenance. a <new> "disk", für alle`)

	_, page := sendAs(t, kept(t), "GET", p.url("/a?b=c"), "", "Accept", "text/html,*/*")
	if !strings.Contains(page, "a &lt;new&gt; &#34;disk&#34;, für alle") || strings.Contains(page, "{{") {
		t.Errorf("the page: %s", page)
	}
	if n := refreshOf(page); n < 20 || n > 27 {
		t.Errorf("the page comes again after %d s, of a Retry-After of 20 s", n)
	}
	_, page = sendAs(t, kept(t), "POST", p.url("/form"), "a=b", "Accept", "text/html")
	if refreshOf(page) != 0 || !strings.Contains(page, "What you sent has not been taken") {
		t.Errorf("behind a form: %s", page)
	}

	p.change(func(s *proxy.Service) { s.Pages = map[int]string{503: "<p>ours"} })
	_, page = sendAs(t, kept(t), "GET", p.url("/"), "", "Accept", "text/html")
	want(t, "the service's page", page, "<p>ours")
	p.close(&proxy.Maintenance{Page: "<p>closed"})
	res, page = sendAs(t, kept(t), "GET", p.url("/"), "", "Accept", "text/html")
	want(t, "maintenance's own page", page, "<p>closed")
	if n, _ := strconv.Atoi(res.Header.Get("Refresh")); n < 30 {
		t.Errorf("it comes again after %q", res.Header.Get("Refresh"))
	}
	res, _ = sendAs(t, kept(t), "POST", p.url("/"), "a=b", "Accept", "text/html")
	want(t, "behind a form, it comes again after", res.Header.Get("Refresh"), "")

	res, _ = sendAs(t, over2(t), "POST", p.url("/"), "", "Content-Type", "application/grpc")
	want(t, "gRPC", res.Header.Get("Grpc-Status"), "14")
}

func refreshOf(page string) (n int) {
	_, rest, _ := strings.Cut(page, `<meta http-equiv="refresh" content="`)
	text, _, _ := strings.Cut(rest, `"`)
	n, _ = strconv.Atoi(text)
	return n
}

// Once Apply has returned and no write is in flight, none comes any more: under
// the load of many writers, again and again.
func TestMaintenanceIsQuiet(t *testing.T) {
	var quiet, broken atomic.Bool
	p := start(t, proxy.Service{Instances: []proxy.Instance{
		backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" && quiet.Load() {
				broken.Store(true)
			}
		})}})
	stop := make(chan struct{})
	var writers sync.WaitGroup
	var refused, served atomic.Int32
	for n := range 16 {
		c := kept(t)
		if n%4 == 0 {
			c = over2(t)
		}
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := c.Post(p.url("/"), "text/plain", strings.NewReader("x"))
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				switch res.StatusCode {
				case 503:
					refused.Add(1)
				case 200:
					served.Add(1)
				default:
					t.Error(res.Status)
				}
			}
		})
	}
	for range 20 {
		before := served.Load()
		eventually(t, "writes are served", func() bool { return served.Load() > before+5 })
		p.close(&proxy.Maintenance{Writes: true})
		eventually(t, "no write is in flight", func() bool { return p.status().Services[0].Writes == 0 })
		quiet.Store(true)
		before = refused.Load()
		eventually(t, "writes are refused", func() bool { return refused.Load() > before+5 })
		quiet.Store(false)
		p.close(nil)
	}
	close(stop)
	writers.Wait()
	if broken.Load() {
		t.Error("a write came in the quiet")
	}
	eventually(t, "no write is in flight in the end", func() bool { return p.status().Services[0].Writes == 0 }) // an answer is there a moment before it is counted
}

// Held for a while, a short work is only felt as a pause; reads go on beside it.
func TestMaintenanceHolds(t *testing.T) {
	p := start(t, proxy.Service{HoldTimeout: -1, Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	p.close(&proxy.Maintenance{Writes: true, Hold: time.Minute})
	got := make(chan int, 3)
	post := func() {
		res, err := fresh().Post(p.url("/"), "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Error(err)
			got <- 0
			return
		}
		res.Body.Close()
		got <- res.StatusCode
	}
	for range 3 {
		go post()
	}
	p.parked(3)
	if res, _ := get(t, fresh(), p.url("/")); res.StatusCode != 200 {
		t.Error("a read got", res.Status)
	}
	p.close(nil)
	for range 3 {
		want(t, "held", <-got, 200)
	}
	p.close(&proxy.Maintenance{Writes: true, Hold: 30 * time.Millisecond})
	post()
	want(t, "held in vain", <-got, 503)

	p.close(&proxy.Maintenance{Writes: true, Hold: time.Minute})
	go post()
	p.parked(1)
	p.close(&proxy.Maintenance{Writes: true})
	want(t, "no longer held", <-got, 503)
}

// What is parked by a pause when maintenance begins is not let through by it,
// and does not stand in the way of those that are.
func TestMaintenanceOutlastsAPause(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	p.pause(&proxy.Pause{Until: time.Now().Add(time.Minute)})
	got := map[string]chan int{"POST": make(chan int, 1), "GET": make(chan int, 1)}
	n := int64(0)
	for _, method := range []string{"POST", "GET"} {
		go func() {
			req, err := http.NewRequest(method, p.url("/"), nil)
			if err != nil {
				t.Error(err)
			}
			res, err := fresh().Do(req)
			if err != nil {
				t.Error(err)
				got[method] <- 0
				return
			}
			res.Body.Close()
			got[method] <- res.StatusCode
		}()
		n++
		p.parked(n)
	}
	p.close(&proxy.Maintenance{Writes: true})
	want(t, "the write", <-got["POST"], 503)
	p.parked(1)
	p.pause(nil)
	want(t, "the read", <-got["GET"], 200)
}

// It ends by itself at its time, with nobody there to end it.
func TestMaintenanceEndsByItself(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	until := time.Now().Add(500 * time.Millisecond)
	p.close(&proxy.Maintenance{Until: until, Hold: time.Minute})
	res, _ := get(t, fresh(), p.url("/"))
	want(t, "held until then", res.StatusCode, 200)
	if early := time.Until(until); early > 5*time.Millisecond {
		t.Error("answered", early, "before its end")
	}
	p.close(&proxy.Maintenance{Until: time.Now().Add(time.Minute), RetryAfter: time.Hour})
	res, _ = get(t, fresh(), p.url("/"))
	if n, _ := strconv.Atoi(res.Header.Get("Retry-After")); n < 1 || n > 60 {
		t.Errorf("Retry-After: %q, though it is over in a minute", res.Header.Get("Retry-After"))
	}
}

// A WebSocket may write: those that there are get the time of a drain and are
// then told to go, and new ones are refused. So are requests that write and last,
// while reads go on.
func TestMaintenanceEndsUpgrades(t *testing.T) {
	in := raw(t, "a", func(_ int, c net.Conn, r *bufio.Reader) {
		head := readHead(r)
		if strings.Contains(head, "Upgrade: websocket") {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			io.Copy(io.Discard, r)
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n")
		io.Copy(io.Discard, r)
	})
	p := start(t, proxy.Service{DrainTimeout: 50 * time.Millisecond, DrainSpread: -1, Instances: []proxy.Instance{in}})
	const upgrade = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	ws := dial(t, p.addr)
	io.WriteString(ws, upgrade)
	r := bufio.NewReader(ws)
	if head := readHead(r); !strings.Contains(head, " 101 ") {
		t.Fatal(head)
	}
	events := dial(t, p.addr)
	io.WriteString(events, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
	from := bufio.NewReader(events)
	readHead(from)
	want(t, "writes in flight", p.status().Services[0].Writes, 1)

	p.close(&proxy.Maintenance{Writes: true})
	frame := make([]byte, 4)
	if _, err := io.ReadFull(r, frame); err != nil || frame[0] != 0x88 || int(frame[2])<<8|int(frame[3]) != 1012 {
		t.Errorf("the WebSocket got % x, %v; want a Close frame with 1012", frame, err)
	}
	ws.Close()
	eventually(t, "no write is in flight", func() bool { return p.status().Services[0].Writes == 0 })
	if got := talk(t, p.addr, strings.Replace(upgrade, "Connection: Upgrade", "Connection: Upgrade, close", 1)); !strings.Contains(got, " 503 ") {
		t.Errorf("another WebSocket got %q", got)
	}
	eventually(t, "a read is in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 1 })
	p.close(&proxy.Maintenance{})
	last := ""
	for !strings.HasSuffix(last, "0\r\n\r\n") { // its end, in order
		b, err := from.ReadByte()
		if err != nil {
			t.Fatalf("the stream ends with %q, %v", last, err)
		}
		last += string(b)
	}
	eventually(t, "nothing is in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 0 })
}
