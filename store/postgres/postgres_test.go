package postgres_test

import (
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/postgres"
	"github.com/seguehq/segue/store/storetest"
)

func open(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, url) })
}

// Tables of the release before get what this one has more, and what runs on them
// goes on.
func TestTablesOfAnOlderReleaseAreBroughtUp(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	running := open(t, url)
	r := servertest.Put(t, running, "a", store.Absent)
	sql(t, url, "UPDATE segue.store_format SET version = 1; DROP PROCEDURE segue.store_put_below_1")
	s := open(t, url)
	if e, err := store.PutBelow(t.Context(), s, store.Write{Key: "a", Value: []byte("m")}, []byte("z")); err != nil || e.Revision <= r {
		t.Errorf("revision %d after %d, %v", e.Revision, r, err)
	}
	if _, err := running.Get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}
