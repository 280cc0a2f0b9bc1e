--# pattern-nested: quantifiers after quantifiers
--@ deadline=0.5 limit=2 spins
local s = ("a"):rep(100)
local ok = pcall(string.find, s, ("a?"):rep(100) .. ("a"):rep(100))
pcall(string.match, s, ("a*"):rep(20) .. "b")
pcall(string.find, s, (".-"):rep(20) .. "b")
pcall(string.gsub, s, ("(a*)"):rep(20) .. "b", "")
for _ in s:gmatch(("a*"):rep(20) .. "b") do end

--# pattern-long-subject: one quantifier over a long subject
--@ deadline=0.5 limit=2 spins
local s = ("a"):rep(1000000)
pcall(string.find, s, ".-b")
pcall(string.find, s, "a*b")
pcall(string.match, s, "(.-)b")
pcall(string.gsub, s, "a-b", "")

--# pattern-balanced: %b over a long subject
--@ deadline=0.5 limit=2 spins
local s = ("("):rep(300000)
pcall(string.find, s, "%b()")
pcall(string.gsub, s, "%b()", "x")
for _ in s:gmatch("%b()") do end

--# pattern-frontier: %f and sets over a long subject
--@ deadline=4 limit=2
local s = ("a"):rep(300000)
pcall(string.find, s, "%f[b]")
pcall(string.gsub, s, "%f[%w]%w+%f[%W]x", "x")
pcall(string.find, s, "%f")
pcall(string.find, s, "%f[")

--# pattern-back-reference: back references over a long subject
--@ deadline=0.5 limit=2 spins
local s = ("a"):rep(3100)
pcall(string.find, s, "(.-)%1b")
pcall(string.find, s, "(.*)%1b")
pcall(string.find, s, "(a*)(a*)%1%2b")

--# pattern-long-class: a class of a hundred thousand characters
--@ deadline=0.5 limit=2 spins
local class = "[" .. ("b"):rep(100000) .. "]"
local s = ("a"):rep(1000000)
pcall(string.find, s, class)
pcall(string.match, s, class .. "+")
pcall(string.gsub, s, class, "")
pcall(string.find, s, class .. "*c")

--# pattern-medium-class: a class of nine thousand characters in the other matcher
--@ deadline=0.5 limit=2 spins
local class = "[" .. ("b"):rep(9000) .. "]"
local s = ("a"):rep(5000000)
pcall(string.find, s, class .. "-c")
pcall(string.find, s, "[^" .. ("b"):rep(9000) .. "]*c")

--# pattern-plain-needle: plain searches of long needles
--@ deadline=0.5 limit=2 spins
local s = ("a"):rep(4000000)
local needle = ("a"):rep(2000000) .. "b"
s:find(needle, 1, true)
s:find(needle)

--# pattern-many-captures: captures beyond the limit
refused(string.find, "x", ("()"):rep(40))
refused(string.find, ("x"):rep(40), ("(x"):rep(33) .. (")"):rep(33))
pcall(string.find, "x", ("("):rep(300))
pcall(string.find, ("x"):rep(100), ("(x)"):rep(32))
refused(string.match, "x", "%1")
refused(string.match, "x", "(%1)")

--# pattern-malformed: malformed patterns
--@ deadline=4
for _, p in ipairs { "[", "[^", "[a", "[]", "[^]", "[%", "%", "(", ")", "(()", "%b", "%bx", "%f", "%f[", "[a-", "[a-%]", "x%", "[%a-z]", "%z%g", "()%0",
  "^*", "$$", "^^", "[]]", "[^]]", "[]-]", "a-*", "\0", "[\0-\255]" } do
  for _, f in ipairs { string.find, string.match, string.gmatch } do
    local ok, r = pcall(f, "some text", p)
    if ok and type(r) == "function" then pcall(r) end
    pcall(f, ("some text "):rep(1000), p .. ".-" .. p)
  end
  pcall(string.gsub, "some text", p, "x")
  pcall(string.gsub, ("some text "):rep(20), p .. ".-x.-y.-", "x")
end

--# pattern-recursion: a subject as deep as the matcher's stack
--@ deadline=5 limit=2
local s = ("a"):rep(500000)
pcall(string.match, s, ("(a?)"):rep(32))
pcall(string.match, s, ("a"):rep(9000))
pcall(string.match, s, ("a?"):rep(9000))
pcall(string.match, s, ("a-"):rep(200) .. "$")

--# pattern-anchors: anchored patterns inside gsub and gmatch
for _ in ("aaaa"):gmatch("^a") do end
pcall(string.gsub, ("a"):rep(1000), "^a", "")
pcall(string.gsub, "abc", "", "-")
pcall(string.gsub, ("a"):rep(100000), "$", "x")

--# replacement-hostile: replacements of every kind
for _, r in ipairs { "%", "%9", "%1", "%0%0", 1, 1.5, {}, print, channel.new(), string, setmetatable({}, { __index = function() return {} end }),
  function() return {} end, function() return false end, function() error("x") end, function() return 0 / 0 end } do
  pcall(string.gsub, "abc", "%w", r)
  pcall(string.gsub, "abc", "(%w)(%w)", r)
  pcall(string.gsub, "abc", "()", r)
end
refused(string.gsub, "abc", "%w", true)
refused(string.gsub, "abc", "%w", nil)

--# replacement-reenters: a callback that matches again with the same pattern
local s = ("ab"):rep(3000)
local out = s:gsub("a.-b", function(m)
  local again = m:gsub("a.-b", function(x) return x:match("a(.-)b") or "" end)
  return again .. "|"
end, 100)
