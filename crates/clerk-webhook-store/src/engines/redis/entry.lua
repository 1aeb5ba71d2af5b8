-- A delivery is one string, state:owner:attempt:time. The time is the server's, in Unix milliseconds.
--   p  in progress; the time is the end of the lease
--   c  completed at this time
--   r  released at this time; owner 0 and attempt 0 if it was forgotten
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
        error('the value of the key is not a delivery. Use a prefix that no other application uses')
    end
    return { state = state, owner = owner, attempt = tonumber(attempt), time = tonumber(time) }
end

-- Writes the delivery. The key expires after the retention, counted from now or from the end of the lease.
local function write(state, owner, attempt, time, retention)
    local value = string.format('%s:%s:%.0f:%.0f', state, owner, attempt, time)
    redis.call('SET', KEYS[1], value, 'PX', string.format('%.0f', math.max(time - now, 0) + retention))
end
