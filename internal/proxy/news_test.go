package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// listener is a page that listens for news.
type listener struct {
	t    testing.TB
	res  *http.Response
	r    *bufio.Reader
	stop context.CancelFunc
}

// hear opens a stream, which has 30 s for the whole test.
func hear(t testing.TB, c *http.Client, url string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	req, _ := http.NewRequestWithContext(ctx, "GET", url+"/.segue/events", nil)
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	want(t, "status", res.StatusCode, 200)
	want(t, "type", res.Header.Get("Content-Type"), "text/event-stream")
	l := &listener{t, res, bufio.NewReader(res.Body), cancel}
	if first := l.block(); !regexp.MustCompile(`^retry: [1-5]\d\d\d$`).MatchString(first) {
		t.Errorf("first: %q", first)
	}
	return l
}

// block reads up to an empty line; "" is the end of the stream.
func (l *listener) block() string {
	l.t.Helper()
	var lines []string
	for {
		line, err := l.r.ReadString('\n')
		if err == io.EOF && len(lines) == 0 && line == "" {
			return ""
		}
		if err != nil {
			l.t.Fatal("stream: ", err)
		}
		if line == "\n" {
			return strings.Join(lines, "\n")
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}

// event reads up to the next event.
func (l *listener) event() (name, data string) {
	l.t.Helper()
	for {
		b := l.block()
		if b == "" {
			return "", ""
		}
		if name, data, ok := strings.Cut(b, "\ndata: "); ok {
			return strings.TrimPrefix(name, "event: "), data
		}
	}
}

func (l *listener) want(name, data string) {
	l.t.Helper()
	n, d := l.event()
	want(l.t, "event", n+" "+d, name+" "+data)
}

// patient is a client that waits for long.
func patient(t testing.TB, c *http.Client) *http.Client { c.Timeout = 0; return c }

// A page is told at once what there is, and then of each change, over HTTP/1.1 and
// HTTP/2, with and without TLS; its stream is no request of any instance's.
func TestNews(t *testing.T) {
	cert, keyFile := writeCert(t, t.TempDir(), "shop.example")
	for name, over := range map[string]struct {
		scheme string
		client *http.Client
		tls    bool
	}{
		"http1": {"http://", fresh(), false}, "h2c": {"http://", h2Only(t), false}, "h2": {"https://", h2Only(t), true},
	} {
		t.Run(name, func(t *testing.T) {
			p := skewed(t, proxy.Skew{Current: "7", Breaking: "6"}, func(s *proxy.Service) {
				if over.tls {
					s.CertFile, s.KeyFile = cert, keyFile
				}
			})
			l := hear(t, patient(t, over.client), over.scheme+p.addr)
			l.want("release", `{"breaking":"6","release":"7"}`)
			p.skew(proxy.Skew{Current: "8", Breaking: "6"})
			l.want("release", `{"breaking":"6","release":"8"}`)
			p.skew(proxy.Skew{Current: "8", Breaking: "6", Barred: []string{"9"}}) // nothing to tell of
			p.cfg.Services[0].Maintenance = &proxy.Maintenance{Why: "A move.", RetryAfter: 7 * time.Second}
			p.skew(proxy.Skew{Current: "8", Breaking: "6"})
			l.want("maintenance", `{"closed":"all","why":"A move.","retry_after":7}`)
			p.cfg.Services[0].Maintenance = nil
			p.skew(proxy.Skew{Current: "9", Breaking: "9"})
			l.want("release", `{"breaking":"9","release":"9"}`)
			l.want("maintenance", `{"closed":""}`)
			for _, in := range p.status().Services[0].Instances {
				want(t, in.ID+" has in flight", in.InFlight, 0)
				want(t, in.ID+" was asked", in.Requests, 0)
			}
		})
	}
}

// A page that comes in times of maintenance hears of it.
func TestNewsUnderMaintenance(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "7"}, func(s *proxy.Service) { s.Maintenance = &proxy.Maintenance{Writes: true} })
	l := hear(t, patient(t, fresh()), p.url(""))
	l.want("release", `{"breaking":"","release":"7"}`)
	l.want("maintenance", `{"closed":"writes","retry_after":30}`)
}

// When the service goes, its streams end; so do they when the proxy leaves, whole,
// and the proxy does not wait for them for longer than its spread.
func TestNewsEnd(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "7"})
	l := hear(t, patient(t, fresh()), p.url(""))
	l.want("release", `{"breaking":"","release":"7"}`)
	none := proxy.Config{Version: 9}
	if err := p.client.Apply(t.Context(), none); err != nil {
		t.Fatal(err)
	}
	want(t, "after the last event", l.block(), "")

	for name, c := range map[string]*http.Client{"http1": fresh(), "h2": h2Only(t)} {
		t.Run(name, func(t *testing.T) {
			ln := listen(t)
			defer ln.Close()
			s := proxy.Service{Skew: &proxy.Skew{Current: "7"}, Instances: []proxy.Instance{page(t, "x", "7")}, DrainSpread: 100 * time.Millisecond, DrainTimeout: time.Hour}
			p := startOn(t, ln, s, time.Hour)
			var all []*listener
			for range 20 {
				l := hear(t, patient(t, c), p.url(""))
				l.want("release", `{"breaking":"","release":"7"}`)
				all = append(all, l)
			}
			if err := p.client.Quit(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, l := range all {
				want(t, "after the last event", l.block(), "")
			}
			c.CloseIdleConnections()
			select {
			case err := <-p.ended:
				want(t, "Run", err, nil)
			case <-time.After(30 * time.Second):
				t.Fatal("the proxy waits for pages")
			}
		})
	}
}

// A client that goes takes its stream with it.
func TestNewsForgetsWhoHasGone(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "7"})
	c := patient(t, fresh())
	for range 10 {
		l := hear(t, c, p.url(""))
		l.want("release", `{"breaking":"","release":"7"}`)
		l.stop()
	}
	eventually(t, "no connection is left", func() bool { return p.status().Connections == 0 })
}
