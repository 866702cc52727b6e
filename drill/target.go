package drill

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// Headers that the drill sends with each request.
const (
	// HeaderDrill asks Segue's proxy to name the release that answered.
	HeaderDrill = "Segue-Drill"
	// HeaderDrillID is unique to each request, "<Result.ID>-<Failure.N>", so
	// that a server's log can be held against the result.
	HeaderDrillID = "Segue-Drill-Id"

	userAgent = "segue-drill/1"
)

// origin is where connections lead to.
type origin struct {
	tls  bool
	addr string // host:port
	host string // for TLS's server name
}

// target is a Target made ready: all that can be computed once.
type target struct {
	origin
	method, path string
	weight       float64
	body         []byte
	expect       *Expect
	keepBody     bool
	fresh, kept  message             // HTTP/1.1
	fields       []hpack.HeaderField // HTTP/2
	shape        *http.Request       // what http.ReadResponse wants to know
}

// message is an HTTP/1.1 request in two parts, between which its id goes.
type message struct{ before, after []byte }

func (m message) appendTo(b []byte, id string) []byte {
	b = append(b, m.before...)
	b = append(b, id...)
	return append(b, m.after...)
}

func newTarget(p Plan, t Target) (*target, error) {
	u, err := parseURL(t.URL)
	if err != nil {
		return nil, err
	}
	if t.Weight < 0 {
		return nil, fmt.Errorf("drill: target %s: weight %v is negative", redactURL(t.URL), t.Weight)
	}
	req, err := newRequest(p, t, u)
	if err != nil {
		return nil, fmt.Errorf("drill: target %s: %w", redactURL(t.URL), err)
	}
	r := &target{
		origin: originOf(u), method: req.Method, path: u.EscapedPath(), body: t.Body,
		weight: weightOf(t), expect: &p.Expect, keepBody: p.ReleaseFromBody != nil,
		shape: &http.Request{Method: req.Method}, fields: fieldsOf(req),
	}
	r.path = cmp.Or(r.path, "/")
	if t.Expect != nil {
		r.expect = t.Expect
		if err := t.Expect.check(); err != nil {
			return nil, err
		}
	}
	if r.kept, err = serialize(req, t.Body); err != nil {
		return nil, err
	}
	req.Close = true
	r.fresh, err = serialize(req, t.Body)
	return r, err
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		// The parser's error repeats the URL, with its password.
		return nil, fmt.Errorf("drill: the URL cannot be parsed: %w", errors.Unwrap(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("drill: URL %q: want http://host[:port]/path or https://…", redactURL(s))
	}
	return u, nil
}

func originOf(u *url.URL) origin {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return origin{tls: u.Scheme == "https", addr: net.JoinHostPort(u.Hostname(), port), host: u.Hostname()}
}

func newRequest(p Plan, t Target, u *url.URL) (*http.Request, error) {
	h := http.Header{"User-Agent": {userAgent}}
	for _, src := range []http.Header{p.Header, t.Header} {
		for name, values := range src {
			if err := checkHeader(name, values); err != nil {
				return nil, err
			}
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	h.Set(HeaderDrill, "1")
	req, err := http.NewRequest(methodOf(t), u.String(), nil)
	if err != nil {
		return nil, errors.New("the method or URL is not valid")
	}
	if u.User != nil && h.Get("Authorization") == "" {
		pass, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), pass)
		h.Set("Authorization", req.Header.Get("Authorization"))
	}
	if host := h.Get("Host"); host != "" {
		req.Host = host
		h.Del("Host")
	}
	req.Header = h
	return req, nil
}

// ownedHeaders are set by the drill; a plan that sets them asks for what
// it cannot do (requests are sent whole, on connections of the plan's mix).
var ownedHeaders = []string{"Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Expect", "Trailer", HeaderDrill, HeaderDrillID}

func checkHeader(name string, values []string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("header name %q is not valid", name)
	}
	for _, owned := range ownedHeaders {
		if strings.EqualFold(name, owned) {
			return fmt.Errorf("header %s is the drill's own to set", owned)
		}
	}
	for _, v := range values {
		if !httpguts.ValidHeaderFieldValue(v) {
			return fmt.Errorf("the value of header %s is not valid", name)
		}
	}
	return nil
}

// idMark stands where the request's id goes.
const idMark = "00-segue-drill-id-00"

// serialize lets net/http write the request once, so that its form is right.
func serialize(req *http.Request, body []byte) (message, error) {
	r := req.Clone(req.Context())
	r.Header.Set(HeaderDrillID, idMark)
	if len(body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return message{}, fmt.Errorf("drill: %w", err)
	}
	before, after, found := bytes.Cut(b.Bytes(), []byte(HeaderDrillID+": "+idMark))
	if !found {
		return message{}, errors.New("drill: the request could not be prepared")
	}
	return message{append(bytes.Clone(before), HeaderDrillID+": "...), bytes.Clone(after)}, nil
}

// fieldsOf is the request's header for HTTP/2, but for its id and length.
func fieldsOf(req *http.Request) []hpack.HeaderField {
	fields := []hpack.HeaderField{
		{Name: ":method", Value: req.Method},
		{Name: ":scheme", Value: req.URL.Scheme},
		{Name: ":authority", Value: cmp.Or(req.Host, req.URL.Host)},
		{Name: ":path", Value: req.URL.RequestURI()},
	}
	for name, values := range req.Header {
		for _, v := range values {
			fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: v, Sensitive: isSecretHeader(name)})
		}
	}
	return fields
}

func methodOf(t Target) string  { return cmp.Or(t.Method, http.MethodGet) }
func weightOf(t Target) float64 { return cmp.Or(t.Weight, 1) }
