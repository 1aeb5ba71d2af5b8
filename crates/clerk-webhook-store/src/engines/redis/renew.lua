local lease = tonumber(argument)
local entry = read()
if not entry or (entry.state == 'p' and entry.owner == owner) then
    -- If the server lost the key, the owner keeps its lease: no other client has claimed the delivery, and
    -- `forget` writes a key.
    write('p', owner, attempt, now + lease, retention)
    return 1
end
return 0
