-- Guest module `sql` (spec 04a §1): DB, Statement and Transaction handles, parameters, rows.
--
-- Invariants
-- * A DB handle is the entry's id; statements and transactions are numbers of the host's that no guest can make up.
-- * Results cross as one flat list of values; rows are made here.
local S, module, host = ...
local DB, STATEMENT, TRANSACTION, NULL, BLOB = {}, {}, {}, {}, {}
local type, next, rawget, setmetatable, unpack = type, next, rawget, setmetatable, table.unpack
local mtype, find = math.type, string.find
local failure, bad_argument, class_of, content = S.failure, S.bad_argument, S.class_of, S.content
local MOST = 32766                    -- SQLite's own limit of placeholders

local function invalid(message) return nil, failure("Invalid", message) end

-- Values ------------------------------------------------------------------------------------------------------------------

local null_class = S.handle_class("sql.Null", {})
null_class.__tostring = function() return "NULL" end
module.NULL = setmetatable({ [NULL] = true }, null_class)

local blob_class = S.handle_class("sql.Binary", {})

module.as = {
  int = function(v) return type(v) == "number" and S.int(v) or 0 end,
  float = function(v) return type(v) == "number" and v + 0.0 or 0.0 end,
  text = function(v)
    if type(v) == "number" then return S.number_text(v) end
    return type(v) == "string" and v or ""
  end,
  binary = function(v)
    if type(v) ~= "string" then return module.NULL end
    return setmetatable({ [BLOB] = v }, blob_class)
  end,
  null = function() return module.NULL end,
}

-- The values of a parameter table as a packed list, and the positions of those that are bytes.
local function parameters(params)
  if params == nil then return { n = 0 } end
  if type(params) ~= "table" or class_of(params) == "handle" then
    return invalid("parameters must be a table, got " .. S.base.type(params))
  end
  local given, highest, blobs = content(params), 0, nil
  for k in next, given do
    if mtype(k) == "integer" and k > highest then highest = k end
  end
  if highest > MOST then return invalid("too many parameters (limit " .. MOST .. ")") end
  local list = { n = highest }
  for i = 1, highest do
    local v = rawget(given, i)
    local t = type(v)
    if t == "string" or t == "number" or t == "boolean" then list[i] = v
    elseif t == "table" then
      list[i] = rawget(v, BLOB)
      if list[i] then
        blobs = blobs or {}
        blobs[#blobs + 1] = i
      end
    end
  end
  return list, blobs
end

local function rows_of(columns, count, values)
  local rows, width, at = {}, #columns, 0
  for i = 1, count do
    local row = {}
    for c = 1, width do row[columns[c]] = values[at + c] end
    at = at + width
    rows[i] = row
    S.charge(60 + width * 30)
  end
  return rows
end

-- Running -----------------------------------------------------------------------------------------------------------------

local function query(of, text, params)
  local list, blobs = parameters(params)
  if not list then return nil, blobs end
  local result, err = host.query(of, text, blobs, unpack(list, 1, list.n))
  if err then return nil, err end
  return rows_of(result[1], result[2], result[3])
end

local function execute(of, text, params)
  local list, blobs = parameters(params)
  if not list then return nil, blobs end
  return host.execute(of, text, blobs, unpack(list, 1, list.n))
end

local function checked_text(v, name)
  if type(v) ~= "string" then bad_argument(1, name, "string", v) end
  return v
end

-- The host keeps something for this process from now on, also when its answer comes too late.
local function will_hold() S.own(S.cur).handles = true end

local statements = {}
local statement_class = S.handle_class("sql.Statement", statements)

local function statement_of(v, name)
  return type(v) == "table" and rawget(v, STATEMENT) or bad_argument(1, name, "sql.Statement", v)
end

local function prepare(of, text)
  will_hold()
  local number, err = host.prepare(of, text)
  if not number then return nil, err end
  return setmetatable({ [STATEMENT] = { number = number, closed = false } }, statement_class)
end

function statements:query(params)
  local statement = statement_of(self, "query")
  if statement.closed then return invalid("statement is closed") end
  return query(statement.number, nil, params)
end
function statements:execute(params)
  local statement = statement_of(self, "execute")
  if statement.closed then return invalid("statement is closed") end
  return execute(statement.number, nil, params)
end
function statements:close()
  local statement = statement_of(self, "close")
  if statement.closed then return invalid("statement is already closed") end
  statement.closed = true
  return host.close(statement.number)
end

-- Transactions ------------------------------------------------------------------------------------------------------------

local transactions = {}
local transaction_class = S.handle_class("sql.Transaction", transactions)

local function transaction_of(v, name)
  return type(v) == "table" and rawget(v, TRANSACTION) or bad_argument(1, name, "sql.Transaction", v)
end

-- Declares a method of active transactions.
local function while_active(name, call)
  transactions[name] = function(self, ...)
    local transaction = transaction_of(self, name)
    if transaction.ended then return invalid("transaction is not active") end
    return call(transaction, ...)
  end
end

while_active("db_type", function(transaction) return transaction.type end)
while_active("query", function(transaction, text, params) return query(transaction.number, checked_text(text, "query"), params) end)
while_active("execute", function(transaction, text, params) return execute(transaction.number, checked_text(text, "execute"), params) end)
while_active("prepare", function(transaction, text) return prepare(transaction.number, checked_text(text, "prepare")) end)
while_active("commit", function(transaction)
  transaction.ended = true
  return host.finish(transaction.number, true)
end)
while_active("rollback", function(transaction)
  transaction.ended = true
  return host.finish(transaction.number, false)
end)

local function savepoint(name, statement)
  while_active(name, function(transaction, point)
    checked_text(point, name)
    if point == "" then return invalid("savepoint name is required") end
    if find(point, "[^A-Za-z0-9_]") then return invalid("invalid savepoint name: " .. point) end
    -- Quoted, so that a name may begin with a digit or be a word of the language.
    local result, err = host.execute(transaction.number, statement .. ' "' .. point .. '"', nil)
    if not result then return nil, err end
    return true
  end)
end
savepoint("savepoint", "SAVEPOINT")
savepoint("rollback_to", "ROLLBACK TO SAVEPOINT")
savepoint("release", "RELEASE SAVEPOINT")

-- Databases ---------------------------------------------------------------------------------------------------------------

local databases = {}
local database_class = S.handle_class("sql.DB", databases)

local function database_of(v, name)
  return type(v) == "table" and rawget(v, DB) or bad_argument(1, name, "sql.DB", v)
end

function module.get(id)
  if id == "" then return invalid("resource id is required") end
  local kind, err = host.get(id)
  if not kind then return nil, err end
  return setmetatable({ [DB] = { id = id, type = kind } }, database_class)
end

function databases:type() return database_of(self, "type").type end
function databases:query(text, params)
  return query(database_of(self, "query").id, checked_text(text, "query"), params)
end
function databases:execute(text, params)
  return execute(database_of(self, "execute").id, checked_text(text, "execute"), params)
end
function databases:prepare(text) return prepare(database_of(self, "prepare").id, checked_text(text, "prepare")) end

local LEVELS = {}
for _, level in next, module.isolation do LEVELS[level] = true end

function databases:begin(opts)
  local database = database_of(self, "begin")
  local isolation, read_only = "default", false
  if type(opts) == "table" and class_of(opts) ~= "handle" then
    local level, only = S.raw_index(opts, "isolation"), S.raw_index(opts, "read_only")
    if type(level) == "string" then
      if not LEVELS[level] then return invalid("invalid isolation level: " .. level) end
      isolation = level
    end
    read_only = only == true
  end
  will_hold()
  local number, err = host.begin(database.id, isolation, read_only)
  if not number then return nil, err end
  return setmetatable({ [TRANSACTION] = { number = number, type = database.type, ended = false } }, transaction_class)
end

function databases:stats()
  local stats, err = host.stats(database_of(self, "stats").id)
  if not stats then return nil, err end
  return S.library(stats)
end
function databases:release()
  database_of(self, "release")
  return true
end

return module
