-- What attackers have at hand. A breach is printed; the runner reads it.
local M = {}
local print, pcall, type, tostring, pairs, next, ipairs = print, pcall, type, tostring, pairs, next, ipairs
local find, format = string.find, string.format

function M.breach(what) print("BREACH " .. tostring(what)) end

-- The call must raise a text; returns it.
function M.refused(f, ...)
  local ok, e = pcall(f, ...)
  if ok then
    M.breach("not refused: " .. tostring(debug_name or e))
    return ""
  end
  if type(e) ~= "string" and type(e) ~= "userdata" then M.breach("raised a " .. type(e)) end
  return tostring(e)
end

local SUSPICIOUS = { "lupa", "Traceback", "<class", "<function", "<module", "<bound", "object at 0x", "/usr/", ".py\"", "__main__" }
local ATTRIBUTES = { "__class__", "__dict__", "__traceback__", "__globals__", "args", "__init__" }

-- Nothing in reach of `v` may be an object of the host, a table used as a key, or a text about the host.
function M.clean(v, where, depth, seen)
  depth, seen = depth or 0, seen or {}
  local t = type(v)
  if t == "string" then
    if #v < 100000 then
      for _, word in ipairs(SUSPICIOUS) do
        if find(v, word, 1, true) then M.breach(format("%s: text %q", tostring(where), v:sub(1, 200))) end
      end
    end
  elseif t == "userdata" then
    for _, name in ipairs(ATTRIBUTES) do
      local ok, x = pcall(function() return v[name] end)
      if ok and x ~= nil then M.breach(tostring(where) .. ": host attribute " .. name) end
    end
    local ok, text = pcall(tostring, v)
    if ok then M.clean(text, where, depth, seen) end
  elseif t == "table" and depth < 6 and not seen[v] then
    seen[v] = true
    for k, x in pairs(v) do
      if type(k) == "table" and next(k) == nil then M.breach(tostring(where) .. ": an empty table as a key") end
      M.clean(k, where, depth + 1, seen)
      M.clean(x, where, depth + 1, seen)
    end
  end
end

return M
