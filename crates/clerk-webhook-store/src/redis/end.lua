-- Completes with the state c, releases with the state r. What has ended so already stays as it is.
local owner, state, retention = ARGV[1], ARGV[2], tonumber(ARGV[3])
local entry = read()
if entry and entry.owner == owner then
    if entry.state == 'p' then
        write(state, owner, entry.attempt, now, retention)
        return 1
    end
    if entry.state == state then
        return 1
    end
end
return 0
