package redis

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/store"
)

// A lock is a hash: its holder (id, owner, since, until, lasts, token) and what
// is known of each waiter (until:ID, lasts:ID, and about:ID packed). Waiters
// stand in their order in a list; who has nothing in the hash is dead. Times are
// in milliseconds of the server's clock.
//
// lockBegin and lockPrelude are what the scripts have in common; what is usual
// stands between the two, as a function costs time to make even if nobody calls
// it. KEYS: the lock, its line, the last revision. ARGV: the ID; the channel.
const lockBegin = `
local lock, line, id = KEYS[1], KEYS[2], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

// lockGrant makes somebody the holder. The token is a revision, as of any write.
const lockGrant = `
local function grant(to, owner, lease)
	local token, last = time[1] * 1000000 + time[2], redis.call('GET', KEYS[3])
	if last and token <= tonumber(last) then token = last + 1 end
	local digits, since = string.format('%.0f', token), string.format('%.0f', now)
	redis.call('SET', KEYS[3], digits)
	redis.call('HSET', lock, 'id', to, 'owner', owner, 'since', since, 'until', string.format('%.0f', now + lease), 'lasts', lease, 'token', digits)
	return token
end
`

const lockPrelude = `
local function number(n) return string.format('%.0f', n) end

-- until this, if the clock has not been set back since; then what it lasts from now
local function ends(at, lasts) return math.min(tonumber(at), now + tonumber(lasts)) end

-- the lock's keys stay for a while longer than what they tell
local function keep(lasts)
	local want = lasts + 60000
	if redis.call('PTTL', lock) < want then
		redis.call('PEXPIRE', lock, number(want + lasts))
	end
end


local function forget(waiter)
	redis.call('HDEL', lock, 'until:' .. waiter, 'lasts:' .. waiter, 'about:' .. waiter)
end

-- what is known of a waiter, or nothing if it is dead
local function waits(waiter)
	local w = redis.call('HMGET', lock, 'until:' .. waiter, 'lasts:' .. waiter, 'about:' .. waiter)
	if w[1] and ends(w[1], w[2]) > now then return w end
end

-- takes the dead from the front of the line, and returns its first
local function first()
	while true do
		local waiter = redis.call('LINDEX', line, 0)
		local w = waiter and waits(waiter)
		if w or not waiter then return waiter, w end
		redis.call('LPOP', line)
		forget(waiter)
	end
end

-- makes the first of the line the holder and wakes it; without one the lock is free
local function pass()
	local waiter, w = first()
	if not waiter then
		redis.call('DEL', lock, line)
		return
	end
	redis.call('LPOP', line)
	forget(waiter)
	local about = cmsgpack.unpack(w[3])
	grant(waiter, about.owner, about.lease)
	keep(tonumber(about.lease))
	if waiter ~= id and about.wake ~= '' then
		redis.call('PUBLISH', ARGV[2], about.wake)
	end
	return waiter
end

-- who holds the lock
local function holder()
	local h = redis.call('HMGET', lock, 'id', 'until', 'lasts')
	if not h[1] then return end
	local at = ends(h[2], h[3])
	if at <= now then return pass() end
	if at < tonumber(h[2]) then
		redis.call('HSET', lock, 'until', number(at))
	end
	return h[1]
end
`

// acquireScript: ARGV, further: the owner; the key to wake; lease and place; "try"
// or nothing; how long the keys of a lock stay that is taken. It answers the token
// if the lock was free; else token or 0, how many are ahead, and of the holder ID,
// owner, since when, how long its lease goes on.
const acquireScript = lockBegin + lockGrant + `
local owner, wake, lease, place = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local function take()
	local token = grant(id, owner, lease)
	redis.call('PEXPIRE', lock, ARGV[8])
	return token
end
if redis.call('EXISTS', lock) == 0 then return take() end
` + lockPrelude + `
local has = holder()
if not has then return take() end
local token, ahead = 0, 0
if has == id then
	redis.call('HSET', lock, 'until', number(now + lease), 'lasts', lease)
	keep(tonumber(lease))
	token = redis.call('HGET', lock, 'token')
elseif ARGV[7] ~= 'try' then
	first()
	local old = waits(id)
	if not old then
		redis.call('LREM', line, 1, id)
		redis.call('RPUSH', line, id)
	end
	local since = old and cmsgpack.unpack(old[3]).since or number(now)
	redis.call('HSET', lock, 'until:' .. id, number(now + place), 'lasts:' .. id, place,
		'about:' .. id, cmsgpack.pack({owner = owner, wake = wake, lease = lease, since = since}))
	keep(math.max(lease, place))
	redis.call('PEXPIRE', line, number(redis.call('PTTL', lock) + 60000))
	ahead = redis.call('LPOS', line, id) + 1
else
	first()
	ahead = redis.call('LLEN', line) + 1
end
local h = redis.call('HMGET', lock, 'id', 'owner', 'since', 'until')
return {token, ahead, h[1], h[2], tonumber(h[3]), h[4] - now}`

// extendScript: ARGV, further: the lease.
const extendScript = lockBegin + lockGrant + lockPrelude + `
if holder() ~= id then return 0 end
redis.call('HSET', lock, 'until', number(now + ARGV[3]), 'lasts', ARGV[3])
keep(tonumber(ARGV[3]))
return 1`

const releaseScript = lockBegin + `
local h = redis.call('HMGET', lock, 'id', 'until')
if h[1] == id and tonumber(h[2]) > now and redis.call('EXISTS', line) == 0 then
	return redis.call('DEL', lock)
end
` + lockGrant + lockPrelude + `
if holder() == id then
	pass()
	return 1
end
local waited = waits(id) and 1 or 0
if waited == 1 then
	redis.call('LREM', line, 1, id)
	forget(id)
end
return waited`

// lockScript answers how a lock stands: token, then for the holder and each
// waiter ID, owner, since when, how long it goes on. KEYS: the lock, its line.
const lockScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function left(at, lasts) return math.min(tonumber(at) - now, tonumber(lasts)) end
local h = redis.call('HMGET', KEYS[1], 'token', 'id', 'owner', 'since', 'until', 'lasts')
if not h[1] or left(h[5], h[6]) <= 0 then return {} end
local all = {h[1], h[2], h[3], h[4], left(h[5], h[6])}
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
	local w = redis.call('HMGET', KEYS[1], 'until:' .. id, 'lasts:' .. id, 'about:' .. id)
	if w[1] and left(w[1], w[2]) > 0 then
		local about = cmsgpack.unpack(w[3])
		for _, v in ipairs({id, about.owner, about.since, left(w[1], w[2])}) do all[#all + 1] = v end
	end
end
return all`

type lockScripts struct{ acquire, extend, release, state *rueidis.Lua }

func newLockScripts() lockScripts {
	return lockScripts{
		acquire: rueidis.NewLuaScript(acquireScript),
		extend:  rueidis.NewLuaScript(extendScript),
		release: rueidis.NewLuaScript(releaseScript),
		state:   rueidis.NewLuaScript(lockScript),
	}
}

// names of what a lock has in Redis.
func (set *settings) lock(key string) string { return set.prefix + ":lock:" + key }
func (set *settings) line(key string) string { return set.prefix + ":line:" + key }

func (s *Store) lockKeys(key string) []string {
	return []string{s.set.lock(key), s.set.line(key), s.set.revision()}
}

// AcquireLock implements store.Locker.
func (s *Store) AcquireLock(ctx context.Context, r store.LockRequest) (store.LockGrant, error) {
	if err := r.Check(); err != nil {
		return store.LockGrant{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.LockGrant{}, err
	}
	try := ""
	if r.Try {
		try = "try"
	}
	answer, err := s.scripts.lock.acquire.Exec(ctx, s.client, s.lockKeys(r.Key),
		[]string{r.ID, s.set.changes(), r.Owner, r.Wake, milliseconds(r.Lease), milliseconds(r.Place), try, milliseconds(2*r.Lease + time.Minute)}).ToMessage()
	if err != nil {
		return store.LockGrant{}, s.fail(ctx, "lock", r.Key, err)
	}
	if token, err := answer.AsInt64(); err == nil { // it was free
		return store.LockGrant{Token: store.Revision(token), Holder: store.LockParty{ID: r.ID, Owner: r.Owner, Since: time.UnixMicro(token), Left: r.Lease}}, nil
	}
	rest, err := answer.ToArray()
	a := answers{rest: rest, err: err}
	g := store.LockGrant{Token: store.Revision(a.number()), Ahead: int(a.number())}
	g.Holder = a.party()
	return g, s.fail(ctx, "lock", r.Key, a.err)
}

// answers reads what a script has answered, one after the other.
type answers struct {
	rest []rueidis.RedisMessage
	err  error
}

var errShort = errors.New("a script's answer is shorter than it should be")

func (a *answers) next() (m rueidis.RedisMessage, ok bool) {
	if a.err == nil && len(a.rest) == 0 {
		a.err = errShort
	}
	if a.err != nil {
		return m, false
	}
	m, a.rest = a.rest[0], a.rest[1:]
	return m, true
}

// number reads an integer, also one in digits.
func (a *answers) number() (n int64) {
	if m, ok := a.next(); ok {
		n, a.err = m.AsInt64()
	}
	return n
}

func (a *answers) text() (s string) {
	if m, ok := a.next(); ok {
		s, a.err = m.ToString()
	}
	return s
}

func (a *answers) party() store.LockParty {
	return store.LockParty{ID: a.text(), Owner: a.text(), Since: time.UnixMilli(a.number()), Left: time.Duration(max(a.number(), 0)) * time.Millisecond}
}

// ExtendLock implements store.Locker.
func (s *Store) ExtendLock(ctx context.Context, key, id string, lease time.Duration) error {
	return s.changeLock(ctx, s.scripts.lock.extend, "extend the lock", key, id, milliseconds(lease))
}

// ReleaseLock implements store.Locker.
func (s *Store) ReleaseLock(ctx context.Context, key, id string) error {
	return s.changeLock(ctx, s.scripts.lock.release, "release the lock", key, id)
}

func (s *Store) changeLock(ctx context.Context, script *rueidis.Lua, doing, key, id string, further ...string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	done, err := script.Exec(ctx, s.client, s.lockKeys(key), append([]string{id, s.set.changes()}, further...)).AsInt64()
	if err != nil {
		return s.fail(ctx, doing, key, err)
	}
	if done == 0 {
		return store.ErrConflict
	}
	return nil
}

// Locks implements store.Locker. Like List it walks over all keys of the database.
func (s *Store) Locks(ctx context.Context, prefix string) iter.Seq2[store.LockState, error] {
	return func(yield func(store.LockState, error) bool) {
		keys, err := s.names(ctx, s.set.lock(""), prefix)
		if err != nil {
			yield(store.LockState{}, err)
			return
		}
		for _, key := range keys {
			state, err := s.lockState(ctx, key)
			if err == nil && state.Holder.ID == "" {
				continue
			}
			if !yield(state, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) lockState(ctx context.Context, key string) (store.LockState, error) {
	state := store.LockState{Key: key}
	if err := s.enter(ctx); err != nil {
		return state, err
	}
	answer, err := s.read(ctx, func() rueidis.RedisResult {
		return s.scripts.lock.state.Exec(ctx, s.client, s.lockKeys(key), nil)
	}).ToArray()
	if err != nil || len(answer) == 0 {
		return state, s.fail(ctx, "look at the lock", key, err)
	}
	a := answers{rest: answer}
	state.Token = store.Revision(a.number())
	for len(a.rest) > 0 && a.err == nil {
		state.Waiters = append(state.Waiters, a.party())
	}
	if a.err != nil || len(state.Waiters) == 0 {
		return state, s.fail(ctx, "look at the lock", key, errors.Join(a.err))
	}
	state.Holder = state.Waiters[0]
	state.Waiters = slices.Clone(state.Waiters[1:])
	return state, nil
}
