-- Completes a delivery (state c) or releases it (state r). If it already has this state, nothing changes.
local state = argument
local entry = read()
if not entry and state == 'c' then
    -- The server lost the key, and no other client has claimed the delivery. The work is done, so complete it.
    -- It was not forgotten, because `forget` writes a key.
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
