-- Succeeds at the third attempt.
local function main(attempt: integer)
  if attempt < 3 then error("attempt " .. attempt .. " went wrong") end
  return "finished at attempt " .. attempt
end

return { main = main }
