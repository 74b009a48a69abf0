-- wrk -s post.lua URL -- FILE: POSTs the bytes of FILE.
function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    wrk.method, wrk.body = "POST", file:read("*a")
    file:close()
end
