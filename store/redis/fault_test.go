package redis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/redis"
)

// raw sends a command past the store.
func raw(t *testing.T, url string, command ...string) rueidis.RedisResult {
	t.Helper()
	option, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer := c.Do(t.Context(), c.B().Arbitrary(command...).Build())
	if err := answer.Error(); err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	return answer
}

func TestRevisionsGrowOverWhatTheServerForgets(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	s := open(t, url)
	before := servertest.Put(t, s, "a", store.Absent)
	raw(t, url, "FLUSHDB")
	if after := servertest.Put(t, s, "a", store.Absent); after <= before {
		t.Errorf("after FLUSHDB: revision %d after %d", after, before)
	}
}

func TestRevisionsGrowWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	s := open(t, url)
	const ahead = 8_000_000_000_000_000 // in the year 2223: the clock was there before
	raw(t, url, "SET", "{segue}:revision", "8000000000000000")
	if r := servertest.Put(t, s, "a", store.Absent); r != ahead+1 {
		t.Errorf("revision %d, want %d", r, ahead+1)
	}
	if r := servertest.Put(t, s, "a", ahead+1); r != ahead+2 {
		t.Errorf("revision %d, want %d", r, ahead+2)
	}
}

func TestAHandleOutlivesTheServersRestart(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	s := open(t, server.URL())
	before := servertest.Put(t, s, "a", store.Absent)
	w, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	if _, err := s.Put(ctx, store.Write{Key: "a", Expect: store.Any}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put while the server is away: %v; want an error soon", err)
	}
	if _, err := s.Get(ctx, "a"); err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get while the server is away: %v; want an error soon", err)
	}
	server.Forget(t)
	server.Start(t)
	var after store.Revision
	servertest.Eventually(t, "a write", func() bool {
		after, err = s.Put(ctx, store.Write{Key: "a"})
		return err == nil
	})
	if after <= before {
		t.Errorf("revision %d after %d", after, before)
	}
	servertest.Told(t, w, "") // that it has missed some
	servertest.Put(t, s, "b", store.Absent)
	servertest.Told(t, w, "b")
}

// overWire opens a store whose connections can be made to fail, and one beside it
// whose cannot.
func overWire(t *testing.T, more string) (store.Store, *servertest.Wire, store.Store) {
	t.Helper()
	url := servertest.RedisURL(t)
	option, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	addr := option.InitAddress[0]
	wire := servertest.NewWire(t, addr)
	return open(t, strings.Replace(url, addr, wire.Addr(), 1)+more), wire, open(t, url)
}

func TestAWriteWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	s, wire, beside := overWire(t, "")
	for range 64 { // the server knows the script, and all connections are made
		servertest.Put(t, s, "warm", store.Any)
	}
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

func TestAReadSurvivesAConnectionThatBreaks(t *testing.T) {
	t.Parallel()
	s, wire, _ := overWire(t, "")
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
	s, wire, beside := overWire(t, "")
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
	s, wire, beside := overWire(t, "?write_timeout=300ms")
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

func TestOpenIsCalledOff(t *testing.T) {
	t.Parallel()
	_, wire, _ := overWire(t, "")
	wire.Mute()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := redis.Open(ctx, "redis://"+wire.Addr()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that its context is done", err)
	}
}

func TestACallIsCalledOff(t *testing.T) {
	t.Parallel()
	s, wire, _ := overWire(t, "")
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
}
