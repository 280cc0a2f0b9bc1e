local registry = require("registry")
local answers = require("answers")

type Product = {sku: string, title: string, price: integer}

local function handler()
  local products: {Product} = {}
  for _, entry in ipairs(registry.find({ ["meta.type"] = "product" })) do
    local id = registry.parse_id(entry.id)
    table.insert(products, { sku = id.name, title = entry.data.title, price = entry.data.price })
  end
  answers.json({ products = products })
end

return { handler = handler }
