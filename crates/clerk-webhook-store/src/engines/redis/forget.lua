local entry = read()
write(argument, owner, attempt, now, retention)
if entry and entry.owner ~= owner then
    return 1
end
return 0
