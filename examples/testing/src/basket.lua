-- What is in a basket, and what it costs. Prices are cents.
type Line = {sku: string, price: integer, quantity: integer}
type Basket = {lines: {Line}}

local function new(): Basket
  return { lines = {} }
end

local function add(basket: Basket, line: Line)
  if line.quantity < 1 then error("quantity must be at least 1") end
  table.insert(basket.lines, line)
end

-- From ten pieces of a thing, each costs a tenth less.
local function total(basket: Basket): integer
  local sum = 0
  for _, line in ipairs(basket.lines) do
    local price = line.quantity >= 10 and line.price * 9 // 10 or line.price
    sum = sum + price * line.quantity
  end
  return sum
end

-- Tells the warehouse, a process of that name, what to pack.
local function order(basket: Basket): (boolean, error?)
  return process.send("warehouse", "pack", basket.lines)
end

return { new = new, add = add, total = total, order = order }
