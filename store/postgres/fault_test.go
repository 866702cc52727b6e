package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/postgres"
)

// sql runs statements past the store and returns the first value of the last.
func sql(t *testing.T, url, statements string) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it may clean up
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, statements).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	if rows := results[len(results)-1].Rows; len(rows) > 0 {
		return string(rows[0][0])
	}
	return ""
}

func TestWhatWasAnsweredSurvivesACrashAndTheHandleToo(t *testing.T) {
	t.Parallel()
	server := servertest.Postgres(t)
	s := open(t, server.URL())
	w, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var last store.Revision
	for n := range 100 {
		last = servertest.Put(t, s, fmt.Sprint("kept", n), store.Absent)
	}
	if err := s.Delete(t.Context(), "kept0", store.Any); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	if _, err := s.Put(ctx, store.Write{Key: "a"}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put while the server is away: %v; want an error soon", err)
	}
	if _, err := s.Get(ctx, "a"); err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get while the server is away: %v; want an error soon", err)
	}
	server.Start(t)
	servertest.Eventually(t, "a read", func() bool {
		_, err = s.Get(ctx, "kept99")
		return err == nil || errors.Is(err, store.ErrNotFound)
	})
	n := 0
	for e, err := range s.List(t.Context(), "kept") {
		if err != nil || e.Key == "kept0" {
			t.Errorf("%q, %v", e.Key, err)
		}
		n++
	}
	if n != 99 {
		t.Errorf("%d entries are left of 99", n)
	}
	if r := servertest.Put(t, s, "a", store.Absent); r <= last {
		t.Errorf("revision %d after %d", r, last)
	}
	servertest.Told(t, w, "") // that it has missed some
	servertest.Put(t, s, "b", store.Absent)
	servertest.Told(t, w, "b")
}

// A failover to a replica that is behind loses the last numbers of a sequence.
func TestRevisionsGrowOverAFailover(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	s := open(t, url)
	before := servertest.Put(t, s, "a", store.Absent)
	sql(t, url, "TRUNCATE segue.store_entries; SELECT setval('segue.store_revision', 1); SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	var after store.Revision
	servertest.Eventually(t, "a write", func() bool {
		var err error
		after, err = s.Put(t.Context(), store.Write{Key: "a"})
		return err == nil
	})
	if after <= before {
		t.Errorf("revision %d after %d", after, before)
	}
}

// Writers that delete and create draw numbers while others wait for the row.
func TestRevisionsOfAKeyGrowInTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	s := open(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var writing sync.WaitGroup
	for range 6 {
		writing.Go(func() {
			for ctx.Err() == nil {
				_, _ = s.Put(ctx, store.Write{Key: "a", Expect: store.Any})
				_ = s.Delete(ctx, "a", store.Any)
			}
		})
	}
	defer writing.Wait()
	for last := store.Absent; ctx.Err() == nil; {
		e, err := s.Get(ctx, "a")
		if err == nil && e.Revision < last {
			t.Fatalf("revision %d after %d", e.Revision, last)
		}
		last = max(last, e.Revision)
	}
}

func TestSeveralMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	var opening sync.WaitGroup
	for range 8 {
		opening.Go(func() {
			s, err := postgres.Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			_ = s.Close()
		})
	}
	opening.Wait()
}

// overWire opens a store whose connections can be made to fail, and one beside it
// whose cannot.
func overWire(t *testing.T) (*postgres.Store, *servertest.Wire, store.Store) {
	t.Helper()
	url := servertest.PostgresURL(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
	wire := servertest.NewWire(t, addr)
	return open(t, strings.Replace(url, addr, wire.Addr(), 1)), wire, open(t, url)
}

func TestAWriteWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	s, wire, beside := overWire(t)
	servertest.Put(t, s, "warm", store.Absent) // the statement is prepared
	wire.Mute()
	answer := make(chan error, 1)
	go func() {
		_, err := s.Put(t.Context(), store.Write{Key: "a", Value: []byte("v")})
		answer <- err
	}()
	var written store.Entry
	servertest.Eventually(t, "the write is done", func() bool {
		var err error
		written, err = beside.Get(t.Context(), "a")
		return err == nil
	})
	wire.Cut()
	if err := <-answer; err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v, want an error that leaves open whether it was written", err)
	}
	if e, err := beside.Get(t.Context(), "a"); err != nil || e.Revision != written.Revision {
		t.Errorf("revision %d, %v; was %d", e.Revision, err, written.Revision)
	}
}

func TestAReadSurvivesConnectionsThatBreak(t *testing.T) {
	t.Parallel()
	s, wire, _ := overWire(t)
	servertest.Put(t, s, "a", store.Absent)
	for range 5 {
		wire.Cut()
		if _, err := s.Get(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	}
}

func TestAWatcherIsToldThatItMissedWhatWasCut(t *testing.T) {
	t.Parallel()
	s, wire, beside := overWire(t)
	w, err := s.Watch(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	wire.Mute()
	servertest.Put(t, beside, "a", store.Absent)
	wire.Cut()
	servertest.Told(t, w, "")
}

// A cable that was pulled tells nobody.
func TestAConnectionThatFallsSilentIsNoticed(t *testing.T) {
	t.Parallel()
	s, wire, beside := overWire(t)
	s.SetHeartbeat(200 * time.Millisecond)
	w, err := s.Watch(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	before := wire.Dials()
	wire.Mute()
	servertest.Put(t, beside, "a", store.Absent)
	servertest.Eventually(t, "it connects again", func() bool { return wire.Dials() > before })
	wire.Heal()
	servertest.Told(t, w, "")
}

func TestCallsAreCalledOff(t *testing.T) {
	t.Parallel()
	s, wire, _ := overWire(t)
	servertest.Put(t, s, "a", store.Absent)
	wire.Mute()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get: %v, want that its context is done", err)
	}
	if _, err := s.Put(ctx, store.Write{Key: "a", Expect: store.Any}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v, want that its context is done", err)
	}
	if _, err := s.Watch(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("watch: %v, want that its context is done", err)
	}
	if _, err := postgres.Open(ctx, "postgres://u:hush@"+wire.Addr()+"/d?sslmode=disable"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open: %v, want that its context is done", err)
	}
	closing := time.Now()
	if err := s.Close(); err != nil || time.Since(closing) > 8*time.Second {
		t.Errorf("close: %v after %v, want it to wait for nobody", err, time.Since(closing))
	}
}

func TestWhatHasExpiredIsSweptAndNothingElse(t *testing.T) {
	t.Parallel()
	url := servertest.PostgresURL(t)
	s := open(t, url)
	servertest.Put(t, s, "stays", store.Absent)
	if _, err := s.Put(t.Context(), store.Write{Key: "stays/longer", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	sql(t, url, "INSERT INTO segue.store_entries SELECT 'goes' || n, '', n, now() FROM generate_series(1, 1200) n")
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := sql(t, url, "SELECT count(*) FROM segue.store_entries"); n != "2" {
		t.Errorf("%s rows are left, want 2", n)
	}
}
