// Package open opens a broker of messages by its URL, whichever driver carries them.
// It links all of them: a program that is to have one only imports that one.
package open

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/message/kafka"
	"github.com/seguehq/segue/message/rabbitmq"
	"github.com/seguehq/segue/message/redis"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/open"
)

// Broker opens the broker of a URL:
//
//	amqp://user:password@host:5672/vhost   RabbitMQ; also amqps (TLS)
//	kafka://host:9092,host:9092            Kafka
//	redis://user:password@host:6379/0      Redis streams; also rediss (TLS), valkey, valkeys and unix
//	postgres://user:password@host/name     the embedded broker in PostgreSQL; also postgresql
//	sqlite:///var/lib/shop/store.db        the same in a file
//	memory:                                the same in this process alone, new each time
//
// The drivers' packages tell the parameters, and package store/open those of the last
// three. Errors have no password in them.
func Broker(ctx context.Context, rawURL string) (message.Broker, error) {
	scheme, _, _ := strings.Cut(rawURL, ":")
	switch scheme {
	case "amqp", "amqps":
		return opened(rabbitmq.Open(ctx, rawURL))
	case "kafka":
		return opened(kafka.Open(ctx, rawURL))
	case "redis", "rediss", "valkey", "valkeys", "unix":
		return opened(redis.Open(ctx, rawURL))
	case "sqlite", "postgres", "postgresql", "memory":
		return overStore(open.Store(ctx, rawURL))
	}
	return nil, unknown(rawURL, scheme)
}

// Default opens the broker of $SEGUE_BROKER, a URL as [Broker] takes it. If that is
// not set it is the one that comes with the store: of $SEGUE_STORE, if that is set,
// and otherwise the embedded one in the file that all instances of this service on
// this machine share (see package store/open).
func Default(ctx context.Context) (message.Broker, error) {
	if u := os.Getenv("SEGUE_BROKER"); u != "" {
		return named("SEGUE_BROKER")(Broker(ctx, u))
	}
	if u := os.Getenv("SEGUE_STORE"); u != "" {
		return named("SEGUE_STORE")(Broker(ctx, ofStore(u)))
	}
	return overStore(open.Default(ctx))
}

// named says by which variable a broker was to be opened, if it was not.
func named(variable string) func(message.Broker, error) (message.Broker, error) {
	return func(b message.Broker, err error) (message.Broker, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
		return b, nil
	}
}

// ofStore is the URL of the broker where a store is: that of a Redis may have a
// parameter that says something of the store alone.
func ofStore(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || !u.Query().Has("eviction") {
		return rawURL
	}
	q := u.Query()
	q.Del("eviction")
	u.RawQuery = q.Encode()
	return u.String()
}

// opened keeps a driver's nil from becoming a broker.
func opened[B message.Broker](b B, err error) (message.Broker, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// A stored broker closes the store that was opened for it.
type stored struct {
	*embedded.Broker
	store store.Store
}

func overStore(s store.Store, err error) (message.Broker, error) {
	if err != nil {
		return nil, err
	}
	return stored{embedded.New(s), s}, nil
}

// Close implements message.Broker.
func (b stored) Close() error { return errors.Join(b.Broker.Close(), b.store.Close()) }

const forms = "amqp://host:5672/vhost, kafka://host:9092, redis://host:6379/0, postgres://host/database, sqlite:///path/to/file, or memory: for this process alone"

// unknown shows no more of the URL than its scheme: the rest may be a password.
func unknown(rawURL, scheme string) error {
	switch {
	case rawURL == "":
		return errors.New("message: the broker's URL is empty; it is " + forms)
	case strings.HasPrefix(rawURL, "/"):
		return fmt.Errorf("message: %s is a path; the URL of that file is sqlite://%s", rawURL, rawURL)
	case scheme == rawURL:
		return errors.New("message: the broker's URL has no scheme; it is " + forms)
	}
	return fmt.Errorf("message: no broker has URLs that begin with %s:; they are %s", scheme, forms)
}
