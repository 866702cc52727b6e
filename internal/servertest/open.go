package servertest

import (
	"testing"

	"github.com/seguehq/segue/store"
	postgresstore "github.com/seguehq/segue/store/postgres"
	redisstore "github.com/seguehq/segue/store/redis"
)

// Open opens the store that is in a server, for tests of what becomes of it when
// the server goes away. It is closed when the test ends.
func (s *Server) Open(t testing.TB) store.Store {
	t.Helper()
	h, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

func (s *Server) open(t testing.TB) (store.Store, error) {
	if s.kind.name == "redis" {
		return redisstore.Open(t.Context(), s.URL())
	}
	return postgresstore.Open(t.Context(), s.URL())
}
