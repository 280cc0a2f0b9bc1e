--- name: roman numerals
local NUMERALS = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
  {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}}
local function roman(n: integer): string
  local out = ""
  for _, pair in ipairs(NUMERALS) do
    local value, text = pair[1], pair[2]
    out = out .. text:rep(n // value)
    n = n % value
  end
  return out
end
return roman(1994)
--- name: csv
local function parse_line(line: string): {string}
  local fields, at = {}, 1
  while at <= #line + 1 do
    if line:sub(at, at) == '"' then
      local text = ""
      repeat
        local from, to, part = line:find('^"([^"]*)"', at)
        if not from then error("unclosed quote") end
        text, at = text .. part, to + 1
        local again = line:sub(at, at) == '"'
        if again then text = text .. '"' end
      until not again
      fields[#fields + 1] = text
      at = at + 1
    else
      local stop = line:find(",", at, true) or #line + 1
      fields[#fields + 1] = line:sub(at, stop - 1)
      at = stop + 1
    end
  end
  return fields
end
return parse_line('a,"b ""c""",,d')
--- name: tokenizer
type Token = {kind: "number" | "name" | "op" | "end", text: string, at: integer}
local RULES = {{"^%s+", nil}, {"^%d+%.?%d*", "number"}, {"^[%a_][%w_]*", "name"}, {"^[-+*/()=^]", "op"}}
local function tokenize(source: string): {Token}
  local tokens: {Token}, at = {}, 1
  while at <= #source do
    local matched = false
    for _, rule in ipairs(RULES) do
      local from, to = source:find(rule[1], at)
      if from then
        if rule[2] then table.insert(tokens, {kind = rule[2], text = source:sub(from, to), at = from}) end
        at, matched = to + 1, true
        break
      end
    end
    if not matched then
      error(errors.new({message = "bad character", kind = errors.INVALID, details = {at = at}}))
    end
  end
  table.insert(tokens, {kind = "end", text = "", at = at})
  return tokens
end
return #tokenize("x1 = (2.5 + y) * 3")
--- name: calculator
local Parser = {}
Parser.__index = Parser
local BINARY = {["+"] = 1, ["-"] = 1, ["*"] = 2, ["/"] = 2, ["^"] = 4}
function Parser.new(text) return setmetatable({text = text, at = 1}, Parser) end
function Parser:peek()
  self.at = self.text:find("%S", self.at) or #self.text + 1
  return self.text:sub(self.at, self.at)
end
function Parser:take(pattern)
  self:peek()
  local found = self.text:match("^" .. pattern, self.at)
  if found then self.at = self.at + #found end
  return found
end
function Parser:atom()
  if self:take("%(") then
    local value = self:expression(0)
    assert(self:take("%)"), "expected )")
    return value
  end
  if self:take("%-") then return -self:expression(3) end
  return tonumber(self:take("[%d.]+")) or error("expected a number at " .. self.at, 0)
end
function Parser:expression(least)
  local left = self:atom()
  while true do
    local operator = self:peek()
    local level = BINARY[operator]
    if not level or level < least then return left end
    self.at = self.at + 1
    local right = self:expression(operator == "^" and level or level + 1)
    if operator == "+" then left = left + right
    elseif operator == "-" then left = left - right
    elseif operator == "*" then left = left * right
    elseif operator == "/" then left = left / right
    else left = left ^ right end
  end
end
return Parser.new("2 * (3 + 4) - -2 ^ 2"):expression(0)
--- name: template
local function render(template: string, values: {[string]: any}): string
  return (template:gsub("{{%s*([%w_.]+)%s*}}", function(path)
    local value: any = values
    for key in path:gmatch("[^.]+") do
      if type(value) ~= "table" then return "" end
      value = value[key]
    end
    return tostring(value)
  end))
end
return render("Hello {{ user.name }}, {{count}} new", {user = {name = "Ada"}, count = 3})
--- name: url query
local function decode(text: string): string
  text = text:gsub("+", " ")
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end
local function parse(query: string): {[string]: string}
  local out = {}
  for pair in query:gmatch("[^&]+") do
    local key, value = pair:match("^([^=]*)=?(.*)$")
    out[decode(key)] = decode(value)
  end
  return out
end
return parse("q=a+b%21&x")
--- name: word count
local text = [[
the quick brown fox
jumps over the lazy dog]]
local counts, words = {}, {}
for word in text:lower():gmatch("%a+") do
  if not counts[word] then words[#words + 1] = word end
  counts[word] = (counts[word] or 0) + 1
end
table.sort(words, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)
return words[1], counts[words[1]]
--- name: caesar
local function shift(text: string, by: integer): string
  return (text:gsub("%a", function(letter)
    local base = letter:match("%u") and ("A"):byte() or ("a"):byte()
    return string.char((letter:byte() - base + by) % 26 + base)
  end))
end
return shift(shift("Hello", 3), -3)
--- name: hex dump
local function dump(data: string): string
  local lines = {}
  for at = 1, #data, 8 do
    local chunk = data:sub(at, at + 7)
    local hex = chunk:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
    lines[#lines + 1] = ("%04d  %-24s %s"):format(at - 1, hex, (chunk:gsub("[^%g ]", ".")))
  end
  return table.concat(lines, "\n")
end
return dump("hello\0world\xff")
--- name: trim and split
local function trim(s: string): string return s:match("^%s*(.-)%s*$") end
local function split(s: string, separator: string): {string}
  local parts, from = {}, 1
  while true do
    local a, b = s:find(separator, from, true)
    if not a then break end
    parts[#parts + 1] = trim(s:sub(from, a - 1))
    from = b + 1
  end
  parts[#parts + 1] = trim(s:sub(from))
  return parts
end
return split(" a ; b;c ", ";")
--- name: wrap lines
local function wrap(text: string, width: integer): {string}
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if #line + #word + 1 > width and line ~= "" then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  if line ~= "" then lines[#lines + 1] = line end
  return lines
end
return wrap("a bb ccc dddd eeeee", 6)
--- name: case conversions
local function snake(s) return (s:gsub("(%l)(%u)", "%1_%2"):lower()) end
local function camel(s) return (s:gsub("_(%l)", string.upper)) end
local function title(s) return (s:gsub("(%a)(%w*)", function(a, b) return a:upper() .. b:lower() end)) end
return snake("fooBarBaz"), camel("foo_bar"), title("hello WORLD")
--- name: ini file
local function parse(text: string): {[string]: {[string]: string}}
  local sections, current = {}, nil
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    line = line:gsub("%s*;.*$", "")
    local name = line:match("^%[(.+)%]$")
    local key, value = line:match("^([%w_]+)%s*=%s*(.*)$")
    if name then
      sections[name] = sections[name] or {}
      current = sections[name]
    elseif key and current then
      current[key] = value
    end
  end
  return sections
end
return parse("[db]\nhost = local ; here\nport=1")
--- name: semver
type Version = {major: integer, minor: integer, patch: integer}
local function parse(text: string): Version?
  local a, b, c = text:match("^v?(%d+)%.(%d+)%.(%d+)$")
  if not a then return nil end
  return {major = integer(tonumber(a)), minor = integer(tonumber(b)), patch = integer(tonumber(c))}
end
local function older(x: Version, y: Version): boolean
  for _, part in ipairs({"major", "minor", "patch"}) do
    if x[part] ~= y[part] then return x[part] < y[part] end
  end
  return false
end
return older(parse("1.2.3")!, parse("v1.10.0")!)
--- name: binary packing
local header = string.pack("<I2I4s1", 1, 1024, "name")
local version, size, name = string.unpack("<I2I4s1", header)
return version, size, name, string.packsize("<I2I4")
--- name: markdown list
local function to_html(lines: {string}): string
  local out, open = {}, false
  for _, line in ipairs(lines) do
    local item = line:match("^[-*]%s+(.+)")
    if item and not open then
      out[#out + 1] = "<ul>"
      open = true
    elseif not item and open then
      out[#out + 1] = "</ul>"
      open = false
    end
    if item then
      out[#out + 1] = "<li>" .. item:gsub("%*%*(.-)%*%*", "<b>%1</b>") .. "</li>"
    elseif line:find("^#+ ") then
      local marks, rest = line:match("^(#+) (.*)")
      out[#out + 1] = ("<h%d>%s</h%d>"):format(#marks, rest, #marks)
    else
      out[#out + 1] = "<p>" .. line .. "</p>"
    end
  end
  return table.concat(out)
end
return to_html({"# T", "- a", "- **b**", "end"})
--- name: glob to pattern
local function to_pattern(glob: string): string
  local escaped = glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0")
  return "^" .. escaped:gsub("%*", ".*"):gsub("%?", ".") .. "$"
end
local function matches(glob, name) return name:match(to_pattern(glob)) ~= nil end
return matches("*.lua", "main.lua"), matches("a?c", "abcd")
--- name: balanced brackets
local PAIRS = {[")"] = "(", ["]"] = "[", ["}"] = "{"}
local function balanced(text: string): boolean
  local open = {}
  for c in text:gmatch("[()%[%]{}]") do
    if not PAIRS[c] then
      open[#open + 1] = c
    elseif table.remove(open) ~= PAIRS[c] then
      return false
    end
  end
  return #open == 0
end
return balanced("f(a[1], {x})"), ("x(y(z))"):match("%b()")
--- name: s expressions
local read
local function read_list(text, at)
  local items = {}
  while true do
    at = text:find("%S", at)
    if not at then error("unclosed list") end
    if text:sub(at, at) == ")" then return items, at + 1 end
    items[#items + 1], at = read(text, at)
  end
end
function read(text, at)
  at = text:find("%S", at or 1)
  if text:sub(at, at) == "(" then return read_list(text, at + 1) end
  local word = text:match("^[^%s()]+", at)
  return tonumber(word) or word, at + #word
end
return (read("(add 1 (mul 2 3))"))[3][1]
--- name: format table
local rows = {{"apple", 1.5, 10}, {"fig", 0.25, 200}}
local out = {("%-10s|%8s|%5s"):format("name", "price", "n")}
for _, row in ipairs(rows) do
  out[#out + 1] = string.format("%-10s|%8.2f|%5d", row[1], row[2], row[3])
end
out[#out + 1] = string.format("%q %x %X %o %e %g %c %%", "quoted", 255, 255, 8, 1.5, 0.1, 65)
return table.concat(out, "\n")
--- name: palindrome
local function palindrome(text: string): boolean
  local clean = text:lower():gsub("[^%a]", "")
  return clean == clean:reverse()
end
return palindrome("A man, a plan, a canal: Panama!")
--- name: run lengths
local function encode(text)
  local out = {}
  for _, run in ipairs((function()
    local runs = {}
    for c in text:gmatch(".") do
      local last = runs[#runs]
      if last and last.c == c then last.n = last.n + 1 else runs[#runs + 1] = {c = c, n = 1} end
    end
    return runs
  end)()) do
    out[#out + 1] = run.n .. run.c
  end
  return table.concat(out)
end
local function decode(text) return (text:gsub("(%d+)(.)", function(n, c) return c:rep(n) end)) end
return decode(encode("aaabcc"))
--- name: regular expressions | modules: text
local text = require("text")
local dates, err = text.regexp.compile("([0-9]{4})-([0-9]{2})")
if err then return nil, err end
local parts = dates:find_string_submatch("from 2024-05 on")
return parts and parts[2] or "none"
--- name: diff | modules: text
local text = require("text")
local differ, err = text.diff.new()
if err then return nil, err end
local changes = differ:compare("a\nb", "a\nc")
return differ:summarize(changes)
