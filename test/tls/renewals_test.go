package tls_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// renewals stands before a CA and says in its place when a certificate is to be
// renewed (RFC 9773): not before the test wants it, and then at once. So the
// certificates may be good for a month, and no machine is too slow for them.
type renewals struct {
	directory string // of ACME: the CA's, with another renewalInfo
	began     time.Time

	mu  sync.Mutex
	due map[string]bool // by what a certificate's unique identifier ends in
}

func adviseRenewals(t testing.TB, ca *http.Client, directory string, cert tls.Certificate) *renewals {
	t.Helper()
	r := &renewals{began: time.Now().Truncate(time.Second).UTC(), due: map[string]bool{}}
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // one that does not trust it is what a test may want
	server.StartTLS()
	t.Cleanup(server.Close)
	r.directory = server.URL + "/dir"
	mux.HandleFunc("GET /dir", func(w http.ResponseWriter, _ *http.Request) {
		text, err := directoryWith(ca, directory, server.URL+"/renewal-info")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // who has gone asks again
	})
	mux.HandleFunc("GET /renewal-info/{id}", r.advise)
	return r
}

// directoryWith is a CA's directory with another address for renewal information.
func directoryWith(ca *http.Client, url, renewalInfo string) ([]byte, error) {
	res, err := ca.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var entries map[string]any
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, err
	}
	entries["renewalInfo"] = renewalInfo
	return json.Marshal(entries)
}

func (r *renewals) advise(w http.ResponseWriter, q *http.Request) {
	_, serial, _ := strings.Cut(q.PathValue("id"), ".")
	r.mu.Lock()
	due := r.due[serial]
	r.mu.Unlock()
	start := r.began.Add(10 * 24 * time.Hour)
	if due {
		start = r.began.Add(-2 * time.Hour)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	_ = json.NewEncoder(w).Encode(map[string]any{"suggestedWindow": map[string]time.Time{"start": start, "end": start.Add(time.Hour)}}) // as above
}

// now has a certificate renewed when its owner looks next.
func (r *renewals) now(cert *x509.Certificate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due[idOf(cert.SerialNumber)] = true
}

// idOf is the second part of the unique identifier (RFC 9773 §4.1): the content of
// the serial number's DER, whose first bit is that of its sign.
func idOf(serial *big.Int) string {
	der := serial.Bytes()
	if der[0]&0x80 != 0 {
		der = append([]byte{0}, der...)
	}
	return base64.RawURLEncoding.EncodeToString(der)
}
