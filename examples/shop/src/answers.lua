-- What every handler answers with: JSON and a status.
local http = require("http")

local STATUS: {[string]: integer} = {
  [errors.INVALID] = http.STATUS.BAD_REQUEST,
  [errors.NOT_FOUND] = http.STATUS.NOT_FOUND,
  [errors.CONFLICT] = http.STATUS.CONFLICT,
  [errors.TIMEOUT] = http.STATUS.SERVICE_UNAVAILABLE,
}

local function json(body, status: integer?)
  local res = http.response()
  res:set_content_type(http.CONTENT.JSON)
  if status then res:set_status(status) end
  res:write_json(body)
end

local function failure(err: error)
  json({ error = err:message() }, STATUS[err:kind()] or http.STATUS.INTERNAL_ERROR)
end

return { json = json, failure = failure }
