local lease = tonumber(argument)
local entry = read()
if not entry or (entry.state == 'p' and entry.owner == owner) then
    -- A key that has vanished is still its owner's: nobody else has claimed it, and `forget` leaves a key.
    write('p', owner, attempt, now + lease, retention)
    return 1
end
return 0
