local owner, lease, retention = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local entry = read()
if entry and entry.state == 'p' and entry.owner == owner then
    write('p', owner, entry.attempt, now + lease, retention)
    return 1
end
return 0
