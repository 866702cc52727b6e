// Package tls_test holds what is promised of TLS: certificates are renewed
// while they are in use, clients resume their sessions with whichever proxy
// comes next, and certificates are got by ACME.
package tls_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/test/harness"
)

const files = "tls: { cert: cert.pem, key: key.pem }"

// authority signs the certificates of a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	made int64
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.cert, a.key = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(tmpl *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.made++
	tmpl.SerialNumber = big.NewInt(a.made)
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// issue writes a new cert.pem and key.pem for 127.0.0.1 into the project, each
// by rename as ACME clients do, and returns its serial number.
func (a *authority) issue(w *harness.World) int64 {
	a.t.Helper()
	cert, key := a.sign(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert.Raw}, "key.pem": {Type: "PRIVATE KEY", Bytes: der},
	} {
		w.Write(name+".new", string(pem.EncodeToMemory(block)))
		if err := os.Rename(filepath.Join(w.Dir, name+".new"), filepath.Join(w.Dir, name)); err != nil {
			a.t.Fatal(err)
		}
	}
	return a.made
}

// client is one that resumes.
func (a *authority) client() *tls.Config {
	return &tls.Config{RootCAs: a.pool, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}

// get asks on a connection of its own and tells of its handshake.
func get(t testing.TB, w *harness.World, c *tls.Config) tls.ConnectionState {
	t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprint("127.0.0.1:", w.Port), c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /env?name=SEGUE_SERVICE HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", cmp.Or(c.ServerName, "127.0.0.1"))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(answer), "web\n") {
		t.Fatalf("%v\n%s", err, answer)
	}
	return conn.ConnectionState()
}

// drillTLS sends a drill over TLS, no faster than a busy machine shakes hands under
// the race detector: to wait is not to be lost.
func drillTLS(w *harness.World, c *tls.Config, head http.Header) *harness.Drill {
	return w.Drill(25, func(p *drill.Plan) {
		p.URL = strings.Replace(w.URL(), "http:", "https:", 1)
		p.Header = head
		p.Mix = drill.Mix{Fresh: 2, KeptAlive: 1, HTTP2: 1}
		p.TLS = c
		p.Timeout = time.Minute
	})
}

// TestRenewedFiles: a certificate that is renewed on disk is served on new
// connections, without a deploy and without a lost request.
func TestRenewedFiles(t *testing.T) {
	w, a := harness.New(t), newAuthority(t)
	a.issue(w)
	w.Web(2, "", files)
	w.Agent()
	w.Must(0, "deploy")
	d := drillTLS(w, &tls.Config{RootCAs: a.pool}, nil)
	for range 3 {
		serial := a.issue(w)
		w.Until("the new certificate is served", func() bool {
			return get(t, w, &tls.Config{RootCAs: a.pool}).PeerCertificates[0].SerialNumber.Int64() == serial
		})
		d.More(20)
	}
	d.None()
}

// TestResume: clients' sessions are resumed by the proxy that comes after an
// upgrade, after the death of a proxy, and after the agent's.
func TestResume(t *testing.T) {
	w, a := harness.New(t), newAuthority(t)
	a.issue(w)
	w.Web(1, "", files)
	agent := w.Agent()
	w.Must(0, "deploy")
	clients := map[string]*tls.Config{}
	for version, name := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
		c := a.client()
		c.MinVersion, c.MaxVersion = version, version
		clients[name] = c
		if get(t, w, c).DidResume {
			t.Errorf("%s: the first connection resumed what there was not", name)
		}
	}
	resumes := func(after string) {
		t.Helper()
		for name, c := range clients {
			if !get(t, w, c).DidResume {
				t.Errorf("%s: the session was not resumed %s", name, after)
			}
		}
	}
	resumes("by the same proxy")
	old := w.Status().Proxy.PID
	w.Must(0, "upgrade")
	if w.Status().Proxy.PID == old {
		t.Fatal("the proxy is the old one")
	}
	resumes("after an upgrade")
	old = w.Status().Proxy.PID
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.Until("there is another proxy", func() bool { pid := w.Status().Proxy.PID; return pid != 0 && pid != old })
	resumes("after the proxy's death")
	agent.Kill()
	aDayPasses(t, w)
	w.Agent()
	resumes("after the agent's death, with a key of yesterday")
	if n := len(tickets(t, w).Keys); n != 2 {
		t.Errorf("%d keys, want yesterday's and today's", n)
	}
	w.Must(0, "upgrade")
	resumes("by a proxy that never encrypted with it")
}

// tickets reads the keys that the proxies share.
func tickets(t testing.TB, w *harness.World) proxy.Tickets {
	t.Helper()
	keys, err := proxy.ReadTickets(filepath.Join(w.State, "tickets.json"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// aDayPasses makes the keys older than they are.
func aDayPasses(t testing.TB, w *harness.World) {
	t.Helper()
	keys := tickets(t, w)
	for n := range keys.Keys {
		keys.Keys[n].Made = keys.Keys[n].Made.Add(-25 * time.Hour)
	}
	data, err := json.Marshal(keys)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.State, "tickets.json"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestResumeWithOpenSSL is the same with a client by others.
func TestResumeWithOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is needed; scripts/need openssl installs it")
	}
	w, a := harness.New(t), newAuthority(t)
	a.issue(w)
	w.Web(1, "", files)
	w.Agent()
	w.Must(0, "deploy")
	session := filepath.Join(t.TempDir(), "session")
	client := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_client", "-connect", fmt.Sprint("127.0.0.1:", w.Port), "-ign_eof"}, args...)...)
		cmd.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "200 OK") {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := client("-sess_out", session); !strings.Contains(out, "New, TLSv1.3") {
		t.Errorf("no new session:\n%s", out)
	}
	w.Must(0, "upgrade")
	if out := client("-sess_in", session); !strings.Contains(out, "Reused, TLSv1.3") {
		t.Errorf("the session was not resumed:\n%s", out)
	}
}
