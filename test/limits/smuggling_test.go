package limits_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// smuggling are requests that two readers may understand in two ways: what the
// first takes for a body, the second takes for another request, GET /smuggled.
// From the field's published work on request smuggling, and RFC 9112 §6.1, §6.3,
// §7.1 and §11.2. Those marked sound have one meaning only.
var smuggling = []struct {
	name, text string
	sound      bool
}{
	{name: "CL.TE", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n"},
	{name: "TE.CL", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2b\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\nX: aaaa\r\n\r\n\r\n0\r\n\r\n"},
	{name: "TE.TE, one obfuscated", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n5c\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n0\r\n\r\n"},
	{name: "TE with a space before the colon", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE with a tab before the colon", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE with a vertical tab", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE quoted", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE xchunked", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE chunked, identity", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE twice", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE with a control character", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE on a folded line", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE behind a folded line", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE behind a bare LF", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE behind a bare CR", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "TE in HTTP/1.0", text: "POST /v HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "space before the first field", text: "POST /v HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: x\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "two lengths", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "two equal lengths", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"},
	{name: "a list of lengths", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\nab"},
	{name: "length with a sign", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\nab"},
	{name: "length in hexadecimal", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\nab"},
	{name: "length with a space", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 2 3\r\n\r\nab"},
	{name: "length empty", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "length too large for any number", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551618\r\n\r\nab"},
	{name: "length with a space before the colon", text: "POST /v HTTP/1.1\r\nHost: x\r\nContent-Length : 37\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "GET with a body", text: "GET /v HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", sound: true},
	{name: "chunk size with a sign", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "chunk size with a prefix", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n"},
	{name: "chunk size that overflows", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n"},
	{name: "chunk size line ended by LF", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n"},
	{name: "chunk extension with LF", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nxx\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "chunk longer than its size", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n"},
	{name: "chunk extension", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;name=value\r\nab\r\n0\r\n\r\n", sound: true},
	{name: "length in the trailer", text: "POST /v HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nContent-Length: 35\r\n\r\n"},
	{name: "two hosts", text: "GET /v HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"},
	{name: "another host in the target", text: "GET http://y/v HTTP/1.1\r\nHost: x\r\n\r\n", sound: true},
	{name: "target with a space", text: "GET /v HTTP/1.1\r\nX: /smuggled HTTP/1.1\r\nHost: x y\r\n\r\n"},
	{name: "null in the target", text: "GET /v\x00 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "bare LF lines", text: "GET /v HTTP/1.1\nHost: x\n\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "upgrade to cleartext HTTP/2", text: "GET /v HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", sound: true},
	{name: "length nominated as hop-by-hop", text: "POST /v HTTP/1.1\r\nHost: x\r\nConnection: Content-Length\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", sound: true},
}

// nodeServer prints what it sees, as the Go service does with SAW.
const nodeServer = `require('http').createServer((q, s) => {
	let n = 0
	q.on('data', d => n += d.length)
	q.on('end', () => { console.log('SAW ' + q.method + ' ' + q.url + ' ' + n); s.end('ok\n') })
}).listen(process.env.PORT, '127.0.0.1')
`

// TestSmuggling replays them against the proxy and instances by others, and
// wants that proxy and instance have seen the same requests: the proxy's access
// log and the instance's own record say the same.
func TestSmuggling(t *testing.T) {
	for _, c := range []struct{ name, release string }{
		{"net/http", "release: { files: [bin], command: bin/service }"},
		{"node", "release: { files: [server.js], command: node server.js }"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := harness.New(t)
			w.Write("server.js", nodeServer)
			w.Write("segue.yaml", fmt.Sprintf("service: web\nlisten: 127.0.0.1:%d\n%s\nenv: { SAW: 1 }\naccess_log: true\nproxy: { timeouts: { header: 1s, body: 1s } }\n", w.Port, c.release))
			w.Agent()
			w.Must(0, "deploy")
			for n, v := range smuggling {
				all := replay(t, w, v.text+fmt.Sprintf("GET /after-%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", n))
				sound := strings.HasPrefix(all, "HTTP/1.1 200") && strings.Contains(all[1:], "HTTP/1.1 200")
				if sound != v.sound {
					t.Errorf("%s is answered\n%s", v.name, all)
				}
			}
			w.Get("/end")
			proxy, instance := seen(t, w)
			for _, s := range []string{"GET /smuggled", "GET /v\x00"} {
				if slices.ContainsFunc(instance, func(line string) bool { return strings.HasPrefix(line, s) }) {
					t.Errorf("the instance saw %s", s)
				}
			}
			if !slices.Equal(proxy, instance) {
				t.Errorf("the proxy passed on\n  %s\nand the instance saw\n  %s", strings.Join(proxy, "\n  "), strings.Join(instance, "\n  "))
			}
		})
	}
}

// replay sends bytes and returns all that comes back, until the connection's
// end.
func replay(t *testing.T, w *harness.World, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	// Both fail when the proxy has hung up, as it may.
	_, _ = io.WriteString(conn, text)
	all, err := io.ReadAll(conn)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Errorf("the connection is still open after a minute: %q", text)
	}
	return string(all)
}

// seen waits for the last request in both records, and returns what the proxy
// has passed on with success and what the instance saw, sorted.
func seen(t *testing.T, w *harness.World) (proxy, instance []string) {
	t.Helper()
	ended := func(lines []string) bool { return slices.Contains(lines, "GET /end 0") }
	w.Until("both records hold the last request", func() bool {
		proxy, instance = passedOn(t, w), recorded(t, w)
		return ended(proxy) && ended(instance)
	})
	slices.Sort(proxy)
	slices.Sort(instance)
	return proxy, instance
}

func passedOn(t *testing.T, w *harness.World) (out []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.State, "logs", "access.log"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var e struct {
			Method, URI, Instance string
			Status                int
			Received              int64
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Instance != "" && e.Status < 400 {
			_, path, absolute := strings.Cut(e.URI, "http://y")
			if !absolute {
				path = e.URI
			}
			out = append(out, fmt.Sprintf("%s %s %d", e.Method, path, e.Received))
		}
	}
	return out
}

func recorded(t *testing.T, w *harness.World) (out []string) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(w.State, "logs", "web", "*.log")) // fails only for a bad pattern
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if _, what, ok := strings.Cut(strings.TrimSpace(line), "SAW "); ok {
				out = append(out, what)
			}
		}
	}
	return out
}
