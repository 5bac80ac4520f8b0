-- wrk's script: one request, the same each time, and a line of JSON with the figures at the end.
-- Arguments behind `--`: method, file with the body ("-" for none), length of the token.
function init(args)
    local length = tonumber(args[3])

    wrk.method = args[1]
    wrk.headers["Content-Type"] = "application/json"
    if length > 0 then
        wrk.headers["X-Auth-Token"] = ("MIIEbgYJKoZIhvcNAQcC"):rep(length / 20 + 1):sub(1, length)
    end
    if args[2] ~= "-" then
        local file = assert(io.open(args[2], "rb"))
        wrk.body = file:read("*a")
        file:close()
    end
    local text = wrk.format()
    request = function() return text end
end

function done(summary, latency, requests)
    local e = summary.errors
    local words = ('{"requests": %d, "microseconds": %d, "bytes": %d, "failed": %d, "status": %d, ' ..
        '"p50": %.1f, "p99": %.1f, "p999": %.1f}\n'):format(summary.requests, summary.duration,
        summary.bytes, e.connect + e.read + e.write + e.timeout, e.status,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9))
    io.write("\nfigures: ", words)
end
