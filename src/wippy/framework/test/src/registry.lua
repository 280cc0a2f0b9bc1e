-- Finds the entries that are tests: `meta.type` is "test", and they can be called.
local registry = require("registry")

type Test = {id: string, name: string, suite: string, order: number, timeout: any, module: string?}

local OTHER = "other" -- the suite of tests that name none
local CALLABLE = { "^function%.", "^process%.", "^workflow%." }
local SERVICES = { ["process.host"] = true, ["process.service"] = true }

local function is_callable(kind: string): boolean
  if SERVICES[kind] then return false end
  for _, pattern in ipairs(CALLABLE) do
    if string.find(kind, pattern) then return true end
  end
  return false
end

local function described(entry): Test
  local meta = entry.meta
  return {
    id = entry.id,
    name = registry.parse_id(entry.id).name,
    suite = type(meta.suite) == "string" and meta.suite ~= "" and meta.suite or OTHER,
    order = type(meta.order) == "number" and meta.order or 0,
    timeout = meta.timeout,
    module = meta.module,
  }
end

-- All of them, in no order.
local function find(): ({Test}?, error?)
  local snapshot, err = registry.snapshot()
  if err then return nil, err end
  local found: {Test} = {}
  for _, entry in ipairs(snapshot:find({ ["meta.type"] = "test" })) do
    if is_callable(entry.kind) then table.insert(found, described(entry)) end
  end
  return found
end

return { find = find }
