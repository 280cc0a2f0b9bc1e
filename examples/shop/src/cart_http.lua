local http = require("http")
local carts = require("carts")

type Item = {sku: string, quantity: integer?}

local function fail(res, status: integer, message: string)
  res:set_content_type(http.CONTENT.JSON)
  res:set_status(status)
  res:write_json({ error = message })
end

local function show()
  local req, res = http.request(), http.response()
  local lines, err = carts.ask(req:param("user"), "show")
  if err then return fail(res, http.STATUS.SERVICE_UNAVAILABLE, tostring(err)) end
  res:write_json({ user = req:param("user"), lines = lines })
end

local function add()
  local registry = require("registry")
  local req, res = http.request(), http.response()
  local item, err = req:body_json()
  if err or type(item) ~= "table" or type(item.sku) ~= "string" then
    return fail(res, http.STATUS.BAD_REQUEST, "expected {\"sku\": \"...\", \"quantity\": n}")
  end
  local product = registry.get("shop.catalogue:" .. item.sku)
  if not product then return fail(res, http.STATUS.NOT_FOUND, "no such product: " .. item.sku) end

  local line = { sku = item.sku, quantity = item.quantity or 1, price = product.data.price }
  local lines, cart_err = carts.ask(req:param("user"), "add", { line = line })
  if cart_err then return fail(res, http.STATUS.SERVICE_UNAVAILABLE, tostring(cart_err)) end
  res:write_json({ user = req:param("user"), lines = lines })
end

return { show = show, add = add }
