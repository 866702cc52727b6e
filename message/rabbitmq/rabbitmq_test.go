package rabbitmq_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/messagetest"
	"github.com/seguehq/segue/message/rabbitmq"
)

func TestMain(m *testing.M) { messagetest.Main(m, dial) }

func dial(ctx context.Context, address string) (message.Broker, error) {
	return rabbitmq.Open(ctx, address)
}

func open(t testing.TB, url string) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func maker(url string) messagetest.Maker {
	return messagetest.Maker{Open: func(t testing.TB) message.Broker { return open(t, url) }, Address: url}
}

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	url := servertest.RabbitMQURL(t)
	messagetest.Run(t, func(*testing.T) messagetest.Maker { return maker(url) }, messagetest.NoLease)
}

func TestRabbitMQWithClassicQueues(t *testing.T) {
	t.Parallel()
	url := with(t, servertest.RabbitMQURL(t), "queue", "classic")
	messagetest.Run(t, func(*testing.T) messagetest.Maker { return maker(url) }, messagetest.NoLease)
}

func TestRabbitMQFaults(t *testing.T) {
	t.Parallel()
	messagetest.Faults(t, func(t *testing.T) messagetest.Maker {
		if strings.Contains(t.Name(), "server") {
			s := servertest.RabbitMQ(t)
			m := maker(s.URL())
			m.Crash = func(t testing.TB) { s.Settle(t); s.Kill(t); s.Start(t) }
			return m
		}
		direct := servertest.RabbitMQURL(t)
		through, cut := wired(t, direct)
		m := maker(through)
		m.Address, m.Cut = direct, func(testing.TB) { cut() }
		return m
	})
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
