//go:build kubernetes

// Package migrate_test has a service on the real cluster change its database with
// its releases, under a drill.
package migrate_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestMain(m *testing.M) { kubelab.Main(m) }

// A world has the service shop, whose image Segue makes, and a database of its own
// on this machine.
type world struct{ *kubelab.World }

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{kubelab.New(t)}
	w.Kubectl("label", "namespace", w.Namespace, "pod-security.kubernetes.io/enforce=restricted")
	w.Bin = kubelab.Static(t, "./cmd/segue")
	w.Copy(kubelab.Static(t, "./test/kubernetes/programs/keeper"), "keeper")
	w.Env = append(w.Env, "DATABASE_URL="+reachable(t, w.Lab, servertest.PostgresURL(t)))
	return w
}

// reachable has a server of this machine reached from pods, which have no way to
// its loopback, and gives its URL for them.
func reachable(t *testing.T, lab kubelab.Lab, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(lab.Registry) // of the control plane
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		all.Wait() // who is connected ends with the pods, or with the server
	})
	to := u.Host
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pass(c, to)
		}
	})
	u.Host = l.Addr().String()
	return u.String()
}

// pass carries a connection over until one side ends it.
func pass(c net.Conn, to string) {
	defer c.Close()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		_, _ = io.Copy(s, c) // how it ended is the server's to say
		s.Close()
	}()
	_, _ = io.Copy(c, s)
}

// release writes the n-th release, with all migrations until then.
func (w world) release(n int, more string) {
	w.T.Helper()
	for i, text := range migrations[:n] {
		w.Write(fmt.Sprintf("migrations/%04d_%s.yaml", i+1, text.name), text.operations)
	}
	w.Write("segue.yaml", fmt.Sprintf(`
service: shop
listen: 0.0.0.0:8080
release: { files: [keeper, migrations], command: ./keeper }
replicas: 2
stop: { timeout: 1s }
drain: { timeout: 1s }
probes: { readiness: { http: /ready, every: 1s } }
env: { DATABASE_URL: "${DATABASE_URL}", RELEASE: %d }
migrate: { url: DATABASE_URL }
engine: kubernetes
kubernetes:
  repository: %s/%s/shop
  deregistration: 2s
%s`, n, w.Lab.Registry, w.Namespace, more))
}

// migrations are those of the releases. The first one makes the table; to the
// second, a price is what it says, and not so many cents.
var migrations = []struct{ name, operations string }{
	{"items", `operations:
  - create_table:
      name: items
      columns:
        - { name: id, type: bigint, pk: true }
        - { name: price, type: bigint }
`},
	{"price", `operations:
  - alter_column:
      table: items
      column: price
      type: numeric(12,2)
      up: price::numeric / 100
      down: (price * 100)::bigint
`},
}

// put has the release that serves keep a price.
func (w world) put(id int, price string) {
	w.T.Helper()
	req, err := http.NewRequestWithContext(w.T.Context(), http.MethodPut, fmt.Sprintf("http://%s/prices/%d/%s", w.Address("shop"), id, price), nil)
	if err != nil {
		w.T.Fatal(err)
	}
	w.do(req)
}

// finds fails the test unless the release that serves finds these prices.
func (w world) finds(when, want string) {
	w.T.Helper()
	req, err := http.NewRequestWithContext(w.T.Context(), http.MethodGet, "http://"+w.Address("shop")+"/prices", nil)
	if err != nil {
		w.T.Fatal(err)
	}
	if have := strings.Join(strings.Fields(w.do(req)), " "); have != want {
		w.T.Errorf("%s, it finds %q; want %q", when, have, want)
	}
}

func (w world) do(req *http.Request) string {
	w.T.Helper()
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.T.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		w.T.Fatalf("%s %s: %s: %s %v", req.Method, req.URL, res.Status, body, err)
	}
	return string(body)
}
