// Package fleet deploys a service that uses all of Segue's packages, under load:
// what they promise is promised while the fleet that uses them is replaced.
package fleet_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(6)
	harness.Main(m)
}

// replaced is how often a fleet with this store is replaced by another, by signals:
// twenty times in a soak, and on the store that is there without a server. Nothing
// but time tells a turn on one from that on another.
func replaced(store string) int {
	if strings.HasPrefix(store, "sqlite:") {
		return 20
	}
	return deploys()
}

// deploys is how often a fleet is deployed.
func deploys() int {
	if harness.Soak() {
		return 20
	}
	return 6
}

// eachStore runs a test on each store that processes can share, by its URL.
func eachStore(t *testing.T, test func(t *testing.T, store string)) {
	for name, start := range map[string]func(*testing.T) string{
		"sqlite": func(t *testing.T) string {
			return (&url.URL{Scheme: "sqlite", Path: filepath.Join(t.TempDir(), "store.db")}).String()
		},
		"redis":    func(t *testing.T) string { return servertest.RedisURL(t) },
		"postgres": func(t *testing.T) string { return servertest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

// service returns the program.
func service(t *testing.T) string { return harness.Build(t, "fleet", "./test/fleet/service") }

// TestDeployed deploys it again and again, back to back: no request, no login and
// no lock is lost.
func TestDeployed(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store string) {
		w := harness.New(t)
		w.Copy(service(t), "bin/service")
		release := func(n int) {
			w.Write("segue.yaml", fmt.Sprintf(`service: web
listen: 127.0.0.1:%d
release: { files: [bin], command: bin/service }
replicas: 3
strategy: { surge: 3 }
probes: { startup: { http: /ready, every: 50ms, failures: 200 }, readiness: { http: /ready } }
env: { SEGUE_STORE: %q, N: %d }
`, w.Port, store, n))
		}
		release(1)
		w.Agent()
		w.Must(0, "deploy")
		d := w.Drill(50, func(p *drill.Plan) { p.URL += "/price?item=drill" })
		c := newCrowd(t, w.URL())
		last := deploys() + 1
		for n := 2; n <= last; n++ {
			release(n)
			w.Must(0, "deploy")
			c.check()
		}
		d.More(20)
		if r := d.None(); len(r.Releases) <= last/2 {
			t.Errorf("only releases %v answered", r.Releases)
		}
		c.over()
		w.AllServing("web", last, 3)
	})
}
