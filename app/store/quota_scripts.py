"""What the shared quota has Redis do, each as one: counted there, by Redis's own time, in milliseconds.

Of each set of credentials there are a log of all requests and one of the background's (sorted sets: which one, by
moment), and a hash: `closed` (until when the vendor wants nothing) and `closer` (who was told so), `wanted` (until when
a caller waits), `longest` (for how long the logs are kept) and `known` (until when that is believed), `logged` (until
when there must be a log) and `at` (when this was written). For all of them there is `quota:birth`: since when Redis
remembers. Everything expires, and what is not as it should be is thrown away by whoever finds it.
"""

from dataclasses import dataclass

_PRELUDE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken, background, state, birth = unpack(KEYS)
local who, processes = ARGV[1], tonumber(ARGV[2])
local HOUR, WEEK, SOON = 3600000, 604800000, 1000

local function keep(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then redis.call('PEXPIRE', key, milliseconds) end
end

local function field(name)
  return tonumber(redis.call('HGET', state, name) or '') or 0
end

local function write(...)
  redis.call('HSET', state, 'at', now, ...)
  keep(state, math.max(HOUR, field('known') - now))
end

local is_lost = false
for key, kind in pairs({[taken] = 'zset', [background] = 'zset', [state] = 'hash', [birth] = 'string'}) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', key)
    is_lost = true
  end
end
for _, key in ipairs({taken, background}) do -- of the future: Redis's clock went back
  if redis.call('ZREMRANGEBYSCORE', key, now + SOON, '+inf') > 0 then is_lost = true end
end
if field('at') > now + SOON then redis.call('DEL', state) end
if field('logged') > now and redis.call('EXISTS', taken) == 0 then
  redis.call('HDEL', state, 'logged')
  is_lost = true
end

local begun = tonumber(redis.call('GET', birth) or '')
if is_lost or not begun or begun > now + SOON then begun = now end
redis.call('SET', birth, begun, 'PX', WEEK) -- a Redis that takes nothing in refuses here

local function forget_all()
  begun = now
  redis.call('SET', birth, begun, 'PX', WEEK)
end

local longest = field('known') > now and field('longest') or 0
local is_ours = redis.call('HGET', state, 'closer') == who -- the closer keeps to it by its own clock
local closed = is_ours and 0 or math.min(HOUR, math.max(0, field('closed') - now))
local others_tell = processes > 1 and now < begun + 1000

local function lengthen(kept)
  if kept < longest then return end
  longest = kept
  write('longest', longest, 'known', now + math.max(longest, HOUR))
end
"""
"""`others_tell`: Redis remembers nothing yet, and not all may have told it what they sent."""

TAKE = (
    _PRELUDE
    + """
local member, newest, behind, waits, patience, grace = unpack(ARGV, 3, 8)
local is_limited = #ARGV > 8
if is_limited and newest ~= '' and not redis.call('ZSCORE', taken, newest) then
  forget_all()
  return {-1, 0, 0}
end

local function until_room(key, requests, kept)
  if requests <= 0 then return kept end
  local nth = redis.call('ZREVRANGE', key, requests - 1, requests - 1, 'WITHSCORES')
  return nth[2] and math.min(kept, math.max(0, nth[2] + kept - now)) or 0
end

local wait = closed
if is_limited and others_tell then wait = math.max(wait, 100) end
if is_limited and waits == '1' then wait = math.max(wait, math.min(2000, field('wanted') - now)) end
local own = 0
for i = 9, #ARGV, 2 do
  local requests, kept = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  wait = math.max(wait, until_room(taken, requests, kept))
  if behind == '1' then wait = math.max(wait, until_room(background, math.max(1, math.floor(requests / 2)), kept)) end
  own = math.max(own, kept)
end
if is_limited then lengthen(own) end
if wait > 0 then
  if behind == '0' and is_limited and wait <= tonumber(patience) then
    write('wanted', math.max(field('wanted'), now + math.min(wait, 1000) + grace))
  end
elseif longest > 0 then
  for key, counts in pairs({[taken] = true, [background] = behind == '1'}) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - longest)
    if counts then redis.call('ZADD', key, now, member) end
    keep(key, longest)
  end
  write('logged', now + longest - 50)
end
return {math.ceil(wait), math.ceil(closed), longest}
"""
)
"""Take one, or say how many milliseconds there are until one may be taken; -1: tell your takes first.

Then for how long the vendor wants nothing, and for how long requests are remembered.
"""

LOOK = (
    _PRELUDE
    + """
local seen = {begun, closed, longest}
for i = 3, #ARGV, 2 do
  local used = redis.call('ZCOUNT', taken, '(' .. string.format('%d', now - ARGV[i + 1]), '+inf')
  seen[#seen + 1] = (closed > 0 or others_tell) and 0 or math.max(0, ARGV[i] - used)
end
return seen
"""
)
"""Give since when Redis remembers, for how long the vendor wants nothing, `longest`, and what is left of each limit."""

TELL = (
    _PRELUDE
    + """
local ours, silence = tonumber(ARGV[3]), tonumber(ARGV[4])
if silence > 0 and now + silence > field('closed') then write('closed', now + silence, 'closer', who) end
if ours > 0 then lengthen(ours) end
local news = 0
for i = 5, #ARGV, 3 do
  news = news + redis.call('ZADD', taken, 'NX', now - ARGV[i + 1], ARGV[i])
  if ARGV[i + 2] == '1' then redis.call('ZADD', background, 'NX', now - ARGV[i + 1], ARGV[i]) end
end
keep(taken, longest)
keep(background, longest)
if news > 0 then forget_all() end
return begun
"""
)
"""Tell what was sent before (which, how many milliseconds ago, whether in the background), and close the gate.

What Redis did not know means that it may not know what others sent, either: they are given a moment to tell.
"""


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The names of what is kept of one set of credentials."""

    vendor: str
    account: str

    @property
    def names(self) -> list[str]:
        """Give the names, in the scripts' order."""
        own = f"quota:{self.vendor}:{self.account}"
        return [f"{own}:taken", f"{own}:background", f"{own}:state", "quota:birth"]
