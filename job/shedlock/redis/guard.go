// Package redis keeps the locks of package shedlock in Redis or Valkey, as ShedLock's
// Redis providers (Jedis, Lettuce, Spring) do: a key that expires for each lock.
//
// Redis's clock decides when a lock ends. Extend and Unlock compare the value and
// act in one script, so that they never touch the lock of another; in Java
// that is the setting safeUpdate, without which a late process there overwrites or
// removes a lock of ours.
//
// A lock is as durable as the server: one that fails over to a replica which has
// not yet heard of a lock may give it twice.
package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock/internal/record"
)

// A Guard is a job.Guard on a Redis server. It may be used concurrently.
type Guard struct {
	client   rueidis.Client
	prefix   string // of all keys
	lockedBy string
	doubts   record.Doubts
}

var _ job.Guard = (*Guard)(nil)

// An Option changes what New makes.
type Option func(*settings)

type settings struct{ prefix, environment, lockedBy string }

// Prefix is what all keys begin with, keyPrefix in Java: "job-lock" without it.
func Prefix(p string) Option { return func(s *settings) { s.prefix = p } }

// Environment keeps the locks of several environments apart that share a server, as
// in Java: "default" without it. Spring's RedisLockProvider is given one by its
// users more often than not.
func Environment(name string) Option { return func(s *settings) { s.environment = name } }

// LockedBy sets who is said to hold the locks: the host's name without it.
func LockedBy(name string) Option {
	record.LockedBy(name)
	return func(s *settings) { s.lockedBy = name }
}

// New returns the guard whose locks are kept by client's server, which stays the
// caller's to close.
func New(client rueidis.Client, options ...Option) *Guard {
	s := settings{prefix: "job-lock", environment: "default", lockedBy: record.Host()}
	for _, o := range options {
		o(&s)
	}
	return &Guard{client: client, prefix: s.prefix + ":" + s.environment + ":", lockedBy: s.lockedBy}
}

// Lock takes the lock until atMost from now, rounded down to milliseconds, which is
// at least one. ok is false if somebody else has it; by is the host that wrote the
// key and a UUID.
func (g *Guard) Lock(ctx context.Context, name string, atMost time.Duration) (l job.GuardLock, ok bool, by string, err error) {
	if err := record.Check(name, atMost); err != nil {
		return nil, false, "", err
	}
	id := record.Identity(g.lockedBy)
	return g.doubts.Lock(ctx, name, atMost, id, &grant{guard: g, key: g.prefix + name, id: id})
}

// A grant is one lock that was given, or is asked for.
type grant struct {
	guard *Guard
	key   string
	id    string    // no other grant has the same
	value string    // what the key has
	at    time.Time // before it was asked for, by this process's monotonic clock
}

// Take is that of record.Grant. The value is what ShedLock writes: when, by which
// host, and what no other has.
func (h *grant) Take(ctx context.Context, atMost time.Duration) (ok bool, by string, err error) {
	h.at = time.Now()
	h.value = "ADDED:" + h.at.UTC().Format("2006-01-02T15:04:05.000Z") + "@" + h.id
	c := h.guard.client
	err = c.Do(ctx, c.B().Set().Key(h.key).Value(h.value).Nx().PxMilliseconds(atMost.Milliseconds()).Build()).Error()
	if err == nil || !rueidis.IsRedisNil(err) {
		return err == nil, "", err
	}
	held, err := c.Do(ctx, c.B().Get().Key(h.key).Build()).ToString()
	if err != nil {
		return false, "", nil // it is held, by somebody who is not known, or was until now
	}
	_, by, _ = strings.Cut(held, "@")
	return false, by, nil
}

// Both scripts do nothing unless the key has the grant's value.
var (
	expire = rueidis.NewLuaScript(`if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)
	remove = rueidis.NewLuaScript(`if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)
)

// Extend is that of record.Grant.
func (h *grant) Extend(ctx context.Context, atMost time.Duration) (bool, error) {
	return h.run(ctx, expire, strconv.FormatInt(atMost.Milliseconds(), 10))
}

// Unlock is that of record.Grant.
func (h *grant) Unlock(ctx context.Context, atLeast time.Duration) (bool, error) {
	left := atLeast - time.Since(h.at)
	if left < time.Millisecond {
		return h.run(ctx, remove)
	}
	return h.run(ctx, expire, strconv.FormatInt(left.Milliseconds(), 10))
}

func (h *grant) run(ctx context.Context, script *rueidis.Lua, args ...string) (bool, error) {
	n, err := script.Exec(ctx, h.guard.client, []string{h.key}, append([]string{h.value}, args...)).AsInt64()
	return n == 1, err
}
