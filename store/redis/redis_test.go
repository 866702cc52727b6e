package redis_test

import (
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/redis"
	"github.com/seguehq/segue/store/storetest"
)

func open(t *testing.T, url string) *redis.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, url) })
}

// All keys of a store, also those of its locks, have to be in one slot.
func TestStoreInACluster(t *testing.T) {
	t.Parallel()
	server := servertest.RedisCluster(t)
	raw(t, server.URL(), "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	servertest.Eventually(t, "the cluster works", func() bool {
		info, err := raw(t, server.URL(), "CLUSTER", "INFO").ToString()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, server.URL()+"?prefix=shop") })
}
