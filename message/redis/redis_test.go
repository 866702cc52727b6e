package redis_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/messagetest"
	"github.com/seguehq/segue/message/redis"
)

func TestMain(m *testing.M) { messagetest.Main(m, dial) }

func dial(ctx context.Context, address string) (message.Broker, error) {
	return redis.Open(ctx, address)
}

func open(t testing.TB, url string) *redis.Broker {
	t.Helper()
	b, err := redis.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func maker(url string) messagetest.Maker {
	return messagetest.Maker{Open: func(t testing.TB) message.Broker { return open(t, url) }, Address: url}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	messagetest.Run(t, func(t *testing.T) messagetest.Maker {
		m := maker(with(t, url, "lease", "1s"))
		m.Lease = time.Second
		return m
	})
}

func TestRedisFaults(t *testing.T) {
	t.Parallel()
	messagetest.Faults(t, func(t *testing.T) messagetest.Maker {
		if strings.Contains(t.Name(), "server") {
			s := servertest.Redis(t)
			m := maker(with(t, s.URL(), "lease", "2s"))
			m.Crash = func(t testing.TB) { s.Kill(t); s.Start(t) }
			return m
		}
		direct := with(t, servertest.RedisURL(t), "lease", "2s")
		through, cut := wired(t, direct)
		m := maker(through)
		m.Address, m.Cut = direct, func(testing.TB) { cut() }
		return m
	})
}

func TestACluster(t *testing.T) {
	t.Parallel()
	s := servertest.RedisCluster(t)
	raw(t, s.URL(), "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	servertest.Eventually(t, "the cluster is well", func() bool {
		info, err := raw(t, s.URL(), "CLUSTER", "INFO").ToString()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	messagetest.Run(t, func(*testing.T) messagetest.Maker { return maker(s.URL()) }, messagetest.NoLease) // TestRedis has one
}

// wired is a URL that leads to the server through a wire, which can be cut.
func wired(t *testing.T, raw string) (through string, cut func()) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	w := servertest.NewWire(t, u.Host)
	u.Host = w.Addr()
	return u.String(), w.Cut
}

func with(t *testing.T, raw, name, value string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}
