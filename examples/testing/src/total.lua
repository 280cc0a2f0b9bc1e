local basket = require("basket")

-- The total of lines, for callers that have no basket.
local function total(lines)
  if type(lines) ~= "table" then
    return nil, errors.new({ message = "expected a list of lines", kind = errors.INVALID, retryable = false })
  end
  local all = basket.new()
  for _, line in ipairs(lines) do
    basket.add(all, line)
  end
  return basket.total(all)
end

return { total = total }
