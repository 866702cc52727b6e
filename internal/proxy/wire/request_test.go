package wire

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// parse finds and parses the head that text begins with.
func parse(r *Request, text string) (end int, err error) {
	b := []byte(text)
	end, _, err = HeadEnd(b, 0)
	if err != nil || end == 0 {
		return end, err
	}
	return end, r.Parse(b[:end])
}

// What has been used to make two servers see two different requests is refused.
func TestRefusesSmuggling(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	for name, c := range map[string]struct {
		text   string
		status int
	}{
		"cl.te":                   {post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"te.cl":                   {post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
		"te.te unknown":           {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 501},
		"te twice":                {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		"te list":                 {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
		"te identity":             {post + "Transfer-Encoding: identity\r\n\r\n", 501},
		"te xchunked":             {post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
		"te quoted":               {post + "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
		"te with parameter":       {post + "Transfer-Encoding: chunked;q=1\r\n\r\n", 501},
		"te with comma":           {post + "Transfer-Encoding: chunked,\r\n\r\n", 501},
		"te empty":                {post + "Transfer-Encoding:\r\n\r\n", 501},
		"te space before colon":   {post + "Transfer-Encoding : chunked\r\n\r\n", 400},
		"te tab before colon":     {post + "Transfer-Encoding\t: chunked\r\n\r\n", 400},
		"te vertical tab":         {post + "Transfer-Encoding: \x0bchunked\r\n\r\n", 400},
		"te form feed":            {post + "Transfer-Encoding:\x0cchunked\r\n\r\n", 400},
		"te folded":               {post + "Transfer-Encoding:\r\n chunked\r\n\r\n", 400},
		"te behind fold":          {post + "X: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400},
		"te behind bare cr":       {post + "X: y\rTransfer-Encoding: chunked\r\n\r\n", 400},
		"te behind bare lf":       {post + "X: y\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"te behind zero":          {post + "X: y\x00\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"te leading space":        {post + " Transfer-Encoding: chunked\r\n\r\n", 400},
		"te in 1.0":               {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"cl twice":                {post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\n", 400},
		"cl twice, equal":         {post + "Content-Length: 4\r\nContent-Length: 4\r\n\r\n", 400},
		"cl list":                 {post + "Content-Length: 5, 5\r\n\r\n", 400},
		"cl plus":                 {post + "Content-Length: +5\r\n\r\n", 400},
		"cl minus":                {post + "Content-Length: -5\r\n\r\n", 400},
		"cl hexadecimal":          {post + "Content-Length: 0x5\r\n\r\n", 400},
		"cl leading zero":         {post + "Content-Length: 05\r\n\r\n", 400},
		"cl space inside":         {post + "Content-Length: 1 0\r\n\r\n", 400},
		"cl underscore":           {post + "Content-Length: 1_0\r\n\r\n", 400},
		"cl empty":                {post + "Content-Length: \r\n\r\n", 400},
		"cl too long":             {post + "Content-Length: 18446744073709551620\r\n\r\n", 400},
		"cl quoted":               {post + "Content-Length: \"5\"\r\n\r\n", 400},
		"cl behind space line":    {post + " \r\nContent-Length: 5\r\n\r\n", 400},
		"trailer moves the end":   {post + "Transfer-Encoding: chunked\r\nTrailer: X, Content-Length\r\n\r\n", 400},
		"name empty":              {post + ": y\r\n\r\n", 400},
		"name with space":         {post + "X Y: z\r\n\r\n", 400},
		"name not ascii":          {post + "X\xe9: z\r\n\r\n", 400},
		"no colon":                {post + "Xyz\r\n\r\n", 400},
		"delete in value":         {post + "X: \x7f\r\n\r\n", 400},
		"host twice":              {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
		"host none":               {"GET / HTTP/1.1\r\n\r\n", 400},
		"host with path":          {"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400},
		"host with user":          {"GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", 400},
		"host list":               {"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400},
		"host two ports":          {"GET / HTTP/1.1\r\nHost: x:1:2\r\n\r\n", 400},
		"host half a bracket":     {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
		"connect":                 {"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 400},
		"authority form":          {"GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"other scheme":            {"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"absolute without host":   {"GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"absolute with user":      {"GET http://a@b/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"asterisk":                {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"fragment":                {"GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"bad escape":              {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"half an escape":          {"GET /%2 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"two spaces":              {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"space at the end":        {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
		"tab for space":           {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"space in target":         {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"leading space":           {" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"version 0.9":             {"GET /\r\n\r\n", 400},
		"version 1.2":             {"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505},
		"version 2":               {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
		"version 11":              {"GET / HTTP/1.11\r\nHost: x\r\n\r\n", 400},
		"version in lower case":   {"GET / http/1.1\r\nHost: x\r\n\r\n", 400},
		"bare lf in request line": {"GET / HTTP/1.1\nHost: x\r\n\r\n", 400},
		"bare cr in request line": {"GET / HTTP/1.1\rHost: x\r\n\r\n", 400},
		"bare lf at the end":      {"GET / HTTP/1.1\r\nHost: x\r\n\n", 400},
		"cr cr lf":                {"GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", 400},
	} {
		var r Request
		end, err := parse(&r, c.text)
		if e, ok := err.(*Error); !ok || e.Status != c.status {
			t.Errorf("%s: %v (head of %d bytes), want status %d", name, err, end, c.status)
		}
	}
}

func TestAccepts(t *testing.T) {
	for text, want := range map[string]Request{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                                                              {Host: []byte("x"), Minor: 1},
		"GET / HTTP/1.0\r\n\r\n":                                                                         {},
		"GET /a%2F?b=%zz HTTP/1.1\r\nHost:\r\n\r\n":                                                      {Minor: 1},
		"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n":                                                   {Host: []byte("[::1]:80"), Minor: 1},
		"GET http://y:1/p?q HTTP/1.1\r\nHost: x\r\n\r\n":                                                 {Host: []byte("y:1"), Minor: 1},
		"GET http://y?q HTTP/1.1\r\nHost: x\r\n\r\n":                                                     {Host: []byte("y"), Minor: 1},
		"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 12 \r\n\r\n":                                      {Host: []byte("x"), Minor: 1, Length: 12},
		"POST / HTTP/1.1\r\nhost:x\r\nTransfer-Encoding:\tChunked\t\r\n\r\n":                             {Host: []byte("x"), Minor: 1, Length: -1},
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Y\r\n\r\n":                                    {Host: []byte("x"), Minor: 1, connection: connection{Close: true}},
		"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nUpgrade: w\r\nX: \xe9 \"\t'\r\nY:\r\n\r\n": {Host: []byte("x"), Minor: 1, Expects: true, Upgrades: true},
	} {
		var r Request
		end, err := parse(&r, text)
		if err != nil || end != len(text) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if string(r.Host) != string(want.Host) || r.Minor != want.Minor || r.Length != want.Length || r.Close != want.Close ||
			r.Expects != want.Expects || r.Upgrades != want.Upgrades {
			t.Errorf("%q: got %+v", text, r)
		}
		if r.Close && !r.Ends([]byte("x-y")) {
			t.Error("a field that Connection names does not end here")
		}
	}
	var r Request
	parse(&r, "GET http://y?q HTTP/1.1\r\nHost: x\r\n\r\n")
	if string(r.Origin) != "?q" || !r.Rootless {
		t.Errorf("origin is %q", r.Origin)
	}
}

// A head is found the same way however it arrives.
func TestHeadEndInPieces(t *testing.T) {
	text := []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET")
	next := 0
	for i := range text {
		end, n, err := HeadEnd(text[:i], next)
		if err != nil || (end != 0) != (i >= len(text)-3) {
			t.Fatalf("%d bytes: end %d, %v", i, end, err)
		}
		if next = n; end > 0 {
			return
		}
	}
	t.Fatal("not found")
}

// No allocation once the slices have grown.
func TestParseAllocatesNothing(t *testing.T) {
	head := []byte("GET /path HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nConnection: keep-alive\r\nCookie: a=b\r\n\r\n")
	var r Request
	r.Parse(head)
	if n := testing.AllocsPerRun(100, func() { r.Parse(head) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What we accept, net/http accepts, as the same request, and with the same
// bytes behind it. It accepts much that we do not: folded lines, a
// Content-Length beside a Transfer-Encoding or twice, bare LF, leading zeros.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2",
		"POST /a%20b?c HTTP/1.1\r\nHost: x:80\r\nContent-Length: 5\r\n\r\nhelloGET",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5;a=b\r\nhello\r\n00\r\nA: b\r\n\r\nGET",
		"GET http://[::1]:80/a?b HTTP/1.1\r\nHost: y\r\nConnection: close, a\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n",
		"GET //a HTTP/1.1\r\nHost: \r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4000 { // net/http wants a trailer section to fit its buffer
			return
		}
		var r Request
		end, _, err := HeadEnd(b, 0)
		if err != nil || end == 0 || r.Parse(b[:end]) != nil {
			return
		}
		rest := bufio.NewReaderSize(bytes.NewReader(b), 8<<10)
		req, err := http.ReadRequest(rest)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b, err)
		}
		same(t, "method", req.Method, string(r.Method))
		same(t, "target", req.RequestURI, string(r.Target))
		same(t, "host", req.Host, string(r.Host))
		same(t, "minor version", req.ProtoMinor, r.Minor)
		same(t, "close", req.Close, !r.Persists())
		same(t, "length", req.ContentLength, r.Length)
		same(t, "origin", req.URL.EscapedPath() != "", len(r.Path) > 0)
		sameBody(t, req, rest, b[end:], r.Length)
	})
}

// sameBody reads the body both ways, if it is whole, and compares what it holds
// and what is left behind it.
func sameBody(t *testing.T, req *http.Request, rest *bufio.Reader, b []byte, length int64) {
	if length > int64(len(b)) {
		return
	}
	n, data := int(length), length
	if length < 0 {
		var c Chunks
		var last bool
		var err error
		if n, last, err = c.Scan(b); err != nil || !last {
			return
		}
		end, _, err := HeadEnd(b[n:], 0)
		if err != nil || end == 0 {
			return
		}
		if f, err := ParseTrailer(nil, b[n:n+end]); err != nil || !AllTrail(f) {
			return
		}
		n, data = n+end, c.Data
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatalf("net/http refuses the body of %q: %v", b, err)
	}
	same(t, "bytes of body", int64(len(body)), data)
	behind, _ := io.ReadAll(rest)
	same(t, "what is behind", string(behind), string(b[n:]))
}

func same(t *testing.T, what string, theirs, ours any) {
	if theirs != ours {
		t.Fatalf("%s: net/http %v, we %v", what, theirs, ours)
	}
}

func BenchmarkParse(b *testing.B) {
	head := []byte("GET /path HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Encoding: gzip\r\nCookie: session=" + strings.Repeat("a", 100) + "\r\n\r\n")
	var r Request
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		if end, _, _ := HeadEnd(head, 0); r.Parse(head[:end]) != nil {
			b.Fatal("refused")
		}
	}
}
