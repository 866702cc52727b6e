package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/store"
)

// An entry is a string: its revision in digits, the instant when it expires in
// milliseconds (zeros: never), and the value. So that one GET reads it whole.
const (
	revisionDigits = 16
	expiresDigits  = 14
	headerSize     = revisionDigits + expiresDigits
)

// putScript writes if the revision is the one expected. KEYS: the entry, the
// last revision. ARGV: the revision's digits, nothing for absent, or any; the
// time to live in milliseconds, 0 for ever; the channel; the key; the value.
//
// A revision is the server's clock in microseconds, or one more than the last if
// that is greater. So they grow when the clock is set back, and also when the
// server has forgotten the last one; only both together could deceive.
const putScript = `
if ARGV[1] ~= 'any' and redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then
	return 0
end
local now = redis.call('TIME')
local revision = now[1] * 1000000 + now[2]
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
if revision <= last then
	revision = last + 1
end
redis.call('SET', KEYS[2], string.format('%.0f', revision))
local expires = 0
if ARGV[2] ~= '0' then
	expires = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2]
end
redis.call('SET', KEYS[1], string.format('%016.0f%014.0f', revision, expires) .. ARGV[5])
if expires > 0 then
	redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', expires))
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return revision`

// deleteScript deletes if the revision is the one expected. KEYS: the entry.
// ARGV: the revision's digits or any; the channel; the key.
const deleteScript = `
local revision = redis.call('GETRANGE', KEYS[1], 0, 15)
if ARGV[1] ~= 'any' and (revision == '' or revision ~= ARGV[1]) then
	return 0
end
if revision ~= '' then
	redis.call('DEL', KEYS[1])
	redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return 1`

// scanScript is SCAN, as a script so that a cluster runs it where the keys are.
// KEYS: any of the store. ARGV: the cursor, the pattern.
const scanScript = `return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)`

type scripts struct {
	put, putBelow, delete, scan *rueidis.Lua
	lock                        lockScripts
}

func newScripts() scripts {
	return scripts{
		put:      rueidis.NewLuaScript(putScript),
		putBelow: rueidis.NewLuaScript(putBelowScript),
		delete:   rueidis.NewLuaScript(deleteScript),
		scan:     rueidis.NewLuaScript(scanScript),
		lock:     newLockScripts(),
	}
}

// expectation is how the scripts are told which revision is expected.
func expectation(r store.Revision) string {
	switch r {
	case store.Any:
		return "any"
	case store.Absent:
		return ""
	}
	return fmt.Sprintf("%0*d", revisionDigits, r)
}

// attempts is how often something is read if connections break: they are not the
// caller's concern. A server that is away for longer is.
const attempts = 5

// read asks until there is an answer, or for so long. Writes are never asked for
// twice: the first may have happened. Each time ask makes its command anew:
// rueidis' own retries use one again that a broken connection may still be at.
func (s *Store) read(ctx context.Context, ask func() rueidis.RedisResult) rueidis.RedisResult {
	for n := 1; ; n++ {
		answer := ask()
		if n == attempts || s.enter(ctx) != nil || !unanswered(answer.Error()) {
			return answer
		}
		select {
		case <-time.After(time.Duration(n*n) * 5 * time.Millisecond):
		case <-ctx.Done():
			return answer
		}
	}
}

// unanswered reports whether the connection has failed, or the server has just
// been started and does not answer yet.
func unanswered(err error) bool {
	if answer, ok := rueidis.IsRedisErr(err); ok {
		return answer.IsLoading()
	}
	return err != nil && !rueidis.IsRedisNil(err)
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Entry{}, err
	}
	packed, err := s.read(ctx, func() rueidis.RedisResult {
		return s.client.Do(ctx, s.client.B().Get().Key(s.set.entry(key)).Build())
	}).AsBytes()
	if rueidis.IsRedisNil(err) {
		return store.Entry{}, store.ErrNotFound
	}
	if err != nil {
		return store.Entry{}, s.fail(ctx, "get", key, err)
	}
	e, err := unpack(key, packed)
	return e, s.fail(ctx, "get", key, err)
}

var errForeign = errors.New("the value is none that this package has written; give the store a prefix of its own: ?prefix=name")

func unpack(key string, packed []byte) (store.Entry, error) {
	if len(packed) < headerSize {
		return store.Entry{}, errForeign
	}
	revision, err := strconv.ParseInt(string(packed[:revisionDigits]), 10, 64)
	if err != nil {
		return store.Entry{}, errForeign
	}
	expires, err := strconv.ParseInt(string(packed[revisionDigits:headerSize]), 10, 64)
	if err != nil {
		return store.Entry{}, errForeign
	}
	e := store.Entry{Key: key, Value: packed[headerSize:], Revision: store.Revision(revision)}
	if expires > 0 {
		e.Expires = time.UnixMilli(expires)
	}
	return e, nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	if err := w.Check(); err != nil {
		return 0, err
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	// The value is copied: a call that its context ends leaves it in a buffer.
	revision, err := s.scripts.put.Exec(ctx, s.client, []string{s.set.entry(w.Key), s.set.revision()},
		[]string{expectation(w.Expect), milliseconds(w.TTL), s.set.changes(), w.Key, string(w.Value)}).AsInt64()
	if err != nil {
		return 0, s.fail(ctx, "put", w.Key, err)
	}
	if revision == 0 {
		return 0, store.ErrConflict
	}
	return store.Revision(revision), nil
}

// milliseconds rounds up: nothing expires before its time.
func milliseconds(ttl time.Duration) string {
	return strconv.FormatInt(int64((ttl+time.Millisecond-1)/time.Millisecond), 10)
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	done, err := s.scripts.delete.Exec(ctx, s.client, []string{s.set.entry(key)},
		[]string{expectation(expect), s.set.changes(), key}).AsInt64()
	if err != nil {
		return s.fail(ctx, "delete", key, err)
	}
	if done == 0 {
		return store.ErrConflict
	}
	return nil
}
