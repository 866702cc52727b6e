package servertest

import (
	"path/filepath"
	"testing"
)

// EachURL runs test as a parallel subtest for every driver whose data several
// processes can share, with the URL of an empty store: for tests that start
// processes of their own.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	for name, url := range map[string]func(t *testing.T) string{
		"postgres": func(t *testing.T) string { return PostgresURL(t) },
		"redis":    func(t *testing.T) string { return RedisURL(t) },
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "store.db") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, url(t))
		})
	}
}
