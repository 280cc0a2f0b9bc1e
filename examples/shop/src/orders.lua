-- Orders in SQLite. Prices are cents.
local sql = require("sql")

type Line = {sku: string, quantity: integer, price: integer}
type Order = {id: integer, user: string, total: integer, status: string}

local SCHEMA = {
  [[CREATE TABLE IF NOT EXISTS orders (
      id INTEGER PRIMARY KEY, user TEXT NOT NULL, total INTEGER NOT NULL, status TEXT NOT NULL)]],
  [[CREATE TABLE IF NOT EXISTS lines (
      order_id INTEGER NOT NULL REFERENCES orders (id), sku TEXT NOT NULL, quantity INTEGER NOT NULL, price INTEGER NOT NULL)]],
}

local has_schema = false

local function create_schema(db): error?
  if has_schema then return nil end
  for _, statement in ipairs(SCHEMA) do
    local _, err = db:execute(statement)
    if err then return err end
  end
  has_schema = true
  return nil
end

-- Runs `work` with the database, and gives the database back.
local function with_database(work)
  local db, err = sql.get("shop:db")
  if err then return nil, err end
  local result = nil
  err = create_schema(db)
  if not err then
    result, err = work(db)
  end
  db:release()
  return result, err
end

local function total_of(lines: {Line}): integer
  local total = 0
  for _, line in ipairs(lines) do
    total = total + line.quantity * line.price
  end
  return total
end

local function insert(tx, order: Order, lines: {Line}): (Order?, error?)
  local inserted, err = tx:execute(
    "INSERT INTO orders (user, total, status) VALUES (?, ?, ?)", { order.user, order.total, order.status })
  if err then return nil, err end
  order.id = inserted.last_insert_id
  for _, line in ipairs(lines) do
    local _, line_err = tx:execute(
      "INSERT INTO lines VALUES (?, ?, ?, ?)", { order.id, line.sku, line.quantity, line.price })
    if line_err then return nil, line_err end
  end
  return order
end

-- Places one order with all its lines, or nothing.
local function place(user: string, lines: {Line}): (Order?, error?)
  return with_database(function(db)
    local tx, err = db:begin()
    if err then return nil, err end
    local order, insert_err = insert(tx, { id = 0, user = user, total = total_of(lines), status = "placed" }, lines)
    if insert_err then
      tx:rollback()
      return nil, insert_err
    end
    local _, commit_err = tx:commit()
    if commit_err then return nil, commit_err end
    return order
  end)
end

local function find(id: integer): (Order?, error?)
  return with_database(function(db)
    local rows, err = db:query("SELECT id, user, total, status FROM orders WHERE id = ?", { id })
    if err then return nil, err end
    if #rows == 0 then
      return nil, errors.new({ message = "no such order", kind = errors.NOT_FOUND, retryable = false })
    end
    return rows[1]
  end)
end

-- The numbers of the orders that wait for the van, oldest first.
local function undelivered(): ({integer}?, error?)
  return with_database(function(db)
    local rows, err = db:query("SELECT id FROM orders WHERE status = 'placed' ORDER BY id")
    if err then return nil, err end
    local ids: {integer} = {}
    for i, row in ipairs(rows) do
      ids[i] = row.id
    end
    return ids
  end)
end

local function mark_delivered(id: integer)
  return with_database(function(db)
    return db:execute("UPDATE orders SET status = 'delivered' WHERE id = ?", { id })
  end)
end

return { place = place, find = find, undelivered = undelivered, mark_delivered = mark_delivered }
