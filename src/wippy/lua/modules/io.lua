-- Guest module `io`: values become text as `tostring` shows them, in the guest's own task.
local S, module, host = ...
local select, concat = select, table.concat

local function text_of(separator, ...)
  local parts, tostring = {}, S.base.tostring
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  return concat(parts, separator)
end

function module.write(...) return host.emit(text_of("", ...), false) end
function module.print(...) return host.emit(text_of("\t", ...) .. "\n", false) end
function module.eprint(...) return host.emit(text_of("\t", ...) .. "\n", true) end

return module
