local io = require("io")
local client = require("client")

local function main()
  local store = assert(process.spawn("kv:store", "kv:processes"))

  client.set(store, "colour", "green")
  io.print("colour is " .. client.get(store, "colour"))

  local previous = client.set(store, "colour", "blue")
  io.print("colour was " .. previous .. ", is " .. client.get(store, "colour"))

  io.print("deleted: " .. tostring(client.delete(store, "colour")))
  io.print("deleted: " .. tostring(client.delete(store, "colour")))
  io.print("colour is " .. tostring(client.get(store, "colour")))

  process.terminate(store)
  local _, err = client.get(store, "colour")
  io.print("after its end: " .. err:kind())
end

return { main = main }
