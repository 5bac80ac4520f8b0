-- wrk's script: a PUT with an id of its own each time, which its target and its X-Request-Id tell.
local threads = 0

function setup(thread)
    thread:set("id", threads)
    threads = threads + 1
end

function init()
    local n = 0

    request = function()
        n = n + 1
        local ident = ("w%d-%d"):format(id, n)
        return wrk.format("PUT", "/" .. ident, { ["X-Request-Id"] = ident }, "x")
    end
end

function done(summary)
    local e = summary.errors
    io.write(("\nfigures: %d %d\n"):format(summary.requests,
        e.connect + e.read + e.write + e.timeout + e.status))
end
