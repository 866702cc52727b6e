package redis

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/store"
)

// putBelowScript writes if there is no entry, or one whose value is less than a
// bound. KEYS and ARGV are those of putScript, of which ARGV[1] is any, and
// ARGV[6], the bound. It returns the revision, or the entry that stands in the way.
//
// Redis' Lua compares strings as the server's locale has it (strcoll), so this
// compares bytes.
const putBelowScript = `
local there = redis.call('GET', KEYS[1])
if there then
	local header, bound, below = 30, ARGV[6], false
	for i = 1, #bound do
		local a, b = string.byte(there, header + i), string.byte(bound, i)
		if a ~= b then
			below = not a or a < b
			break
		end
	end
	if not below then
		return there
	end
end` + putScript

// PutBelow implements store.Decider.
func (s *Store) PutBelow(ctx context.Context, w store.Write, bound []byte) (store.Entry, error) {
	w.Expect = store.Any
	if err := w.Check(); err != nil {
		return store.Entry{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Entry{}, err
	}
	answer, err := s.scripts.putBelow.Exec(ctx, s.client, []string{s.set.entry(w.Key), s.set.revision()},
		[]string{expectation(store.Any), milliseconds(w.TTL), s.set.changes(), w.Key, string(w.Value), string(bound)}).ToMessage()
	if err != nil {
		return store.Entry{}, s.fail(ctx, "put", w.Key, err)
	}
	if answer.IsInt64() {
		revision, err := answer.AsInt64()
		return store.Entry{Key: w.Key, Value: []byte(string(w.Value)), Revision: store.Revision(revision)}, s.fail(ctx, "put", w.Key, err)
	}
	return s.inTheWay(ctx, w.Key, answer)
}

func (s *Store) inTheWay(ctx context.Context, key string, answer rueidis.RedisMessage) (store.Entry, error) {
	packed, err := answer.AsBytes()
	if err != nil {
		return store.Entry{}, s.fail(ctx, "put", key, err)
	}
	e, err := unpack(key, packed)
	if err != nil {
		return store.Entry{}, s.fail(ctx, "put", key, err)
	}
	return e, store.ErrConflict
}
