local http = require("http")
local registry = require("registry")

local function handler()
  local products = {}
  for _, entry in ipairs(registry.find({ ["meta.type"] = "product" })) do
    local id = registry.parse_id(entry.id)
    table.insert(products, { sku = id.name, title = entry.data.title, price = entry.data.price })
  end
  http.response():write_json({ products = products })
end

return { handler = handler }
