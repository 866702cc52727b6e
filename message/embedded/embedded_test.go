package embedded_test

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/embedded"
	"github.com/seguehq/segue/message/messagetest"
	"github.com/seguehq/segue/store"
)

// lease is short: tests wait for it.
const lease = 2 * time.Second

func TestMain(m *testing.M) {
	messagetest.Main(m, func(ctx context.Context, address string) (message.Broker, error) {
		s, err := servertest.Open(ctx, address)
		if err != nil {
			return nil, err
		}
		return owner{embedded.New(s, embedded.Lease(lease)), s}, nil
	})
}

// An owner closes the store, too.
type owner struct {
	message.Broker
	store store.Store
}

func (o owner) Close() error { return errors.Join(o.Broker.Close(), o.store.Close()) }

func TestConformance(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		messagetest.Run(t, func(t *testing.T) messagetest.Maker {
			return messagetest.Maker{Open: func(testing.TB) message.Broker { return embedded.New(open(t), embedded.Lease(lease)) }, Lease: lease}
		})
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(t *testing.T) *servertest.Server{
		"redis":    func(t *testing.T) *servertest.Server { return servertest.Redis(t) },
		"postgres": func(t *testing.T) *servertest.Server { return servertest.Postgres(t) },
		"sqlite":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lacks []messagetest.Lack
			if serve == nil { // a file
				lacks = []messagetest.Lack{messagetest.NoServer, messagetest.NoConnections}
			}
			messagetest.Faults(t, func(t *testing.T) messagetest.Maker {
				if serve == nil {
					return maker("sqlite://" + filepath.Join(t.TempDir(), "store.db"))
				}
				s := serve(t)
				u, err := url.Parse(s.URL())
				if err != nil {
					t.Fatal(err)
				}
				wire := servertest.NewWire(t, u.Host)
				u.Host = wire.Addr()
				m := maker(u.String())
				m.Crash = func(t testing.TB) { s.Kill(t); s.Start(t) }
				m.Cut = func(testing.TB) { wire.Cut() }
				return m
			}, lacks...)
		})
	}
}

func maker(address string) messagetest.Maker {
	return messagetest.Maker{Address: address, Open: func(t testing.TB) message.Broker {
		s, err := servertest.Open(context.WithoutCancel(t.Context()), address)
		if err != nil {
			t.Fatal(err)
		}
		return owner{embedded.New(s, embedded.Lease(lease)), s}
	}}
}
