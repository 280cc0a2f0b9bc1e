--- name: records
type Address = {street: string, zip: string, country?: string}
type Person = {name: string, age: integer, address: Address, tags: {string}}
local ada: Person = {name = "Ada", age = 36, address = {street = "St James", zip = "SW1"}, tags = {}}
local checked, err = Person:is(ada)
if err then return nil, err end
return checked.address.country or "UK"
--- name: maps and arrays
type Scores = {[string]: number}
type Matrix = {{number}}
type Names = string[]
type Table = {[integer]: {[string]: boolean}}
local scores: Scores, names: Names = {ada = 1}, {"ada"}
local matrix: Matrix = {{1, 0}, {0, 1}}
local nested: Table = {{yes = true}}
return scores[names[1]] + matrix[1][1], nested
--- name: optional and union
type Id = string | integer
type MaybeId = Id?
type Json = nil | boolean | number | string | {any} | {[string]: any}
local function label(id: MaybeId): string
  if id == nil then return "none" end
  if type(id) == "string" then return id end
  return "#" .. tostring(id)
end
local sample: Json = {1, 2}
return label(nil), label(3), label("x"), sample
--- name: intersection
type Named = {name: string}
type Aged = {age: integer}
type Pet = Named & Aged & {kind: "cat" | "dog"}
local rex: Pet = {name = "Rex", age = 3, kind = "dog"}
return Pet(rex).name
--- name: generic types
type Box<T> = {value: T}
type Pair<A, B> = {first: A, second: B}
type Nested = Box<Box<Pair<string, Box<integer>>>>
type Bounded<T: number> = {low: T, high: T}
local box: Box<string> = {value = "x"}
local deep: Nested = {value = {value = {first = "a", second = {value = 1}}}}
local range: Bounded<integer> = {low = 1, high = 2}
return box.value .. deep.value.value.first, range
--- name: generic functions
local function map<T, U>(list: {T}, f: (T) -> U): {U}
  local out: {U} = {}
  for i, v in ipairs(list) do out[i] = f(v) end
  return out
end
local function identity<T>(v: T): T return v end
local first = function<T: any>(list: {T}): T? return list[1] end
return map({1, 2}, function(n: number): string return tostring(identity(n)) end), first({1})
--- name: literal types
type Level = "debug" | "info" | "warn"
type Bit = 0 | 1
type Flag = true
type Nothing = nil
type Status = {code: 200 | 404 | 500, ok: boolean, level: Level}
local on: Flag = true
local bit: Bit = 1
local none: Nothing = nil
local status: Status = {code = 404, ok = false, level = "warn"}
return Level:is("fatal"), on, bit, none, status
--- name: function types
type Thunk = () -> ()
type Reducer = (acc: number, item: number) -> number
type Results = (string) -> (boolean, string?)
type Curried = (number) -> (number) -> number
type Handler = fun(name: string, ...any): (boolean, error?)
type Wrapped = (() -> number)
local curry: Curried = function(a) return function(b) return a + b end end
local thunk: Thunk = function() end
local reducer: Reducer = math.max
return curry(1)(2), thunk, reducer(1, 2)
--- name: interfaces
interface Shape
  function area(): number
  function scale(factor: number): Shape
end
interface Named function name(): string end
interface NamedShape: Shape, Named
end
local function describe(s: Shape): number return s.area() end
return describe({area = function() return 1 end}), NamedShape
--- name: inline interface
type Reader = interface {read: (integer) -> string?, close?: () -> ()}
local source: Reader = {read = function(n) return ("x"):rep(n) end}
return source.read(3)
--- name: readonly
type Config = readonly {host: string, port: integer}
type Primes = readonly {integer}
type Codes = readonly {[string]: integer}
local config: Config = table.freeze({host = "localhost", port = 80})
local primes: Primes, codes: Codes = {2, 3, 5}, {ok = 200}
return config.port + primes[1] + codes.ok
--- name: validators
type Email = string @pattern("^[^@]+@[^@]+$") @max_len(254)
type Port = integer @min(1) @max(65535)
type Tags = {string} @min_len(1)
type Account = {email: Email, port: Port?, nick: string @min_len(2) @max_len(20), tags: Tags}
local function check(value): (Account?, error?)
  return Account:is(value)
end
return check({email = "a@b.c", nick = "al", tags = {"new"}})
--- name: keyof and indexed access
type Settings = {theme: string, size: integer}
type Key = keyof(Settings)
type Size = Settings["size"]
local function read(settings: Settings, key: Key) return (settings :: any)[key] end
local size: Size = 12
return read({theme = "dark", size = size}, "theme")
--- name: typeof
local sample = {id = 1, labels = {"a"}}
type Sample = typeof(sample)
local other: Sample = {id = 2, labels = {}}
return other.id
--- name: typeof of a local used nowhere else
local defaults = {retries = 3, delay = "1s"}
type Options = typeof(defaults)
return function(options: Options) return options.retries end
--- name: conditional types
type Item<T> = T extends {any} ? T : nil
type Text<T> = T extends string ? T : string
local text: Text<number> = "x"
return text, Item
--- name: asserts
local function must(v: any): asserts v
  if not v then error("missing", 2) end
end
local function must_be_text(v: any): asserts v is string
  if type(v) ~= "string" then error("no text") end
end
must(1)
must_be_text("x")
return must
--- name: multiple returns
local function divide(a: number, b: number): (number?, error?)
  if b == 0 then return nil, errors.new({message = "division by zero", kind = errors.INVALID}) end
  return a / b
end
local function bounds(list: {number}): (number, number)
  return math.min(unpack(list)), math.max(unpack(list))
end
local function nothing(): () end
local low, high = bounds({3, 1, 2})
nothing()
return divide(high, low)
--- name: returns without parentheses
local function split(path: string): string, string
  local directory, name = path:match("^(.*)/([^/]*)$")
  return directory or "", name or path
end
return split("a/b/c")
--- name: recursive types
type Tree = {value: integer, left: Tree?, right: Tree?}
local function depth(tree: Tree?): integer
  if not tree then return 0 end
  return 1 + math.max(depth(tree.left), depth(tree.right))
end
return depth({value = 1, left = {value = 2}})
--- name: reflection
type Order = {id: integer, lines: {string}, note: string?}
local seen = {}
for name, field in Order:fields() do
  seen[#seen + 1] = name .. ":" .. field:kind()
end
local element = Order.lines:elem()
return table.concat(seen, ","), element == string, integer < number, Order:name()
--- name: primitive calls
local function normal(raw)
  local name = string(raw.name)
  local count = integer(raw.count or 0)
  local _, err = number:is(raw.price)
  if err then return nil, err end
  return {name = name, count = count, enabled = boolean(raw.enabled), extra = any(raw.extra)}
end
return normal({name = "x", price = 1, enabled = true})
--- name: type values as data
type Create = {title: string}
type Update = {id: integer, title: string?}
local schemas = {create = Create, update = Update}
return function(action: string, body)
  local schema = schemas[action]
  if not schema then return nil, "unknown action" end
  return schema:is(body)
end
--- name: imported types | imports: shapes=app:shapes
local shapes = require("shapes")
local function area(circle: shapes.Circle): number
  return math.pi * circle.radius ^ 2
end
return area
--- name: type only from an import | imports: model=app:model
local model = require("model")
type Row = {user: model.User, at: integer}
local function name(row: Row): string return row.user.name end
return {name = name}
--- name: exported types
type Config = {url: string, timeout: integer?}
local M = {Config = Config}
function M.with_defaults(config: Config): Config
  return {url = config.url, timeout = config.timeout or 30}
end
return M
--- name: cast at every place
local t: {[string]: any} = {}
t.count = (t.count as integer? or 0) + 1
for _, item in ipairs(t.list as {any}? or {}) do print(item as string) end
if (t.ready :: boolean) and t.name as string then print("ready") end
return {t.count as integer, named = t.name :: string?}, (t.f as any)
--- name: narrowing
type Event = {kind: "start", at: integer} | {kind: "stop", reason: string}
local function describe(event: Event): string
  if event.kind == "start" then return "at " .. event.at end
  return "because " .. event.reason
end
return describe({kind = "stop", reason = "done"})
--- name: discriminated result
type Ok<T> = {ok: true, value: T}
type Failure = {ok: false, error: string}
type Result<T> = Ok<T> | Failure
local function try(f: () -> any): Result<any>
  local good, value = pcall(f)
  if good then return {ok = true, value = value} end
  return {ok = false, error = tostring(value)}
end
return try(function() return 1 end)
--- name: any unknown never
local function crash(message: string): never error(message) end
local function show(v: unknown): string
  if type(v) == "table" then return "table" end
  if v == nil then crash("nil") end
  return tostring(v)
end
local anything: any = show
return anything(1)
--- name: array suffix
type Grid = number[][]
type Callbacks = (() -> ())[]
local grid: Grid = {{1}, {2}}
local callbacks: Callbacks = {}
for _, row in ipairs(grid) do
  callbacks[#callbacks + 1] = function() row[1] = row[1] + 1 end
end
for _, callback in ipairs(callbacks) do callback() end
return grid[1][1]
--- name: builtin type names
local function drain(source: Channel<string>, into: table): (integer, error?)
  local count = 0
  while true do
    local value, open = source:receive()
    if not open then return count, nil end
    into[#into + 1] = value
    count = count + 1
  end
end
return drain
--- name: union behind an arrow
type Parse = (text: string) -> number | nil
type Visit = (node: any, path: {string}) -> (boolean?, error?)
local parse: Parse = function(text) return tonumber(text) end
local visit: Visit = function(node, path) return node ~= nil and #path < 10 end
return parse("1"), visit({}, {})
--- name: local annotations
local name: string, age: integer, tags: {string}? = "x", 3
local lookup: {[string]: (number) -> number} = {double = function(n) return n * 2 end}
local point: {x: number, y: number, z?: number} = {x = 0, y = 0}
return name, lookup.double(age), tags, point
