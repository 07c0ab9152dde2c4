"""The atomic steps that Redis has no command for, in its Lua. Each has a twin in local.py.

Times: ARGV of milliseconds, "" for no end. A step that needs the time takes microseconds as its last
argument; "" means the server's own clock, so that clients whose clocks differ agree.
"""

from __future__ import annotations

_NOW = """
local function now(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
"""
_PUT = """
local function put(key, value, milliseconds)
  if milliseconds == '' then redis.call('SET', key, value)
  else redis.call('SET', key, value, 'PX', milliseconds) end
end
"""

COMPARE_AND_DELETE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

COMPARE_AND_SET = (
    _PUT
    + """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
put(KEYS[1], ARGV[2], ARGV[3])
return 1
"""
)

# Numbers of a fence fit a double exactly: microseconds since 1970 stay under 2^53 until the year 2255.
SET_NEWER = (
    _PUT
    + """
local old = redis.call('GETRANGE', KEYS[1], 0, 19)
if string.match(old, '^%d+$') and #old == 20 and tonumber(old) > tonumber(string.sub(ARGV[1], 1, 20)) then
  return 0
end
put(KEYS[1], ARGV[1], ARGV[2])
return 1
"""
)

INCREMENT = """
local fresh = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if fresh and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
"""

_ADVANCE = """
local function advance(key, milliseconds, time)
  local number = tonumber(redis.call('GET', key) or '0') or 0
  if number + 1 > time then number = number + 1 else number = time end
  local text = string.format('%.0f', number)
  put(key, text, milliseconds)
  return text
end
"""

ADVANCE = _NOW + _PUT + _ADVANCE + "return advance(KEYS[1], ARGV[1], now(ARGV[2]))"

# KEYS: holder, fence. ARGV: owner, milliseconds of the lock, milliseconds of the fence, time.
ACQUIRE = (
    _NOW
    + _PUT
    + _ADVANCE
    + """
local holder = redis.call('GET', KEYS[1])
if holder then
  local split = string.find(holder, ':', 1, true)
  if string.sub(holder, split + 1) ~= ARGV[1] then return false end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return string.sub(holder, 1, split - 1)
end
local token = advance(KEYS[2], ARGV[3], now(ARGV[4]))
redis.call('SET', KEYS[1], token .. ':' .. ARGV[1], 'PX', ARGV[2])
return token
"""
)

_OWNED = """
local holder = redis.call('GET', KEYS[1])
if not holder then return 0 end
if string.sub(holder, string.find(holder, ':', 1, true) + 1) ~= ARGV[1] then return 0 end
"""

RENEW = _OWNED + "return redis.call('PEXPIRE', KEYS[1], ARGV[2])"

RELEASE = _OWNED + "return redis.call('DEL', KEYS[1])"

# GCRA: what is kept is the time at which everything taken so far would be worked off.
# ARGV: microseconds of one take, how many at once, cost, time. Answer: allowed, and three times from now.
TAKE = (
    _NOW
    + """
local interval, burst, cost, time = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), now(ARGV[4])
local done = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if done < time then done = time end
local after = done + interval * cost
local wait = after - interval * burst - time
if wait > 0 then
  return {0, string.format('%.0f', done - time), string.format('%.0f', wait)}
end
if cost > 0 then
  local left = math.ceil((after - time) / 1000)
  redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', string.format('%.0f', left))
end
return {1, string.format('%.0f', after - time), '0'}
"""
)
