package postgres_test

import (
	"net"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/postgres"
)

func TestErrorsOfOpenSayWhatToDoAndKeepThePassword(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	sql(t, url, "CREATE SCHEMA newer; CREATE TABLE newer.store_format AS SELECT 9 AS version, 8 AS oldest")
	sql(t, url, "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'hush'")
	t.Cleanup(func() { sql(t, url, "DROP ROLE guest") })
	for what, c := range map[string]struct{ url, want string }{
		"nobody listens":      {"postgres://u:hush@" + closed + "/d", "PostgreSQL at " + closed + "/d: open: "},
		"and the mend":        {"postgres://u:hush@" + closed + "/d", "is the server running, and is this its port?"},
		"wrong password":      {strings.Replace(url, "s3cret-of-servertest", "hush", 1), "user or password are not the server's"},
		"no such database":    {strings.Replace(url, "?", "none?", 1), "createdb"},
		"no such host":        {"postgres://u:hush@no.such.host.invalid/d", "is the host's name right?"},
		"no TLS":              {strings.Replace(url, "disable", "require", 1), "TLS"},
		"none of two hosts":   {"postgres://u:hush@" + closed + ",127.0.0.2:1/d", "PostgreSQL at " + closed + ",127.0.0.2:1/d"},
		"no such parameter":   {url + "&prefx=a", "known neither to pgx nor to the server"},
		"a newer release's":   {url + "&schema=newer", "which needs version 8; this one has "},
		"may not make tables": {strings.Replace(url, "segue:s3cret-of-servertest", "guest:hush", 1), "CREATE SCHEMA segue AUTHORIZATION"},
		"a server of replica": {url + "&default_transaction_read_only=on", "use the URL of the primary"},
	} {
		s, err := postgres.Open(t.Context(), c.url)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", what)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v; want %q in one line and no password", what, err, c.want)
		}
	}
}

func TestStoresOfDifferentSchemasAreApart(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	servertest.Put(t, open(t, url+"&schema=one"), "a", store.Absent)
	if _, err := open(t, url+"&schema=two").Get(t.Context(), "a"); err != store.ErrNotFound {
		t.Errorf("got %v", err)
	}
}

// As it may have to, behind a PgBouncer that is old.
func TestItWorksWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	s := open(t, servertest.PostgresURL(t)+"&default_query_exec_mode=exec")
	r := servertest.Put(t, s, "a", store.Absent)
	if e, err := s.Get(t.Context(), "a"); err != nil || e.Revision != r {
		t.Errorf("revision %d, %v; want %d", e.Revision, err, r)
	}
	if _, err := s.Put(t.Context(), store.Write{Key: "a", Expect: r + 1}); err != store.ErrConflict {
		t.Errorf("got %v", err)
	}
	if err := s.Delete(t.Context(), "a", r); err != nil {
		t.Error(err)
	}
}
