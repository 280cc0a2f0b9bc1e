-- Orders in SQLite. Prices are cents.
local sql = require("sql")

type Line = {sku: string, quantity: integer, price: integer}
type Order = {id: integer, user: string, total: integer, status: string}

local SCHEMA = [[
CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY, user TEXT NOT NULL, total INTEGER NOT NULL, status TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lines (
  order_id INTEGER NOT NULL REFERENCES orders(id), sku TEXT NOT NULL, quantity INTEGER NOT NULL, price INTEGER NOT NULL);
]]

local ready = false

local function open()
  local db, err = sql.get("shop:db")
  if err then return nil, err end
  if not ready then
    local _, failed = db:execute(SCHEMA)
    if failed then return nil, failed end
    ready = true
  end
  return db
end

local function total_of(lines: {Line}): integer
  local total = 0
  for _, line in ipairs(lines) do
    total = total + line.quantity * line.price
  end
  return total
end

-- One order and its lines, or nothing.
local function place(user: string, lines: {Line}): (Order?, error?)
  local db, err = open()
  if err then return nil, err end
  local tx, begin_err = db:begin()
  if begin_err then return nil, begin_err end
  local total = total_of(lines)
  local result, insert_err = tx:execute("INSERT INTO orders (user, total, status) VALUES (?, ?, 'placed')", { user, total })
  if insert_err then return nil, insert_err end
  local id = result.last_insert_id
  for _, line in ipairs(lines) do
    local _, line_err = tx:execute("INSERT INTO lines VALUES (?, ?, ?, ?)", { id, line.sku, line.quantity, line.price })
    if line_err then return nil, line_err end
  end
  local _, commit_err = tx:commit()
  if commit_err then return nil, commit_err end
  return { id = id, user = user, total = total, status = "placed" }
end

local function find(id: integer): (Order?, error?)
  local db, err = open()
  if err then return nil, err end
  local rows, query_err = db:query("SELECT id, user, total, status FROM orders WHERE id = ?", { id })
  if query_err then return nil, query_err end
  return rows[1]
end

local function undelivered()
  local db, err = open()
  if err then return nil, err end
  return db:query("SELECT id FROM orders WHERE status = 'placed' ORDER BY id")
end

local function mark_delivered(id: integer)
  local db, err = open()
  if err then return nil, err end
  return db:execute("UPDATE orders SET status = 'delivered' WHERE id = ?", { id })
end

return { place = place, find = find, undelivered = undelivered, mark_delivered = mark_delivered, Order = Order, Line = Line }
