--- name: http hello | modules: http
local http = require("http")
local function handler()
  local res = http.response()
  res:set_status(http.STATUS.OK)
  res:set_content_type(http.CONTENT.JSON)
  res:write_json({hello = http.request():query("name") or "world"})
end
return {handler = handler}
--- name: http validation | modules: http
local http = require("http")
type NewUser = {email: string @pattern("@"), name: string @min_len(1), age: integer? @min(18)}
local function handler()
  local req, res = http.request(), http.response()
  local body, err = req:body_json()
  if err then
    res:set_status(http.STATUS.BAD_REQUEST)
    return res:write_json({error = "invalid json"})
  end
  local user, problem = NewUser:is(body)
  if problem then
    res:set_status(http.STATUS.BAD_REQUEST)
    local details = problem:details() or {}
    return res:write_json({error = problem:message(), field = details.field})
  end
  res:set_status(http.STATUS.CREATED)
  res:write_json(user)
end
return {handler = handler}
--- name: http method table | modules: http, sql
local http = require("http")
local sql = require("sql")

local function list(db)
  return db:query("SELECT id, title FROM notes ORDER BY id")
end
local function create(db, req)
  local note, err = req:body_json()
  if err then return nil, err end
  local done, insert_err = db:execute("INSERT INTO notes (title) VALUES (?)", {note.title})
  if insert_err then return nil, insert_err end
  return {id = done.last_insert_id, title = note.title}, nil, http.STATUS.CREATED
end
local function remove(db, req)
  local done, err = db:execute("DELETE FROM notes WHERE id = ?", {tonumber(req:param("id"))})
  if err then return nil, err end
  return {removed = done.rows_affected}
end

local METHODS = {GET = list, POST = create, DELETE = remove}

local function handler()
  local req, res = http.request(), http.response()
  local method = METHODS[req:method()]
  if not method then
    res:set_status(405)
    return
  end
  local db, err = sql.get("app:db")
  if err then
    res:set_status(http.STATUS.SERVICE_UNAVAILABLE)
    return res:write_json({error = err:message()})
  end
  local body, failure, status = method(db, req)
  db:release()
  if failure then
    res:set_status(http.STATUS.INTERNAL_ERROR)
    return res:write_json({error = tostring(failure)})
  end
  res:set_status(status or http.STATUS.OK)
  res:write_json(body)
end
return {handler = handler}
--- name: http paging | modules: http
local http = require("http")
local function bounded(text: string?, default: integer, low: integer, high: integer): integer
  local value = math.tointeger(tonumber(text or "")) or default
  return math.max(low, math.min(high, value))
end
local function page(items: {any}, offset: integer, limit: integer): ({any}, integer?)
  local out = {}
  for i = offset + 1, math.min(#items, offset + limit) do out[#out + 1] = items[i] end
  local following = offset + limit
  return out, following < #items and following or nil
end
local function handler()
  local req = http.request()
  local items = {}
  for i = 1, 95 do items[i] = {id = i} end
  local offset = bounded(req:query("offset"), 0, 0, #items)
  local shown, following = page(items, offset, bounded(req:query("limit"), 20, 1, 50))
  http.response():write_json({items = shown, next = following})
end
return {handler = handler}
--- name: http bearer token | modules: http, crypto, env
local http = require("http")
local crypto = require("crypto")
local env = require("env")
local function claims_of(header: string?): (table?, error?)
  local token = (header or ""):match("^Bearer%s+(.+)$")
  if not token then return nil, errors.new({message = "no token", kind = errors.PERMISSION_DENIED}) end
  local secret, err = env.get("JWT_SECRET")
  if err then return nil, err end
  return crypto.jwt.verify(token, secret, "HS256", true)
end
local function handler()
  local claims, err = claims_of(http.request():header("Authorization"))
  local res = http.response()
  if err then
    res:set_status(http.STATUS.UNAUTHORIZED)
    res:set_header("WWW-Authenticate", "Bearer")
    return
  end
  res:write_json({subject = claims.sub})
end
return {handler = handler}
--- name: http stream | modules: http, time
local http = require("http")
local time = require("time")
local function handler()
  local res = http.response()
  res:set_header("Cache-Control", "no-cache")
  res:set_transfer(http.TRANSFER.SSE)
  for i = 1, 5 do
    res:write_event({name = "tick", data = {count = i, at = os.time()}})
    res:flush()
    time.sleep(100 * time.MILLISECOND)
  end
end
return {handler = handler}
--- name: sql transaction | modules: sql
local sql = require("sql")
local function move(from: integer, to: integer, cents: integer): (boolean, error?)
  local db, err = sql.get("bank:db")
  if err then return false, err end
  local tx, begin_err = db:begin({isolation = sql.isolation.SERIALIZABLE})
  if begin_err then
    db:release()
    return false, begin_err
  end
  local function step(id: integer, change: integer): error?
    local done, step_err = tx:execute(
      "UPDATE accounts SET cents = cents + ? WHERE id = ? AND cents + ? >= 0", {change, id, change})
    if step_err then return step_err end
    if done.rows_affected ~= 1 then
      return errors.new({message = "account " .. id .. " cannot pay", kind = errors.CONFLICT})
    end
    return nil
  end
  err = step(from, -cents) or step(to, cents)
  if err then tx:rollback() else tx:commit() end
  db:release()
  return err == nil, err
end
return {move = move}
--- name: sql statement | modules: sql
local sql = require("sql")
local function load_all(ids: {integer}): ({any}?, error?)
  local db = assert(sql.get("app:db"))
  local statement, err = db:prepare("SELECT * FROM users WHERE id = ?")
  if err then return nil, err end
  local found = {}
  for _, id in ipairs(ids) do
    local rows, query_err = statement:query({id})
    if query_err then
      err = query_err
      goto cleanup
    end
    found[#found + 1] = rows[1]
  end
  ::cleanup::
  statement:close()
  db:release()
  return found, err
end
return load_all
--- name: sql migrations | modules: sql, logger
local sql = require("sql")
local logger = require("logger")
local MIGRATIONS = {
  [[CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE)]],
  [[ALTER TABLE users ADD COLUMN name TEXT]],
  [[CREATE INDEX by_name ON users (name)]],
}
local function main()
  local log = logger:named("migrate")
  local db = assert(sql.get("app:db"))
  assert(db:execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER)"))
  local rows = assert(db:query("SELECT COALESCE(MAX(number), 0) AS number FROM migrations"))
  for number = rows[1].number + 1, #MIGRATIONS do
    local _, err = db:execute(MIGRATIONS[number])
    if err then
      log:error("failed", {number = number, error = err:message()})
      return nil, err
    end
    assert(db:execute("INSERT INTO migrations VALUES (?)", {number}))
    log:info("applied", {number = number})
  end
  db:release()
end
return {main = main}
--- name: query builder
type Condition = {column: string, operator: string, value: any}
local Select = {}
Select.__index = Select
function Select.from(name: string)
  return setmetatable({source = name, conditions = {} as {Condition}, order = nil, count = nil}, Select)
end
function Select:where(column: string, operator: string, value: any)
  table.insert(self.conditions, {column = column, operator = operator, value = value})
  return self
end
function Select:order_by(...: string)
  self.order = table.concat({...}, ", ")
  return self
end
function Select:limit(n: integer)
  self.count = n
  return self
end
function Select:build(): (string, {any})
  local text, values = {"SELECT * FROM " .. self.source}, {}
  for i, c in ipairs(self.conditions) do
    text[#text + 1] = ("%s %s %s ?"):format(i == 1 and "WHERE" or "AND", c.column, c.operator)
    values[#values + 1] = c.value
  end
  if self.order then text[#text + 1] = "ORDER BY " .. self.order end
  if self.count then text[#text + 1] = string.format("LIMIT %d", self.count) end
  return table.concat(text, " "), values
end
return Select.from("users"):where("age", ">", 18):order_by("name", "id"):limit(10):build()
--- name: store counter | modules: store
local store = require("store")
local function visit(page: string): (integer?, error?)
  local visits, err = store.get("app:visits")
  if err then return nil, err end
  local count = visits:get(page) or 0
  local _, set_err = visits:set(page, count + 1, "24h")
  visits:release()
  if set_err then return nil, set_err end
  return count + 1
end
return {visit = visit}
--- name: store sessions | modules: store, uuid, json
local store = require("store")
local uuid = require("uuid")
local json = require("json")
type Session = {user: string, roles: {string}, created: integer}
local M = {}
local function with(work)
  local sessions, err = store.get("app:sessions")
  if err then return nil, err end
  local ok, result, failure = pcall(work, sessions)
  sessions:release()
  if not ok then error(result, 0) end
  return result, failure
end
function M.create(user: string, roles: {string}): (string?, error?)
  local id = uuid.v7()
  local session: Session = {user = user, roles = roles, created = os.time()}
  return with(function(sessions)
    local _, err = sessions:set(id, json.encode(session), "30m")
    if err then return nil, err end
    return id
  end)
end
function M.find(id: string): (Session?, error?)
  return with(function(sessions)
    local text, err = sessions:get(id)
    if err then return nil, err end
    return Session:is(json.decode(text))
  end)
end
function M.destroy(id: string)
  return with(function(sessions) return sessions:delete(id) end)
end
return M
--- name: env configuration | modules: env
local env = require("env")
type Config = {host: string, port: integer, debug: boolean}
local function read(key: string, default: string): string
  local value, err = env.get(key)
  if err or value == "" then return default end
  return value
end
local function load(): (Config?, error?)
  local config = {
    host = read("HOST", "localhost"),
    port = tonumber(read("PORT", "8080")),
    debug = read("DEBUG", "no") == "yes",
  }
  return Config:is(config)
end
return {load = load}
--- name: json round trip | modules: json
local json = require("json")
local text, err = json.encode({list = {1, 2, 3}, nested = {ok = true}})
if err then return nil, err end
local value, decode_err = json.decode(text)
if decode_err then return nil, decode_err end
return value.list[3], value.nested.ok
--- name: registry catalogue | modules: registry
local registry = require("registry")
local function by_kind(kind: string): {[string]: any}
  local out = {}
  for _, entry in ipairs(registry.find({[".kind"] = kind}) or {}) do
    local id = registry.parse_id(entry.id)
    out[id.ns] = out[id.ns] or {}
    out[id.ns][id.name] = entry.meta and entry.meta.title or id.name
  end
  return out
end
return by_kind
--- name: registry change | modules: registry
local registry = require("registry")
local function set_title(id: string, title: string): (any, error?)
  local snapshot, err = registry.snapshot()
  if err then return nil, err end
  local entry = snapshot:get(id)
  if not entry then return nil, errors.new({message = id .. " is gone", kind = errors.NOT_FOUND}) end
  entry.meta = entry.meta or {}
  entry.meta.title = title
  local changes = snapshot:changes()
  changes:update(entry)
  return changes:apply()
end
return {set_title = set_title}
--- name: structured logging | modules: logger, time
local logger = require("logger")
local time = require("time")
local function timed(name: string, work: () -> any): any
  local log = logger:with({task = name})
  local started = time.now()
  log:debug("started")
  local ok, result = pcall(work)
  local fields = {took = tostring(time.now():sub(started))}
  if ok then
    log:info("finished", fields)
    return result
  end
  fields.error = tostring(result)
  log:warn("failed", fields)
  error(result, 0)
end
return timed
--- name: uuid and hashes | modules: uuid, hash, base64
local uuid, hash, base64 = require("uuid"), require("hash"), require("base64")
local id = uuid.v4()
local digest = hash.sha256(id)
local signature = base64.encode(hash.hmac_sha256(id, "secret", true))
local raw, err = base64.decode(signature)
if err then return nil, err end
return #digest, #raw, hash.md5(""), uuid.v7() > uuid.v1()
--- name: password | modules: crypto, base64
local crypto = require("crypto")
local base64 = require("base64")
local ROUNDS, LENGTH = 10000, 32
local function protect(password: string): string
  local salt = crypto.random.bytes(16)
  local key = crypto.pbkdf2(password, salt, ROUNDS, LENGTH)
  return base64.encode(salt) .. "$" .. base64.encode(key)
end
local function verify(password: string, stored: string): boolean
  local salt, key = stored:match("^([^$]+)%$(.+)$")
  if not salt then return false end
  local again = crypto.pbkdf2(password, base64.decode(salt), ROUNDS, LENGTH)
  return crypto.constant_time_compare(again, base64.decode(key))
end
return {protect = protect, verify = verify}
--- name: security guard | modules: security
local security = require("security")
local function guarded(action: string, resource: string, work: () -> any): (any, error?)
  local actor = security.actor()
  if not actor then return nil, errors.new({message = "who is there?", kind = errors.PERMISSION_DENIED}) end
  if not security.can(action, resource, {at = os.time()}) then
    return nil, errors.new({
      message = actor:id() .. " may not " .. action,
      kind = errors.PERMISSION_DENIED,
      details = {resource = resource, role = actor:meta().role},
    })
  end
  return work()
end
return {guarded = guarded}
--- name: security scope | modules: security, funcs
local security = require("security")
local funcs = require("funcs")
local function as_robot(id: string): (any, error?)
  local policy, err = security.policy("app:read_only")
  if err then return nil, err end
  local scope = security.new_scope({policy})
  local robot = security.new_actor("robot", {kind = "service"})
  if scope:evaluate(robot, "read", id) ~= "allow" then return nil, "refused" end
  return funcs.new():with_actor(robot):with_scope(scope):call("app:read", id)
end
return {as_robot = as_robot}
--- name: file lines | modules: fs
local fs = require("fs")
local function count_lines(path: string): (integer?, error?)
  local disk, err = fs.get("app:files")
  if err then return nil, err end
  local file, open_err = disk:open(path, "r")
  if open_err then return nil, open_err end
  local scanner, lines = file:scanner(), 0
  while scanner:scan() do
    if scanner:text():match("%S") then lines = lines + 1 end
  end
  file:close()
  return lines
end
return count_lines
--- name: file tree | modules: fs
local fs = require("fs")
local function walk(disk, path: string, visit: (string) -> ())
  for entry in disk:readdir(path) do
    local full = path .. "/" .. entry.name
    if entry.type == fs.type.DIR then
      walk(disk, full, visit)
    else
      visit(full)
    end
  end
end
local function main(): {string}
  local found, disk = {}, assert(fs.get("app:files"))
  walk(disk, ".", function(path) if path:match("%.md$") then found[#found + 1] = path end end)
  table.sort(found)
  return found
end
return {main = main}
--- name: calendar | modules: time
local time = require("time")
local start, err = time.parse(time.RFC3339, "2024-02-28T23:00:00Z")
if err then return nil, err end
local later = start:add_date(0, 0, 2):add("90m")
local gap = later:sub(start)
local berlin = time.load_location("Europe/Berlin")
local year, month, day = later:date()
return later:in_location(berlin):format(time.KITCHEN), gap:hours(), year, month, day, later:weekday() == time.SATURDAY
--- name: durations | modules: time
local time = require("time")
local function backoff(attempt: integer, most: string?): string
  local limit = time.parse_duration(most or "30s"):milliseconds()
  local wait = math.min(limit, 100 * 2 ^ (attempt - 1))
  return string.format("%dms", wait)
end
local schedule = {}
for attempt = 1, 10 do schedule[attempt] = backoff(attempt) end
return schedule
--- name: library facade | modules: http, json | imports: users=app:users, mail=app:mail
local http = require("http")
local json = require("json")
local users = require("users")
local mail = require("mail")
type Invitation = {email: users.Email, message?: string}
local function handler()
  local invitation, err = Invitation:is(json.decode(http.request():body()))
  if err then
    http.response():set_status(http.STATUS.BAD_REQUEST)
    return
  end
  local user = users.create(invitation.email)
  mail.send(user.email, invitation.message or "Welcome")
  http.response():write_json({id = user.id})
end
return {handler = handler}
--- name: module as a global | modules: json, uuid
return function(value)
  return json.encode({id = uuid.v4(), value = value})
end
--- name: module in a table | modules: hash, base64
local codecs = {
  sha = require("hash").sha256,
  b64 = require("base64").encode,
  upper = string.upper,
}
return function(name: string, data: string): string
  local codec = codecs[name] or error("no codec " .. name)
  return codec(data)
end
--- name: optional module
local ok, found = pcall(require, "string")
local library: any = ok and found or {}
local name = "math"
return library.upper("x"), require(name).pi
--- name: yaml front matter | modules: yaml
local yaml = require("yaml")
local function split(document: string): ({[string]: any}?, string)
  local head, body = document:match("^%-%-%-\n(.-)\n%-%-%-\n(.*)$")
  if not head then return nil, document end
  local meta = yaml.decode(head)
  return meta, body
end
return split("---\ntitle: x\n---\ntext")
--- name: terminal | modules: io
local io = require("io")
local function main()
  io.print("name?")
  local name = io.readline()
  io.write("hello " .. (name or "nobody") .. "\n")
end
return {main = main}
--- name: shopping cart rules
type Line = {sku: string, quantity: integer, cents: integer}
type Rule = (lines: {Line}) -> integer
local function three_for_two(sku: string): Rule
  return function(lines)
    for _, line in ipairs(lines) do
      if line.sku == sku then return line.quantity // 3 * line.cents end
    end
    return 0
  end
end
local function percent_over(limit: integer, percent: integer): Rule
  return function(lines)
    local total = 0
    for _, line in ipairs(lines) do total = total + line.quantity * line.cents end
    if total <= limit then return 0 end
    return total * percent // 100
  end
end
local RULES: {Rule} = {three_for_two("apple"), percent_over(5000, 10)}
local function price(lines: {Line}): {total: integer, discount: integer}
  local total, discount = 0, 0
  for _, line in ipairs(lines) do total = total + line.quantity * line.cents end
  for _, rule in ipairs(RULES) do discount = math.max(discount, rule(lines)) end
  return {total = total - discount, discount = discount}
end
return price({{sku = "apple", quantity = 7, cents = 50}, {sku = "tv", quantity = 1, cents = 30000}})
--- name: router
type Route = {pattern: string, names: {string}, handler: (params: {[string]: string}) -> any}
local routes: {[string]: {Route}} = {}
local function add(method: string, path: string, handler: any)
  local names: {string} = {}
  local pattern = path:gsub("[%-%.]", "%%%0"):gsub("{(%w+)}", function(name)
    names[#names + 1] = name
    return "([^/]+)"
  end)
  routes[method] = routes[method] or {}
  table.insert(routes[method], {pattern = "^" .. pattern .. "$", names = names, handler = handler})
end
local function dispatch(method: string, path: string): (any, error?)
  for _, route in ipairs(routes[method] or {}) do
    local values = {path:match(route.pattern)}
    if #values == 0 then goto next_route end
    do
      local params = {}
      for i, name in ipairs(route.names) do params[name] = values[i] end
      return route.handler(params)
    end
    ::next_route::
  end
  return nil, errors.new({message = "no route for " .. path, kind = errors.NOT_FOUND})
end
add("GET", "/users/{id}", function(params) return "user " .. params.id end)
add("GET", "/", function() return "index" end)
return dispatch("GET", "/users/7")
--- name: dependency container
local Container = {}
Container.__index = Container
function Container.new() return setmetatable({makers = {}, made = {}, making = {}}, Container) end
function Container:bind(name: string, maker: (any) -> any)
  self.makers[name] = maker
  return self
end
function Container:get(name: string): any
  if self.made[name] ~= nil then return self.made[name] end
  local maker = self.makers[name]
  if not maker then error(errors.new({message = "nothing called " .. name, kind = errors.NOT_FOUND})) end
  if self.making[name] then error("circular: " .. name) end
  self.making[name] = true
  local value = maker(self)
  self.making[name] = nil
  self.made[name] = value
  return value
end
local app = Container.new()
  :bind("config", function() return {url = "memory"} end)
  :bind("db", function(c) return {url = c:get("config").url} end)
return app:get("db").url
