"""What the shared quota has Redis do, each as one: counted there, by Redis's own time, in milliseconds.

Of each set of credentials there are a log of all requests and one of the background's (sorted sets: who and which
one, by moment), and a hash of `closed` (until when the vendor wants nothing), `closer` (who was told so), `wanted`
(until when a caller waits) and `longest` (for how long the logs are kept). Besides, for all of them: who has told its
takes (`present`), and the epoch, whose loss tells that the logs are lost.
"""

from dataclasses import dataclass

_SHARED = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function keep(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then redis.call('PEXPIRE', key, milliseconds) end
end

local function field(key, name)
  return tonumber(redis.call('HGET', key, name) or 0)
end

local function close(key, milliseconds, who)
  if now + milliseconds <= field(key, 'closed') then return end
  redis.call('HSET', key, 'closed', now + milliseconds, 'closer', who)
  keep(key, tonumber(milliseconds))
end
"""

_ROOM = """
local function until_room(key, requests, kept)
  if requests <= 0 then return kept end
  local nth = redis.call('ZREVRANGE', key, requests - 1, requests - 1, 'WITHSCORES')
  return nth[2] and math.max(0, nth[2] + kept - now) or 0
end

-- What all present may send: the rest is set aside for those who may be sending on their own.
local function open_to_all(requests, share, reserve, absent, present)
  return requests - absent * share - present * reserve
end
"""

TAKE = (
    _SHARED
    + _ROOM
    + """
local taken, background, state, members, epoch = unpack(KEYS)
local who, known, moment, behind, patience, grace, expected, silent = unpack(ARGV)
behind, expected, silent = behind == '1', tonumber(expected), tonumber(silent)

for key, kind in pairs({[taken] = 'zset', [background] = 'zset', [state] = 'hash', [members] = 'zset'}) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key, epoch) end
end
local stands = redis.call('GET', epoch)
local seen = tonumber(redis.call('ZSCORE', members, who) or 0)
if stands ~= known or (expected > 1 and now - seen > silent) then return {-1, 0} end
redis.call('ZADD', members, now, who)
keep(members, silent * 60)
redis.call('ZREM', taken, moment) -- told before it was taken, because the logs were lost in between
redis.call('ZREM', background, moment)

local present = redis.call('ZCOUNT', members, now - silent, '+inf')
local absent = math.max(0, expected - present)
local birth = tonumber(string.match(stands, '^%d+'))
local is_ours = redis.call('HGET', state, 'closer') == who -- the closer keeps to it by its own clock
local closed = is_ours and 0 or math.max(0, field(state, 'closed') - now)
local wait = behind and math.max(closed, field(state, 'wanted') - now) or closed
local longest = field(state, 'longest')
for i = 9, #ARGV, 4 do
  local kept, share, reserve = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local open = open_to_all(tonumber(ARGV[i]), share, reserve, absent, present)
  wait = math.max(wait, until_room(taken, open, kept))
  if behind then wait = math.max(wait, until_room(background, math.max(1, math.floor(open / 2)), kept)) end
  if absent > 0 and now < birth + kept and redis.call('ZCOUNT', taken, birth, '+inf') >= present * reserve then
    -- Those who are missing may have sent anything before the logs were lost; at first they may just not have told.
    wait = math.max(wait, now < birth + 2 * silent and 100 or birth + kept - now)
  end
  longest = math.max(longest, kept)
end
if wait > 0 then
  if not behind and wait <= tonumber(patience) then
    redis.call('HSET', state, 'wanted', math.max(field(state, 'wanted'), now + wait + grace))
    keep(state, math.ceil(wait + grace))
  end
elseif #ARGV > 8 then
  redis.call('HSET', state, 'longest', longest)
  keep(state, longest)
  for key, counts in pairs({[taken] = true, [background] = behind}) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - longest)
    if counts then redis.call('ZADD', key, now, moment) end
    keep(key, longest)
  end
end
return {math.ceil(wait), math.ceil(closed)}
"""
)
"""Take one, or say how many milliseconds there are until one may be taken; -1: tell your takes first.

The second number is for how long the vendor wants nothing.
"""

LEFT = (
    _SHARED
    + _ROOM
    + """
local taken, state, members = unpack(KEYS)
local expected, silent = tonumber(ARGV[1]), tonumber(ARGV[2])
local present = math.max(1, redis.call('ZCOUNT', members, now - silent, '+inf'))
local closed = field(state, 'closed') > now
local left = {}
for i = 3, #ARGV, 4 do
  local open = open_to_all(tonumber(ARGV[i]), ARGV[i + 2], ARGV[i + 3], math.max(0, expected - present), present)
  local used = redis.call('ZCOUNT', taken, now - ARGV[i + 1], '+inf')
  left[#left + 1] = closed and 0 or math.max(0, open - used)
end
return left
"""
)
"""Give what is left of each limit now."""

ANNOUNCE = (
    _SHARED
    + """
local members, epoch = KEYS[1], KEYS[2]
local who, known, fresh, joining, silent, days = unpack(ARGV)
local stands = redis.call('GET', epoch)
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or 'unknown'
if not stands or not string.find(stands, run, 1, true) then -- another server, or one that has started again
  stands = string.format('%d-%s-%s', now, run, fresh)
  redis.call('SET', epoch, stands)
  redis.call('DEL', members)
end
redis.call('PEXPIRE', epoch, days)
local seen = tonumber(redis.call('ZSCORE', members, who) or 0)
local is_told = stands == known and (joining == '1' or now - seen <= tonumber(silent))
if is_told then
  redis.call('ZREMRANGEBYSCORE', members, '-inf', now - silent * 60)
  redis.call('ZADD', members, now, who)
  keep(members, silent * 60)
end
return {is_told and 1 or 0, stands}
"""
)
"""Be present: as one who was so a moment ago, or who has told its takes. Makes the epoch where there is none."""

TELL = (
    _SHARED
    + """
local taken, background, state = unpack(KEYS)
local longest, closed = tonumber(ARGV[1]), tonumber(ARGV[2])
if closed > 0 then close(state, closed, ARGV[3]) end
redis.call('HSET', state, 'longest', math.max(field(state, 'longest'), longest))
for i = 4, #ARGV, 3 do
  redis.call('ZADD', taken, now - ARGV[i + 1], ARGV[i])
  if ARGV[i + 2] == '1' then redis.call('ZADD', background, now - ARGV[i + 1], ARGV[i]) end
end
for _, key in ipairs(KEYS) do keep(key, math.max(longest, closed)) end
"""
)
"""Add what a process has sent before: which one, how many milliseconds ago, and whether in the background."""

CLOSE = (
    _SHARED
    + """
close(KEYS[1], ARGV[1], ARGV[2])
"""
)
"""Let nothing be sent for so many milliseconds."""


def common_keys(processes: int) -> tuple[str, str]:
    """Name who is present, and the epoch; processes that expect other numbers of each other do not count each other."""
    return f"quota:present:{processes}", f"quota:epoch:{processes}"


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The names of what is kept of one set of credentials."""

    taken: str
    background: str
    state: str

    @classmethod
    def of(cls, vendor: str, account: str) -> "AccountKeys":
        """Name them."""
        own = f"quota:{vendor}:{account}"
        return cls(f"{own}:taken", f"{own}:background", f"{own}:state")
