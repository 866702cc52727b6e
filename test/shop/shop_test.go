// Package shop drives the reference service, examples/shop, while it is deployed,
// rolled back, and killed part by part: no login is lost, no shipment packed twice, no
// sync overlaps, no event is lost. The witnesses stand outside: the people who use
// it, who write down what they were told; browsers that look at its live streams; and
// the order system that it talks to.
package shop_test

import (
	"os"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestShop is the short form, on the SQLite file that is the default: three deploys,
// one of which its agent does not survive, and an instance that is killed as it syncs.
func TestShop(t *testing.T) {
	r := begin(t, run{segue: harness.Segue(t), users: 50, think: time.Second, rate: 8})
	r.deploy("jobs", func() {})
	r.deploy("api", r.killAgent)
	r.killSync()
	r.deploy("jobs", func() {})
	r.syncs(3)
	r.finish()
}

// TestShopLong is `make test-shop`: 20 deploys of api and jobs in turn, a rollback of
// each, and meanwhile the agent, an instance of each service, and the server that
// keeps the store or carries the messages are killed.
func TestShopLong(t *testing.T) {
	if os.Getenv("SEGUE_SOAK") == "" {
		t.Log("with SEGUE_SOAK=1 only: make test-shop")
		return
	}
	how := run{segue: harness.SegueFast(t), users: 300, think: 2 * time.Second, rate: 10}
	t.Run("sqlite", func(t *testing.T) { long(t, how, nil, 0) })
	t.Run("redis", func(t *testing.T) {
		server, how := servertest.Redis(t), how
		how.store = server.URL()
		long(t, how, server, 0)
	})
	t.Run("postgres", func(t *testing.T) {
		server, how := servertest.Postgres(t), how
		how.store = server.URL()
		long(t, how, server, 0)
	})
	t.Run("rabbitmq", func(t *testing.T) { // with the store in SQLite
		server, how := servertest.RabbitMQ(t), how
		how.env = []string{"SEGUE_BROKER=" + server.URL()}
		long(t, how, server, 30*time.Second) // it takes longer to start than a request waits
	})
}

// long is one of them. While the server is away, requests may fail for window, and
// are asked again.
func long(t *testing.T, how run, server *servertest.Server, window time.Duration) {
	r := begin(t, how)
	for n := 1; n <= 20; n++ {
		service, during := []string{"api", "jobs"}[n%2], func() {}
		switch n {
		case 5, 12: // in a rollout of each
			during = r.killAgent
		case 9:
			r.killSync()
		case 10, 17:
			r.crash(server, window)
		case 13:
			r.killAPI()
		case 14:
			during = r.killSync
		}
		r.deploy(service, during)
		if n == 7 || n == 8 {
			r.Must(0, "rollback", service)
		}
		r.syncs(n)
	}
	r.finish()
}
