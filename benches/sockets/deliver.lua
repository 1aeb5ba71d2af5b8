-- Sends one delivery repeatedly: wrk … -s deliver.lua URL -- FILE STATUS
--
-- FILE is the output of `delivery`: header lines, an empty line, the body. Prints the number of responses and the
-- duration in microseconds. Fails unless every response has the status STATUS.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

-- wrk calls it once in each thread. Because this script does not define `request`, wrk builds the request once
-- and sends the same bytes every time.
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for line in file:lines() do
    local name, value = line:match("^([^:]+): (.*)$")
    if not name then
      break
    end
    wrk.headers[name] = value
  end
  wrk.method = "POST"
  wrk.body = file:read("*a")
  file:close()

  expected = tonumber(arguments[2])
  unexpected = 0
end

function response(status)
  if status ~= expected then
    unexpected = unexpected + 1
    other = status
  end
end

function done(summary)
  local failed = false
  for kind, count in pairs(summary.errors) do
    -- wrk counts every 4xx and 5xx as an error of this kind, also if it is expected.
    if kind ~= "status" and count > 0 then
      io.stderr:write(("%d errors of kind '%s'\n"):format(count, kind))
      failed = true
    end
  end
  for _, thread in ipairs(threads) do
    if thread:get("unexpected") > 0 then
      io.stderr:write(("%d responses did not have status %d, for example %d\n"):format(
        thread:get("unexpected"), thread:get("expected"), thread:get("other")))
      failed = true
    end
  end
  if failed or summary.requests == 0 then
    os.exit(1)
  end
  print(("%d %d"):format(summary.requests, summary.duration))
end
