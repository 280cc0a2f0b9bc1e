local io = require("io")

local function main(name: string?)
  io.print("Hello, " .. (name or "world") .. "!")
end

return { main = main }
