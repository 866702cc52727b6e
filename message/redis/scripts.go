package redis

import (
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// scripts are what has to be done in one piece. KEYS[1] is the topic's stream, KEYS[2]
// that of what the group was given back; entries are told by the number of their
// stream and their ID in it.
type scripts struct {
	join, extend, claim, giveBack, leave, tidy *rueidis.Lua
}

func newScripts() scripts {
	return scripts{
		join:     rueidis.NewLuaScript(joinScript),
		extend:   rueidis.NewLuaScript(extendScript),
		claim:    rueidis.NewLuaScript(claimScript),
		giveBack: rueidis.NewLuaScript(back + giveBackScript),
		leave:    rueidis.NewLuaScript(back + leaveScript),
		tidy:     rueidis.NewLuaScript(tidyScript),
	}
}

// joinScript makes a group that begins behind the entry ARGV[3], unless it is there,
// and its consumer. Together, because a group without a consumer may be tidied away.
const joinScript = `
for k, from in ipairs({ARGV[3], '0'}) do
	local made = redis.pcall('XGROUP', 'CREATE', KEYS[k], ARGV[1], from, 'MKSTREAM')
	if made['err'] and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
	redis.call('XGROUP', 'CREATECONSUMER', KEYS[k], ARGV[1], ARGV[2])
end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
	if info[i] == 'last-generated-id' then return info[i + 1] end
end`

// extendScript says that the consumer lives and works at entries, of which others
// may have taken some. The stream of a group that is nobody else's goes with it:
// ARGV[3] is when, empty for others.
const extendScript = `
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
for i = 4, #ARGV, 2 do
	local key, id = KEYS[tonumber(ARGV[i])], ARGV[i + 1]
	local p = redis.call('XPENDING', key, ARGV[1], id, id, 1)
	if p[1] and p[1][2] == ARGV[2] then
		redis.call('XCLAIM', key, ARGV[1], ARGV[2], 0, id, 'JUSTID')
	end
end
return redis.status_reply('OK')`

// claimScript takes up to ARGV[4] entries that were silent for ARGV[3] ms, with how
// often each was delivered.
const claimScript = `
local got, most = {}, tonumber(ARGV[4])
for k = 2, 1, -1 do
	local cursor = '0-0'
	repeat
		if #got >= most then break end
		local r = redis.call('XAUTOCLAIM', KEYS[k], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', most - #got)
		cursor = r[1]
		for _, e in ipairs(r[2]) do
			if e and e[2] then -- Redis 6.2 tells of entries that were removed, too
				local p = redis.call('XPENDING', KEYS[k], ARGV[1], e[1], e[1], 1)
				got[#got + 1] = {k, e[1], p[1][4], e[2]}
			end
		end
	until cursor == '0-0'
end
return got`

// back gives an entry back that the consumer ARGV[2] has, and was handled so many
// times: others find it in the second stream.
const back = `
local function back(k, id, handled)
	local e = redis.call('XRANGE', KEYS[k], id, id)[1]
	if redis.call('XACK', KEYS[k], ARGV[1], id) == 0 or not e then return end
	local fields, named = {}, false
	for i = 1, #e[2], 2 do
		if e[2][i] == 'attempt' then
			handled = handled + tonumber(e[2][i + 1])
		else
			named = named or e[2][i] == 'id'
			fields[#fields + 1] = e[2][i]
			fields[#fields + 1] = e[2][i + 1]
		end
	end
	if not named then -- by a foreign program: its ID is its place, which it leaves
		fields[#fields + 1] = 'id'
		fields[#fields + 1] = string.match(KEYS[1], '{(.*)}') .. '/' .. id
	end
	if handled > 0 then
		fields[#fields + 1] = 'attempt'
		fields[#fields + 1] = handled
	end
	if k == 2 then redis.call('XDEL', KEYS[2], id) end
	redis.call('XADD', KEYS[2], '*', unpack(fields))
end
`

// giveBackScript gives back entries, of which others may have taken some.
const giveBackScript = `
for i = 3, #ARGV, 2 do
	local k, id = tonumber(ARGV[i]), ARGV[i + 1]
	local p = redis.call('XPENDING', KEYS[k], ARGV[1], id, id, 1)
	if p[1] and p[1][2] == ARGV[2] then back(k, id, p[1][4] - 1) end
end
return redis.status_reply('OK')`

// leaveScript gives back all that the consumer has, and removes it: of a group that
// is nobody else's, all (ARGV[3] is own).
const leaveScript = `
if ARGV[3] == 'own' then
	redis.call('DEL', KEYS[2])
	return redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
end
for k = 2, 1, -1 do
	repeat
		local p = redis.call('XPENDING', KEYS[k], ARGV[1], '-', '+', 100, ARGV[2])
		for _, e in ipairs(p) do back(k, e[1], e[4] - 1) end
	until #p == 0
	redis.call('XGROUP', 'DELCONSUMER', KEYS[k], ARGV[1], ARGV[2])
end
return redis.status_reply('OK')`

// abandonedAfter is how long a group of one subscription is kept when
// its receiver is silent: longer than a server needs to come back.
const abandonedAfter = 10 * time.Minute

var abandoned = strconv.FormatInt(abandonedAfter.Milliseconds(), 10)

// tidyScript removes groups of subscriptions that are no more, and the entries that
// all groups have acknowledged.
const tidyScript = `
local function after(a, b) -- whether the ID a is behind b
	local ams, aseq = string.match(a, '(%d+)-(%d+)')
	local bms, bseq = string.match(b, '(%d+)-(%d+)')
	ams, aseq, bms, bseq = tonumber(ams), tonumber(aseq), tonumber(bms), tonumber(bseq)
	return ams > bms or ams == bms and aseq > bseq
end
local function fields(flat)
	local f = {}
	for i = 1, #flat, 2 do f[flat[i]] = flat[i + 1] end
	return f
end
local function gone(group)
	for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
		if fields(c)['idle'] < tonumber(ARGV[1]) then return false end
	end
	return true
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local first
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
	local g = fields(flat)
	if string.sub(g['name'], 1, 1) == '/' and gone(g['name']) then
		redis.call('XGROUP', 'DESTROY', KEYS[1], g['name'])
	else
		local from = g['last-delivered-id']
		if g['pending'] > 0 then
			from = redis.call('XPENDING', KEYS[1], g['name'], '-', '+', 1)[1][1]
		end
		if not first or after(first, from) then first = from end
	end
end
if not first then return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0) end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', first, 'LIMIT', 0)`
