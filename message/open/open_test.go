package open_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/open"
	storeopen "github.com/seguehq/segue/store/open"
)

// carries sees that a message comes to who has subscribed.
func carries(t *testing.T, b message.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	r, err := b.Subscribe(ctx, message.Subscription{Topic: "orders", Group: "packing", Window: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(ctx, message.Message{ID: "1", Topic: "orders", Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	d, err := r.Receive(ctx)
	if err != nil || d[0].ID != "1" {
		t.Fatalf("received %v, %v", d, err)
	}
	if err := r.Ack(ctx, d...); err != nil {
		t.Error(err)
	}
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestEveryKindOfURLOpensABroker(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"memory":   func(*testing.T) string { return "memory:" },
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "store.db") },
		"postgres": func(t *testing.T) string { return servertest.PostgresURL(t) },
		"redis":    func(t *testing.T) string { return servertest.RedisURL(t) },
		"valkey":   func(t *testing.T) string { return strings.Replace(servertest.RedisURL(t), "redis:", "valkey:", 1) },
		"amqp":     func(t *testing.T) string { return servertest.RabbitMQURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := open.Broker(t.Context(), url(t))
			if err != nil {
				t.Fatal(err)
			}
			carries(t, b)
		})
	}
}

func TestAURLThatIsNoneIsRefusedWithTheMendAndWithoutThePassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                    "the broker's URL is empty; it is amqp://",
		"mqtt://u:hush@host":                  "begin with mqtt:; they are amqp://",
		"hush":                                "has no scheme",
		"/var/lib/x.db":                       "the URL of that file is sqlite:///var/lib/x.db",
		"amqp://u:%zzhush@host":               "cannot be read",
		"amqp://u:hush@host/?prefx=a":         `parameter "prefx"; there are addr,`,
		"amqp://u:hush@127.0.0.1:1":           "is the server running",
		"kafka://u:%zzhush@host":              "cannot be read",
		"redis://u:%zzhush@host":              "cannot be read",
		"redis://u:hush@host?lease=forever":   "such as 30s",
		"postgres://u:hush@host/d?sslmode=no": "sslmode",
		"sqlite://var/lib/x.db":               "three slashes",
	} {
		b, err := open.Broker(t.Context(), url)
		if err == nil {
			_ = b.Close()
			t.Errorf("%s: opened", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v; want %q and no password", url, err, want)
		}
	}
}

func TestDefaultIsTheBrokerOfTheEnvironment(t *testing.T) {
	t.Setenv("SEGUE_STORE", "redish://u:hush@host")
	t.Setenv("SEGUE_BROKER", "memory:")
	b, err := open.Default(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	carries(t, b)
	t.Setenv("SEGUE_BROKER", "amqpp://u:hush@host")
	if _, err = open.Default(t.Context()); err == nil || !strings.Contains(err.Error(), "SEGUE_BROKER: message: no broker has URLs that begin with amqpp:") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultIsWithTheStoreOfTheEnvironment(t *testing.T) {
	t.Setenv("SEGUE_BROKER", "")
	url := servertest.RedisURL(t)
	t.Setenv("SEGUE_STORE", url+"?eviction=accepted&prefix=shop")
	b, err := open.Default(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	carries(t, b)
	t.Setenv("SEGUE_STORE", "redish://u:hush@host")
	if _, err = open.Default(t.Context()); err == nil || !strings.Contains(err.Error(), "SEGUE_STORE: message: no broker") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultIsInTheFileThatAServiceHasInCommon(t *testing.T) {
	t.Setenv("SEGUE_BROKER", "")
	t.Setenv("SEGUE_STORE", "")
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("SEGUE_SERVICE", "shop")
	b, err := open.Default(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	carries(t, b)
	s, err := storeopen.Default(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for e, err := range s.List(t.Context(), "message/") {
		if err != nil || e.Key == "" {
			t.Error(err)
		}
		return
	}
	t.Error("the store has nothing of messages")
}
