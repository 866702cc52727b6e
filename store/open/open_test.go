package open_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/open"
)

func TestEveryKindOfURLOpensAStore(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"memory":   func(*testing.T) string { return "memory:" },
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "made", "store.db") },
		"redis":    func(t *testing.T) string { return servertest.RedisURL(t) },
		"valkey":   func(t *testing.T) string { return strings.Replace(servertest.RedisURL(t), "redis:", "valkey:", 1) },
		"postgres": func(t *testing.T) string { return servertest.PostgresURL(t) },
		"postgresql": func(t *testing.T) string {
			return strings.Replace(servertest.PostgresURL(t), "postgres:", "postgresql:", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := open.Store(t.Context(), url(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(t.Context(), store.Write{Key: "a", Value: []byte("b")}); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAURLThatIsNoneIsRefusedWithTheMendAndWithoutThePassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                       "the URL is empty; it is sqlite:///",
		"mysql://u:hush@host/db":                 "begin with mysql:; they are sqlite:///path/to/file, redis://",
		"hush":                                   "has no scheme",
		"/var/lib/x.db":                          "the URL of that file is sqlite:///var/lib/x.db",
		"sqlite://var/lib/x.db":                  "three slashes",
		"sqlite:x.db":                            "three slashes",
		"sqlite:///x.db?mode=ro":                 "a SQLite store has none",
		"memory:x":                               "memory: and nothing after it",
		"redis://u:hu/hush@host":                 "%2F",
		"redis://u:hush@host/0?prefx=a":          `parameter "prefx"; there are addr,`,
		"redis://u:hush@host/0?prefix={a}":       "prefix={a}",
		"redis://u:hush@host/zero":               `invalid database number: "zero"`,
		"redis://u:%zzhush@host":                 "cannot be read",
		"postgres://u:%zzhush@host":              "cannot be read",
		"postgres://u:hush@host/d?schema=A":      "schema=A",
		"postgres://u:hush@host/d?sslmode=maybe": "sslmode",
		"postgres://host/d?password=hush&sslmode=maybe":              "sslmode",
		"postgres://u:hush@host/d?pool_max_conns=many&password=hush": "pool_max_conns",
	} {
		s, err := open.Store(t.Context(), url)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v; want %q and no password", url, err, want)
		}
	}
}

func TestDefaultIsTheStoreOfTheEnvironment(t *testing.T) {
	t.Setenv("SEGUE_STORE", "memory:")
	s, err := open.Default(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	t.Setenv("SEGUE_STORE", "redish://u:hush@host")
	if _, err = open.Default(t.Context()); err == nil || !strings.Contains(err.Error(), "SEGUE_STORE: store: no store has URLs that begin with redish:") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultIsAFileThatAServiceHasInCommon(t *testing.T) {
	t.Setenv("SEGUE_STORE", "")
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("SEGUE_SERVICE", "shop")
	one, other := openDefault(t), openDefault(t)
	if _, err := one.Put(t.Context(), store.Write{Key: "a", Value: []byte("b")}); err != nil {
		t.Fatal(err)
	}
	if e, err := other.Get(t.Context(), "a"); err != nil || string(e.Value) != "b" {
		t.Errorf("another instance reads %q, %v", e.Value, err)
	}
	t.Setenv("SEGUE_SERVICE", "depot")
	if _, err := openDefault(t).Get(t.Context(), "a"); err != store.ErrNotFound {
		t.Errorf("another service: %v", err)
	}
}

func openDefault(t *testing.T) store.Store {
	t.Helper()
	s, err := open.Default(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
