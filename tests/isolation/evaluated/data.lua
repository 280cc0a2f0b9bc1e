--# eval-arguments: arguments are copies without code
given.n, given.deep[2] = 2, "changed"
if given.f ~= nil or getmetatable(given) then breach("more than data") end
clean(given, "given")

--# eval-custom: a custom module is a copy without code
config.n, config.deep[1] = 5, 5
if config.f ~= nil or getmetatable(config) then breach("more than data") end
if given.n ~= 1 then breach("shared with the arguments") end
setmetatable(config, { __index = function() return "evil" end })

--# eval-context: context values are copies
--@ modules=ctx
local v = ctx.get("given")
v.n, v.deep[1] = 9, 9
if ctx.get("given").n ~= 1 then breach("context is writable") end
if v.f ~= nil then breach("code in the context") end

--# eval-result: code, handles and cycles in the result
--@ modules=time
local t = { f = print, c = channel.new(), co = coroutine.create(print), t = time.now(), list = {} }
t.self, t.list[1] = t, t
setmetatable(t, { __index = function() while true do end end, __tostring = function() return "evil" end, __name = "evil" })
return t

--# eval-result-deep: a result that is nested without end
local t = {}
local at = t
for i = 1, 5000 do at.t = {} at = at.t end
return t

--# eval-result-huge: a result of many megabytes
--@ deadline=6
local t = {}
for i = 1, 300000 do t[i] = { i } end
return t

--# eval-error-values: errors of every kind
--@ chunk
error(setmetatable({}, { __tostring = function() while true do end end }))

--# eval-error-handles: an error that is a handle
--@ chunk
error(channel.new())

--# eval-error-table: an error that is a table with code
--@ chunk
error({ f = function() end, message = "x", kind = "Internal" })

--# eval-error-nil: no error at all
--@ chunk
error(nil)

--# eval-error-forged: an error that says it is the runtime's
local forged = setmetatable({}, { __index = { kind = function() return "Internal" end, message = function() return {} end } })
pcall(error, forged)
return nil, forged

--# eval-method-table: a chunk whose table answers for every name
--@ chunk method=go
return setmetatable({}, { __index = function() while true do end end })

--# eval-method-handle: a chunk that returns no table
--@ chunk method=go
return channel.new()
