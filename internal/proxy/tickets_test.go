package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// A day's key encrypts, those of the two days before decrypt, and no key is
// kept for longer.
func TestTicketsRotate(t *testing.T) {
	var k proxy.Tickets
	now := time.Now()
	want(t, "the first key is made", k.Rotate(now), true)
	want(t, "a key that is young stays", k.Rotate(now.Add(23*time.Hour)), false)
	first := string(k.Keys[0].Key)
	for day := 1; day <= 2; day++ {
		want(t, "a new day has a new key", k.Rotate(now.Add(time.Duration(day)*24*time.Hour)), true)
		want(t, "keys", len(k.Keys), day+1)
		want(t, "the oldest is kept", string(k.Keys[day].Key) == first, true)
	}
	k.Rotate(now.Add(3 * 24 * time.Hour))
	want(t, "keys", len(k.Keys), 3)
	for _, key := range k.Keys {
		want(t, "the first key is there", string(key.Key) == first, false)
	}
}

// What is in the file of keys never stands in an error.
func TestTicketsUnreadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickets.json")
	for _, text := range []string{"", "{", `{"keys":[]}`, `{"keys":[{"key":"c2VjcmV0"}]}`, `{"keys":"c2VjcmV0"}`, `{"keys":[c2VjcmV0]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := proxy.ReadTickets(path)
		if err == nil {
			t.Errorf("%q was taken", text)
		} else if strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("it tells the key: %v", err)
		}
	}
}

// A client resumes with another proxy that reads the same file, also when its
// ticket was made with a key that no longer encrypts.
func TestTicketsAreShared(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tickets.json")
	made := time.Now()
	var k proxy.Tickets
	rotate := func() {
		made = made.Add(24 * time.Hour)
		k.Rotate(made)
		data, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	rotate()
	cert, key2 := writeCert(t, dir, "shop.example")
	another := func() *running {
		s := proxy.Service{Name: "shop", Listen: []string{key}, CertFile: cert, KeyFile: key2,
			Instances: []proxy.Instance{backend(t, "a", func(http.ResponseWriter, *http.Request) {})}}
		return startConfig(t, listen(t), proxy.Config{Version: 1, Tickets: path, Services: []proxy.Service{s}}, time.Second)
	}
	client := &tls.Config{ServerName: "shop.example", RootCAs: pool(t, cert), ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	first := another()
	want(t, "the first handshake resumes", resumed(t, first.addr, client), false)
	want(t, "the same proxy resumes", resumed(t, first.addr, client), true)
	want(t, "another proxy resumes", resumed(t, another().addr, client), true)

	old := client.Clone() // a client that keeps its first ticket
	old.ClientSessionCache = onlyFirst{old.ClientSessionCache}
	rotate()
	second := another()
	want(t, "a day later", resumed(t, second.addr, old), true)
	rotate()
	eventually(t, "the running proxy reads the new keys: tickets of its are taken by the next", func() bool {
		fresh := client.Clone()
		fresh.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		resumed(t, second.addr, fresh)
		alone := proxy.Tickets{Keys: k.Keys[:1]}
		data, err := json.Marshal(alone)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "newest.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		return resumed(t, newestOnly(t, dir, cert, key2), fresh)
	})
	rotate()
	want(t, "three keys later", resumed(t, another().addr, old), false)
}

// newestOnly starts a proxy that has no key but that of newest.json.
func newestOnly(t *testing.T, dir, cert, key2 string) string {
	s := proxy.Service{Name: "shop", Listen: []string{key}, CertFile: cert, KeyFile: key2,
		Instances: []proxy.Instance{backend(t, "a", func(http.ResponseWriter, *http.Request) {})}}
	c := proxy.Config{Version: 1, Tickets: filepath.Join(dir, "newest.json"), Services: []proxy.Service{s}}
	return startConfig(t, listen(t), c, time.Second).addr
}

// onlyFirst keeps the session that is there.
type onlyFirst struct{ tls.ClientSessionCache }

func (onlyFirst) Put(string, *tls.ClientSessionState) {}

func resumed(t *testing.T, addr string, c *tls.Config) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
	if _, err := io.ReadAll(conn); err != nil { // with it come the tickets
		t.Fatal(err)
	}
	return conn.ConnectionState().DidResume
}

func pool(t *testing.T, certFile string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(data)
	return p
}
