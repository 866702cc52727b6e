package h2_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy/h2"
)

// Every case of h2spec passes, the strict ones too, in cleartext and over TLS.
func TestH2spec(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "h2spec")
	build := exec.Command("go", "build", "-o", bin, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir = filepath.Join("..", "..", "..", "test", "foreign")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("h2spec cannot be built: %v\n%s", err, out)
	}
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "hello")
	})
	for _, name := range []string{"cleartext", "TLS"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrap, args := plain, []string{"-S", "-o", "3", "-h", "127.0.0.1"}
			if name == "TLS" {
				wrap, args = handshake(t), append(args, "-t", "-k")
			}
			s := serveOn(t, h2.Config{Handler: echo}, wrap)
			_, port, _ := net.SplitHostPort(s.addr)
			out, err := exec.CommandContext(t.Context(), bin, append(args, "-p", port)...).CombinedOutput()
			verdict := lastLine(string(out))
			if err != nil || !strings.Contains(verdict, " 0 skipped, 0 failed") {
				t.Errorf("%v\n%s", err, out)
			}
			t.Log(verdict)
		})
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

func plain(c net.Conn) (net.Conn, error) { return c, nil }

// handshake makes connections TLS.
func handshake(t testing.TB) func(net.Conn) (net.Conn, error) {
	cfg := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2"}}
	return func(c net.Conn) (net.Conn, error) {
		tc := tls.Server(c, cfg)
		c.SetDeadline(time.Now().Add(10 * time.Second))
		err := tc.Handshake()
		c.SetDeadline(time.Time{})
		return tc, err
	}
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
