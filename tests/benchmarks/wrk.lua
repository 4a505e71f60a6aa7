-- Drives one server with wrk:  wrk ... -s wrk.lua URL -- read|move PARTICIPANTS
--
-- Requests take turns over as many participants as there are connections, so that each of them has
-- one request under way. A participant's moves alternate between two blocks: each is a real one.

local request_number, participants, moving = 0, 1, false

function init(args)
  moving = args[1] == "move"
  participants = tonumber(args[2])
end

function request()
  local participant = request_number % participants + 1
  local visit = math.floor(request_number / participants)
  request_number = request_number + 1
  if moving then
    return wrk.format("POST", string.format("/api/move-to-block/%d/%d", participant, visit % 2))
  end
  return wrk.format("GET", string.format("/api/config/%d", participant))
end

function done(summary, latency, _requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests": %d, "microseconds": %d, "failed": %d, "p99": %d}\n',
    summary.requests, summary.duration, failed, latency:percentile(99)))
end
