-- The store as its users see it: each call sends a request and waits for the reply.
local time = require("time")

local function ask(store: string, topic: string, key: string, value: any?): (any, error?)
  local replies = process.listen("kv.reply")
  local sent, err = process.send(store, topic, { key = key, value = value, reply = "kv.reply" })
  if not sent then return nil, err end

  local result = channel.select({ replies:case_receive(), time.after("1s"):case_receive() })
  if result.channel ~= replies then
    return nil, errors.new({ message = "the store does not answer", kind = errors.TIMEOUT, retryable = true })
  end
  return result.value
end

local function get(store: string, key: string) return ask(store, "get", key) end
local function set(store: string, key: string, value: any) return ask(store, "set", key, value) end
local function delete(store: string, key: string) return ask(store, "delete", key) end

return { get = get, set = set, delete = delete }
