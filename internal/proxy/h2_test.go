package proxy_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/seguehq/segue/internal/proxy"
)

func h2Only(t testing.TB) *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	p.SetHTTP2(true)
	tr := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// h2Backend is an instance that speaks cleartext HTTP/2.
func h2Backend(t testing.TB, id string, h http.HandlerFunc) proxy.Instance {
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return proxy.Instance{ID: id, Addr: s.Listener.Addr().String(), Release: "r-" + id}
}

// writeCert writes a certificate for name and returns its files.
func writeCert(t testing.TB, dir, name string) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: k}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// Every pair of protocols carries bodies and trailers both ways.
func TestProtocolPairs(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("X-Fwd", r.Header.Get("X-Forwarded-Proto"))
		w.Write(b)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Up"))
	}
	cert, keyFile := writeCert(t, t.TempDir(), "shop.example")
	for _, useTLS := range []bool{false, true} {
		for _, back := range []string{proxy.HTTP1, proxy.H2C} {
			for _, front := range []string{"http1", "h2"} {
				name := front + "-" + back
				s := proxy.Service{Protocol: back}
				scheme := "http"
				if useTLS {
					name, scheme = name+"-tls", "https"
					s.CertFile, s.KeyFile = cert, keyFile
				}
				t.Run(name, func(t *testing.T) {
					if s.Instances = []proxy.Instance{backend(t, "a", h)}; back == proxy.H2C {
						s.Instances = []proxy.Instance{h2Backend(t, "a", h)}
					}
					p := start(t, s)
					c := h2Only(t)
					if front == "http1" {
						c = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
						defer c.CloseIdleConnections()
					}
					for _, size := range []int{0, 10, 200_000} {
						body := bytes.Repeat([]byte("x"), size)
						req, _ := http.NewRequest("POST", scheme+"://"+p.addr+"/", io.MultiReader(bytes.NewReader(body)))
						req.Trailer = http.Header{"X-Up": {"42"}}
						res, err := c.Do(req)
						if err != nil {
							t.Fatal(err)
						}
						if got := read(t, res); got != string(body) {
							t.Errorf("%d bytes of %d", len(got), size)
						}
						want(t, "trailer", res.Trailer.Get("X-Sum"), "42")
						want(t, "forwarded", res.Header.Get("X-Fwd"), scheme)
						want(t, "front", res.ProtoMajor == 2, front == "h2")
						want(t, "back", res.Header.Get("X-Proto") == "HTTP/2.0", back == proxy.H2C)
					}
					res, body := get(t, c, scheme+"://"+p.addr+"/")
					want(t, "plain get", body+res.Status[:3], "200")
				})
			}
		}
	}
}

// A stream both ways, as of gRPC, passes each message as it comes.
func TestH2Bidirectional(t *testing.T) {
	in := h2Backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		want(t, "te", r.Header.Get("Te"), "trailers")
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			if n > 0 {
				w.Write(bytes.ToUpper(b[:n]))
				w.(http.Flusher).Flush()
			}
			if err != nil {
				break
			}
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
	p := start(t, proxy.Service{Protocol: proxy.H2C, Instances: []proxy.Instance{in}})
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", p.url("/svc/Method"), pr)
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := h2Only(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	for _, s := range []string{"one", "two"} {
		io.WriteString(pw, s)
		if _, err := io.ReadFull(res.Body, b[:3]); err != nil {
			t.Fatal(err)
		}
		want(t, "echo", string(b[:3]), strings.ToUpper(s))
	}
	pw.Close()
	read(t, res)
	want(t, "status", res.Trailer.Get("Grpc-Status"), "0")
	send(t, h2Only(t), "POST", p.url("/x"), "x", http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}})
	p.route()
	s := p.cfg.Services[0]
	s.HoldTimeout = -1
	p.cfg.Services[0] = s
	p.route()
	res, _ = send(t, h2Only(t), "POST", p.url("/x"), "x", http.Header{"Content-Type": {"application/grpc"}})
	want(t, "refused", res.Header.Get("Grpc-Status"), "14")
}

func TestH2Drain(t *testing.T) {
	release := make(chan struct{})
	in := h2Backend(t, "a", func(w http.ResponseWriter, r *http.Request) { <-release })
	p := start(t, proxy.Service{Protocol: proxy.H2C, Instances: []proxy.Instance{in}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err := fresh().Get(p.url("/"))
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
	}()
	eventually(t, "one in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 1 })
	p.route()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	n, err := p.client.WaitIdle(ctx, "a")
	if n != 1 || err == nil {
		t.Errorf("in flight: %d, %v", n, err)
	}
	close(release)
	if n, err := p.client.WaitIdle(t.Context(), "a"); n != 0 || err != nil {
		t.Errorf("after the end: %d, %v", n, err)
	}
	<-done
	want(t, "state", p.status().Services[0].Instances[0].State, proxy.StateGone)
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})
	a := proxy.Service{Name: "a", Listen: []string{key}, Routes: []proxy.Route{{Host: "a.example"}}, Instances: []proxy.Instance{in}}
	b := proxy.Service{Name: "b", Listen: []string{key}, Routes: []proxy.Route{{Host: "b.example"}}}
	a.CertFile, a.KeyFile = writeCert(t, dir, "a.example")
	b.CertFile, b.KeyFile = writeCert(t, dir, "b.example")
	p := startConfig(t, listen(t), proxy.Config{Services: []proxy.Service{a, b}}, time.Second)
	serial := func(name string) string {
		c, err := tls.Dial("tcp", p.addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		leaf := c.ConnectionState().PeerCertificates[0]
		if name != "other" {
			want(t, "name", leaf.Subject.CommonName, name)
		}
		return leaf.SerialNumber.String()
	}
	serial("b.example")
	serial("other")
	old := serial("a.example")
	writeCert(t, dir, "a.example")
	eventually(t, "new certificate", func() bool { return serial("a.example") != old })
	old = serial("a.example")
	if err := os.WriteFile(a.CertFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.client.Apply(t.Context(), p.cfg); err != nil {
		t.Fatal(err)
	}
	want(t, "serial", serial("a.example"), old)
	if p.status().Services[0].Certificate == "" {
		t.Error("Status does not tell of the broken certificate")
	}
	p.cfg.Services[1].CertFile = filepath.Join(dir, "missing")
	if err := p.client.Apply(t.Context(), p.cfg); err == nil {
		t.Error("a certificate that was never there was accepted")
	}
}

// HTTP/2 lets through targets that would be another request in HTTP/1.1.
func TestH2IntoH1(t *testing.T) {
	var got atomic.Value
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) { got.Store(r.RequestURI) })
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	nc := dial(t, p.addr)
	io.WriteString(nc, http2.ClientPreface)
	fr := http2.NewFramer(nc, nc)
	fr.WriteSettings()
	fr.WriteHeaders(h2To(1, "/a b HTTP/1.1"))
	for refused := false; !refused; {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			want(t, "stream error", f.ErrCode, http2.ErrCodeProtocol)
			refused = true
		case *http2.HeadersFrame, *http2.GoAwayFrame:
			t.Fatalf("%v", f)
		}
	}
	if v := got.Load(); v != nil {
		t.Errorf("the instance saw %v", v)
	}
}

// A proxy that leaves says so to HTTP/2 clients in two steps (RFC 9113 §6.8):
// what they send before they have heard of it is answered.
func TestH2Goodbye(t *testing.T) {
	release := make(chan struct{})
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) { <-release; io.WriteString(w, "whole") })
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	nc := dial(t, p.addr)
	io.WriteString(nc, http2.ClientPreface)
	fr := http2.NewFramer(nc, nc)
	fr.WriteSettings()
	fr.WriteHeaders(h2Get(1))
	eventually(t, "one in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 1 })
	p.stop()
	var last []uint32
	whole := 0
	for {
		f, err := fr.ReadFrame()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.PingFrame:
			fr.WritePing(true, f.Data)
			fr.WriteHeaders(h2Get(3)) // was under way
		case *http2.GoAwayFrame:
			if last = append(last, f.LastStreamID); len(last) == 2 {
				close(release)
			}
		case *http2.DataFrame:
			if string(f.Data()) == "whole" && f.StreamEnded() {
				whole++
			}
		}
	}
	want(t, "last streams", last, []uint32{1<<31 - 1, 3})
	want(t, "answers", whole, 2)
}

func h2Get(id uint32) http2.HeadersFrameParam { return h2To(id, "/") }

func h2To(id uint32, path string) http2.HeadersFrameParam {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "shop.example"}, {":path", path}} {
		enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	return http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndStream: true, EndHeaders: true}
}

// A header that is too large is refused in the proxy's own words.
func TestH2HeaderTooLarge(t *testing.T) {
	p := start(t, proxy.Service{MaxHeader: 4 << 10, Instances: []proxy.Instance{backend(t, "a", func(w http.ResponseWriter, r *http.Request) {})}})
	res, _ := send(t, h2Only(t), "GET", p.url("/"), "", http.Header{"X-Long": {strings.Repeat("x", 5<<10)}})
	want(t, "status", res.StatusCode, 431)
	want(t, "word", res.Header.Get("Segue-Error"), "header-too-large")
}

// The instance says whether it wants the body, over HTTP/2 as over HTTP/1.1.
func TestH2Expect(t *testing.T) {
	in := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		want(t, "expect", r.Header.Get("Expect"), "100-continue")
		if r.URL.Path == "/no" {
			w.WriteHeader(417)
			return
		}
		io.Copy(w, r.Body)
	})
	p := start(t, proxy.Service{Instances: []proxy.Instance{in}})
	c := h2Only(t)
	c.Transport.(*http.Transport).ExpectContinueTimeout = 10 * time.Second
	for path, status := range map[string]int{"/": 200, "/no": 417} {
		res, body := send(t, c, "POST", p.url(path), "hello", http.Header{"Expect": {"100-continue"}})
		want(t, path, res.StatusCode, status)
		want(t, path, body, map[int]string{200: "hello"}[status])
	}
}
