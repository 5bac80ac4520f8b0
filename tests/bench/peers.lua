-- What the gateway does to the example, in OpenResty's way: decode, mend, check, encode, log.
local cjson = require "cjson.safe"
local need = { worker_server_num = "number", app_url = "string", boot_file_url = "string",
    parameter = "table", dataset_id = "string", train_url = "string" }

local function refuse(words)
    ngx.status = 400
    ngx.header.content_type = "application/json"
    ngx.say(cjson.encode({ is_success = false, error_msg = words }))
    return ngx.exit(400)
end

ngx.req.read_body()
local document = cjson.decode(ngx.req.get_body_data() or "")
if type(document) ~= "table" then
    return refuse("not a JSON object")
end
for name, kind in pairs(need) do
    if type(document[name]) ~= kind then
        return refuse(name .. " is missing or has the wrong type")
    end
end
for _, one in ipairs(document.parameter) do
    if one.key and not one.label then
        one.label, one.key = one.key, nil
    end
end
if document.worker_server_num > 4 or not document.app_url:find("^/usr/") then
    return refuse("not allowed")
end
ngx.req.set_body_data(cjson.encode(document))
