-- Load for wrk: POST customers' messages of about 500 bytes, spread over the
-- conversations of a pool file. Arguments: the pool file, and "fresh" to give
-- every message a new random id ("same" keeps the pool's, whose signature the
-- bare handler checks). The work per request is the same either way.
--
-- A line of the pool: signature TAB body before the id TAB id TAB body after it

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  fresh = args[2] == "fresh"
  math.randomseed(os.time() * 1000 + number * 7919)
  pool = {}
  for line in io.lines(args[1]) do
    local signature, head, id, tail = line:match("([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)")
    pool[#pool + 1] = {
      headers = { ["Content-Type"] = "application/json", ["X-Signature"] = signature },
      head = head, id = id, tail = tail,
    }
  end
end

local random, format = math.random, string.format

function request()
  local m = pool[random(#pool)]
  local id = format("%08x%08x%08x%08x", random(0, 0x7fffffff), random(0, 0x7fffffff),
    random(0, 0x7fffffff), random(0, 0x7fffffff))
  if not fresh then id = m.id end
  return wrk.format("POST", nil, m.headers, m.head .. id .. m.tail)
end

-- One line that the program reads: requests, failed requests, microseconds.
function done(summary, latency)
  local e = summary.errors
  io.write(format("RESULT %d %d %d %d %d\n", summary.requests,
    e.connect + e.read + e.write + e.timeout + e.status, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
