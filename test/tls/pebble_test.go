package tls_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/seguehq/segue/test/harness"
)

// pebble is Let's Encrypt's CA for tests, running here.
type pebble struct {
	t         testing.TB
	cmd       *exec.Cmd
	over      chan struct{}
	log       string
	directory string // of ACME
	roots     string // file to verify its own server with
	mgmt      string
	client    *http.Client
	renewals  *renewals
}

// startPebble starts a CA that validates at the world's port, whatever the
// host, and gives certificates for a month.
func startPebble(t testing.TB, w *harness.World) *pebble {
	t.Helper()
	bin := harness.Foreign(t, "github.com/letsencrypt/pebble/v2/cmd/pebble")
	dir := t.TempDir()
	a := newAuthority(t)
	cert, key := a.sign(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	p := &pebble{t: t, over: make(chan struct{}), log: filepath.Join(dir, "log"), roots: filepath.Join(dir, "ca.pem"),
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool}, DisableKeepAlives: true}}}
	writePEM(t, p.roots, "CERTIFICATE", a.cert.Raw)
	writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", cert.Raw)
	writePEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", pkcs8(t, key))
	listen, mgmt := fmt.Sprint("127.0.0.1:", harness.FreePort(t)), fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	p.directory, p.mgmt = "https://"+listen+"/dir", "https://"+mgmt
	const month = 30 * 24 * 3600
	config := map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": mgmt,
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"tlsPort": w.Port, "httpPort": 1, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "of this test", "validityPeriod": month}},
	}}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(bin, filepath.Join(dir, "config.json"), serveDNS(t))
	w.Until("the CA answers", func() bool {
		res, err := p.client.Get(p.directory)
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	p.renewals = adviseRenewals(t, p.client, p.directory, tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key})
	p.directory = p.renewals.directory
	return p
}

func (p *pebble) run(bin, config, dns string) {
	p.t.Helper()
	log, err := os.Create(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(bin, "-config", config, "-dnsserver", dns)
	p.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is of no interest
		close(p.over)
	}()
	p.t.Cleanup(p.stop)
}

func (p *pebble) stop() {
	_ = p.cmd.Process.Kill() // fails when it has ended already
	<-p.over
}

// settings are the lines of segue.yaml for a service with certificates of this CA.
func (p *pebble) settings(hosts ...string) string {
	var routes []string
	for _, h := range hosts {
		routes = append(routes, fmt.Sprintf("{ host: %s }", h))
	}
	return fmt.Sprintf("routes: [%s]\ntls: { acme: { agree: true, email: ops@example.com, ca: %q, roots: %q } }",
		strings.Join(routes, ", "), p.directory, p.roots)
}

// trusting is a client's configuration that trusts what this CA gives.
func (p *pebble) trusting(host string) *tls.Config {
	p.t.Helper()
	res, err := p.client.Get(p.mgmt + "/roots/0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		p.t.Fatalf("no root: %s", text)
	}
	return &tls.Config{RootCAs: pool, ServerName: host}
}

// issued counts the certificates that the CA has given.
func (p *pebble) issued() int {
	p.t.Helper()
	data, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Count(string(data), "Issued certificate serial")
}

// serveDNS answers over TCP that every host is here, and returns its address.
func serveDNS(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for answerDNS(c) == nil {
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// answerDNS answers one question (RFC 1035 §4.2.2).
func answerDNS(c net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	packet := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, packet); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		return err
	}
	m.Response, m.Additionals = true, nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}})
		}
	}
	out, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
	return err
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pkcs8(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
