//go:build bench

package bench

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// certName is the one name of the certificate, and what clients ask for:
// kamal-proxy finds a certificate by the name alone.
const certName = "localhost"

func (b *bench) certFile() string { return filepath.Join(b.dir, "cert.pem") }
func (b *bench) keyFile() string  { return filepath.Join(b.dir, "key.pem") }

// certify makes the certificate of all peers: ECDSA P-256, signed by itself.
// HAProxy wants it in one file with its key, both.pem.
func (b *bench) certify() {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: certName}, DNSNames: []string{certName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for path, data := range map[string][]byte{b.certFile(): certPEM, b.keyFile(): keyPEM,
		filepath.Join(b.dir, "both.pem"): bytes.Join([][]byte{certPEM, keyPEM}, nil)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

// tlsClient believes any certificate: what it talks to is what was started.
func tlsClient(protocols ...string) *tls.Config {
	return &tls.Config{ServerName: certName, InsecureSkipVerify: true, NextProtos: protocols}
}
