local lease = tonumber(argument)
local entry = read()
if entry then
    if entry.state == 'c' then
        return { 1, entry.time }
    end
    if entry.state == 'p' and entry.owner == owner and entry.time > now then
        -- The client sent the claim again, because it did not receive the answer.
        return { 0, entry.attempt }
    end
    if entry.state == 'p' and entry.time > now then
        return { 2, entry.time - now }
    end
    attempt = entry.attempt + 1
end
write('p', owner, attempt, now + lease, retention)
return { 0, attempt }
