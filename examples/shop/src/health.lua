local answers = require("answers")

local function handler()
  answers.json({ status = "ok" })
end

return { handler = handler }
