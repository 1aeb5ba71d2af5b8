-- Completes with the state c, releases with the state r. What has ended so already stays as it is.
local state = argument
local entry = read()
if not entry and state == 'c' then
    -- The key has vanished and nobody else has claimed it, but the work is done. `forget` leaves a key.
    write(state, owner, attempt, now, retention)
    return 1
end
if entry and entry.owner == owner then
    if entry.state == 'p' then
        write(state, owner, attempt, now, retention)
        return 1
    end
    if entry.state == state then
        return 1
    end
end
return 0
