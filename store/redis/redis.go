// Package redis keeps a store in Redis 6 or newer, or in Valkey: for services on
// several machines that need speed more than they need durability.
//
// It promises what package store does for as long as the server keeps its memory.
// What the server loses, the store loses: a restart without persistence loses
// everything, one with appendfsync everysec up to a second of writes, a failover
// to a replica what had not reached it. Revisions grow over all of these, and
// over FLUSHALL, as long as the server's clock is not set back at the same time:
// a fencing token that was handed out is never handed out again.
//
// Expiry goes by the server's clock. A server that evicts (maxmemory-policy other
// than noeviction) throws locks and sessions away when its memory is full: [Open]
// warns of one.
//
// All keys of a store are in one slot, so that it works on a cluster; it does not
// become larger than one node by it.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/redisdial"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/internal/hub"
)

// Store is a store.Store on a Redis server. It must not be copied.
type Store struct {
	set      settings
	client   rueidis.Client
	scripts  scripts
	hub      hub.Hub
	listener listener
	closed   atomic.Bool
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Locker = (*Store)(nil)
)

// Open connects to the server of a URL:
//
//	redis://user:password@host:6379/0   0 is the number of the database
//	rediss://…                          over TLS
//	unix:///path/to/socket?db=0
//
// Parameters after the question mark: prefix, the name that sets the keys of this
// store apart from all others (segue); eviction=accepted, for who knows that the
// server evicts; addr=host:port, further nodes of a cluster or further sentinels;
// master_set, the name that the sentinels have for the server; skip_verify,
// protocol, dial_timeout, write_timeout, client_name as rueidis.ParseURL has them.
//
// The server has to answer. Once open, the store outlives its restarts: calls
// fail while it is away, and work again when it is back.
func Open(ctx context.Context, url string) (*Store, error) {
	set, err := parse(url)
	if err != nil {
		return nil, err
	}
	s := &Store{set: set, scripts: newScripts()}
	dialing := redisdial.New(ctx, set.unix)
	set.option.DialCtxFn = dialing.Dial
	if s.client, err = rueidis.NewClient(set.option); err != nil {
		return nil, s.fail(ctx, "open", "", err)
	}
	dialing.Opened()
	s.listener.init()
	if err := s.greet(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// greet sees that the server answers, that it is none that lags behind, and how
// it treats what it keeps.
func (s *Store) greet(ctx context.Context) error {
	if err := s.ping(ctx, "open"); err != nil {
		return err
	}
	text, err := s.client.Do(ctx, s.client.B().Info().Build()).ToString()
	if err != nil {
		return nil // whoever may not ask is not warned
	}
	info := fields(text)
	if info["role"] == "slave" && info["redis_mode"] == "standalone" {
		return fmt.Errorf("store: %s: open: %s", s.set.where, replica)
	}
	if policy := evicts(info); policy != "" && !s.set.evicts {
		slog.WarnContext(ctx, "store: this Redis evicts: when its memory is full, locks and sessions vanish; set maxmemory-policy noeviction, or add eviction=accepted to the URL",
			"server", s.set.where, "maxmemory-policy", policy)
	}
	return nil
}

func (s *Store) ping(ctx context.Context, doing string) error {
	return s.fail(ctx, doing, "", s.client.Do(ctx, s.client.B().Ping().Build()).Error())
}

// fields are those of INFO.
func fields(info string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = value
		}
	}
	return all
}

// evicts is the policy by which a server throws entries away, if it does: with a
// volatile policy those that expire, as all locks and sessions do.
func evicts(info map[string]string) string {
	if info["maxmemory"] == "0" || info["maxmemory_policy"] == "noeviction" {
		return ""
	}
	return info["maxmemory_policy"]
}

// Close implements store.Store.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.listener.stop()
	s.hub.Close()
	s.client.Close()
	return nil
}

// enter is what every call begins with.
func (s *Store) enter(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}

// fail words what went wrong, nil if nothing did.
func (s *Store) fail(ctx context.Context, doing, key string, err error) error {
	if err == nil {
		return nil
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer in time (%w); is this Redis, and does it speak TLS if and only if the URL says rediss?", err)
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	what := doing
	if key != "" {
		what = fmt.Sprintf("%s %q", doing, key)
	}
	return fmt.Errorf("store: %s: %s: %w%s", s.set.where, what, err, mend(err))
}
