local http = require("http")
local registry = require("registry")
local answers = require("answers")
local carts = require("carts")

type Line = {sku: string, quantity: integer, price: integer}

local function invalid(message: string): error
  return errors.new({ message = message, kind = errors.INVALID, retryable = false })
end

-- The line that a request asks for, priced by the catalogue.
local function line_of(req): (Line?, error?)
  local item, err = req:body_json()
  if err or type(item) ~= "table" or type(item.sku) ~= "string" then
    return nil, invalid('expected {"sku": "...", "quantity": n}')
  end
  local quantity = item.quantity or 1
  if math.type(quantity) ~= "integer" or quantity < 1 then return nil, invalid("quantity must be a whole number from 1") end

  local product = registry.get("shop.catalogue:" .. item.sku)
  if not product then
    return nil, errors.new({ message = "no such product: " .. item.sku, kind = errors.NOT_FOUND, retryable = false })
  end
  return { sku = item.sku, quantity = quantity, price = product.data.price }
end

local function show()
  local user = http.request():param("user")
  local lines, err = carts.show(user)
  if err then return answers.failure(err) end
  answers.json({ user = user, lines = lines })
end

local function add()
  local req = http.request()
  local user = req:param("user")
  local line, err = line_of(req)
  if err then return answers.failure(err) end
  local lines, cart_err = carts.add(user, { line })
  if cart_err then return answers.failure(cart_err) end
  answers.json({ user = user, lines = lines })
end

return { show = show, add = add }
