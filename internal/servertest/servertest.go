// Package servertest gives tests every store there is: the drivers in turn, and
// real servers of Redis, PostgreSQL, MariaDB and RabbitMQ that end with the test. Of
// MongoDB and Kafka it has stand-ins, unless SEGUE_TEST_MONGODB or SEGUE_TEST_KAFKA
// names a real one. Nothing of it is left behind, not even by a test binary that is
// killed. A server that is not installed makes the test fail, with the reason.
//
// It is for tests alone.
package servertest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/memory"
	"github.com/seguehq/segue/store/open"
	postgresstore "github.com/seguehq/segue/store/postgres"
	redisstore "github.com/seguehq/segue/store/redis"
	"github.com/seguehq/segue/store/sqlite"
)

// EachStore runs test as a parallel subtest for every driver. open returns a
// handle on one and the same empty store each time it is called, as another
// process would have it; the handle is closed when the subtest ends, if it is not
// closed before.
func EachStore(t *testing.T, test func(t *testing.T, open func(t *testing.T) store.Store)) {
	for _, driver := range []struct {
		name string
		make func(t *testing.T) func() (store.Store, error) // makes the store, returns what opens handles
	}{
		{"memory", func(*testing.T) func() (store.Store, error) {
			data := memory.New()
			return func() (store.Store, error) { return data.Handle(), nil }
		}},
		{"postgres", func(t *testing.T) func() (store.Store, error) {
			url := PostgresURL(t)
			return func() (store.Store, error) { return postgresstore.Open(t.Context(), url) }
		}},
		{"redis", func(t *testing.T) func() (store.Store, error) {
			url := RedisURL(t)
			return func() (store.Store, error) { return redisstore.Open(t.Context(), url) }
		}},
		{"sqlite", func(t *testing.T) func() (store.Store, error) {
			path := filepath.Join(t.TempDir(), "store.db")
			return func() (store.Store, error) { return sqlite.Open(t.Context(), path) }
		}},
	} {
		t.Run(driver.name, func(t *testing.T) {
			t.Parallel()
			open := driver.make(t)
			test(t, func(t *testing.T) store.Store {
				t.Helper()
				s, err := open()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
				return s
			})
		})
	}
}

// Open opens the store of a URL, for processes that a test has started.
func Open(ctx context.Context, url string) (store.Store, error) { return open.Store(ctx, url) }
