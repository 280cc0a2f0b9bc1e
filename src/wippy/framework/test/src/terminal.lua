-- Colours and lines that are written over, where standard output is a terminal; plain text elsewhere.
local io = require("io")

local CODES = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }
local ERASE = "\r\27[K"

local output = nil -- {output, color, columns}; asked for once, when there is a terminal context
local written = false -- whether a line stands there that will be written over

local function capabilities()
  if not output then output = io.terminal() or { output = false, color = false, columns = 80 } end
  return output
end

-- `text` in the named styles: "bold cyan".
local function styled(styles: string, text: string): string
  if not capabilities().color then return text end
  local codes = {}
  for name in string.gmatch(styles, "%a+") do
    codes[#codes + 1] = CODES[name]
  end
  return "\27[" .. table.concat(codes, ";") .. "m" .. text .. "\27[0m"
end

local function erase()
  if written then io.write(ERASE) end
  written = false
end

local function print(line: string?)
  erase()
  io.write((line or "") .. "\n")
end

-- A line that the next one takes the place of; nothing where lines stay.
local function progress(line: string)
  if not capabilities().output then return end
  io.write(ERASE .. line)
  written = true
end

local function is_live(): boolean return capabilities().output end

local function cursor(visible: boolean)
  if is_live() then io.write(visible and "\27[?25h" or "\27[?25l") end
end

local function columns(): integer return capabilities().columns end

return {
  styled = styled, print = print, progress = progress, erase = erase, is_live = is_live, cursor = cursor, columns = columns,
}
