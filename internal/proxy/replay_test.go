package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
)

// summing is an instance that answers with the digest of what it got.
func summing(t *testing.T, id string) proxy.Instance {
	return backend(t, id, func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.Copy(h, r.Body); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %x", id, h.Sum(nil))
	})
}

// slowly is a body of which only a part comes before go on is closed.
type slowly struct {
	body *bytes.Reader // not embedded: it can do more than Read
	part int
	goOn chan struct{}
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.part > 0 {
		n, err := s.body.Read(p[:min(len(p), s.part)])
		s.part -= n
		return n, err
	}
	<-s.goOn
	return s.body.Read(p)
}

// An upload whose instance leaves, or dies, before it has the whole body is
// sent to another, whatever its method, length and protocol.
func TestUploadIsReplayed(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 300<<10/16)
	digest := fmt.Sprintf("%x", sha256.Sum256(body))
	got := make(chan int)
	die := make(chan struct{})
	first := raw(t, "first", func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		b := make([]byte, 90<<10)
		n, _ := io.ReadFull(r, b)
		got <- n
		<-die
	})
	for _, part := range []int{100 << 10, 299 << 10} {
		for _, dies := range []bool{false, true} {
			for _, length := range []int64{int64(len(body)), -1} {
				for version, c := range map[string]*http.Client{"HTTP/1": kept(t), "HTTP/2": h2Only(t)} {
					t.Run(fmt.Sprintf("%d KiB dies %t length %d %s", part>>10, dies, length, version), func(t *testing.T) {
						p := start(t, proxy.Service{Replay: 1 << 20, Instances: []proxy.Instance{first}})
						src := &slowly{bytes.NewReader(body), part, make(chan struct{})}
						req, _ := http.NewRequest("POST", p.url("/"), io.NopCloser(src))
						req.ContentLength = length
						answer := make(chan string, 1)
						go func() {
							res, err := c.Do(req)
							if err != nil {
								answer <- err.Error()
								return
							}
							b, _ := io.ReadAll(res.Body)
							answer <- string(b)
						}()
						<-got
						second := summing(t, "second")
						if dies {
							p.route(first, second)
							p.route(second)
							die <- struct{}{}
						} else {
							partings[0].begin(p, first, second)
						}
						eventually(t, "it is sent again", func() bool {
							return metric(t, p, `segue_goodbyes_total{kind="replayed"}`) == "1"
						})
						close(src.goOn)
						want(t, "answer", <-answer, "second "+digest)
						if !dies {
							die <- struct{}{}
						}
					})
				}
			}
		}
	}
}

// metric gives a value of the proxy's metrics.
func metric(t *testing.T, p *running, name string) string {
	t.Helper()
	text, err := p.client.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// What the instance has whole, what is larger than is kept, and what nothing is
// to be kept of, is not sent again.
func TestUploadIsNotReplayed(t *testing.T) {
	body := strings.Repeat("x", 100<<10)
	for _, c := range []struct {
		name   string
		replay int64
		part   int
	}{{"whole", 1 << 20, len(body)}, {"too large", 90 << 10, 80 << 10}, {"off", -1, 80 << 10}} {
		t.Run(c.name, func(t *testing.T) {
			got := make(chan struct{})
			first := raw(t, "first", func(n int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				io.CopyN(io.Discard, r, int64(c.part))
				close(got)
			})
			p := start(t, proxy.Service{Replay: c.replay, Instances: []proxy.Instance{first}})
			src := &slowly{bytes.NewReader([]byte(body)), c.part, make(chan struct{})}
			defer close(src.goOn)
			req, _ := http.NewRequest("POST", p.url("/"), io.NopCloser(src))
			req.ContentLength = int64(len(body))
			answer := make(chan string, 1)
			go func() {
				res, err := fresh().Do(req)
				if err != nil {
					answer <- err.Error()
					return
				}
				res.Body.Close()
				answer <- fmt.Sprint(res.StatusCode, " ", res.Header.Get("Segue-Error"))
			}()
			<-got
			p.route(summing(t, "second"))
			want(t, "answer", <-answer, "502 closed-before-answer")
		})
	}
}
