-- A delivery is one string: the state, the owner, the number of the attempt, and a time of the server in milliseconds.
--   p  in progress, until then, or abandoned since then
--   c  completed, then
--   r  released, then; by nobody (owner 0, attempt 0) if it was forgotten
local owner, attempt = ARGV[1], tonumber(ARGV[2])
local retention, argument = tonumber(ARGV[3]), ARGV[4]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function read()
    local value = redis.call('GET', KEYS[1])
    if not value then
        return nil
    end
    local state, owner, attempt, time = string.match(value, '^([pcr]):(%x+):(%d+):(%d+)$')
    if not state then
        error('the key holds what is not a delivery')
    end
    return { state = state, owner = owner, attempt = tonumber(attempt), time = tonumber(time) }
end

-- It is there for so long after it was last changed, or after its lease ends.
local function write(state, owner, attempt, time, retention)
    local value = string.format('%s:%s:%.0f:%.0f', state, owner, attempt, time)
    redis.call('SET', KEYS[1], value, 'PX', string.format('%.0f', math.max(time - now, 0) + retention))
end
