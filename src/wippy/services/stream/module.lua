-- The guest side of streams (spec 03 §12): what failures look like, and scanners, which need nothing from the host but bytes.
--
-- A scanner `s`: read a function that gives bytes, nil at the end, or nil and an error; buffer what was read and not given
-- out, from `at` on; ended: nothing more comes; token; problem an error or false; halted: the problem is a token.
local S, module, host, classes = ...
local type, rawget, setmetatable, getmetatable = type, rawget, setmetatable, debug.getmetatable
local find, sub, byte, utf8len = string.find, string.sub, string.byte, utf8.len
local failure, bad_argument, HANDLE = S.failure, S.bad_argument, S.HANDLE

-- Scanners ----------------------------------------------------------------------------------------------------------------

local LONGEST = 64 * 1024
local SCANNER = {}
local scanner_methods = {}
local scanner_class = S.handle_class("stream.Scanner", scanner_methods)

-- Reads on. False at the end and after a failure.
local function more(s)
  if s.ended then return false end
  S.charge(30000)
  local chunk, err = s.read()
  if not chunk then
    s.ended, s.problem = true, err or false
    return false
  end
  s.buffer, s.at = sub(s.buffer, s.at) .. chunk, 1
  return true
end

local function too_long(s)
  s.problem, s.halted = failure("Internal", "token too long"), true
  return nil
end

-- The bytes of the buffer up to `last` are the token; scanning goes on behind `following`.
local function found(s, last, following)
  if last - s.at >= LONGEST then return too_long(s) end
  local token = sub(s.buffer, s.at, last)
  s.at = following
  return token
end

-- What is left when the end has come without a terminator.
local function rest(s)
  if s.at > #s.buffer then return nil end
  return found(s, #s.buffer, #s.buffer + 1)
end

local function line(s)
  while true do
    local stop = find(s.buffer, "\n", s.at, true)
    if stop then
      local last = stop - 1
      if last >= s.at and byte(s.buffer, last) == 13 then last = last - 1 end
      return found(s, last, stop + 1)
    end
    if #s.buffer - s.at > LONGEST then return too_long(s) end
    if not more(s) then
      local token = rest(s)
      if token and byte(token, -1) == 13 then token = sub(token, 1, -2) end
      return token
    end
  end
end

-- White space beyond ASCII, by its bytes in UTF-8.
local SPACES = { ["\u{85}"] = true, ["\u{A0}"] = true, ["\u{1680}"] = true, ["\u{2028}"] = true, ["\u{2029}"] = true,
  ["\u{202F}"] = true, ["\u{205F}"] = true, ["\u{3000}"] = true }
for code = 0x2000, 0x200A do SPACES[utf8.char(code)] = true end
local WIDTHS = { [0xC2] = 2, [0xE1] = 3, [0xE2] = 3, [0xE3] = 3 }  -- of characters that may be such a space, by first byte

-- How many bytes of white space stand at `at`: 0 for none.
local function space_at(buffer, at)
  local width = WIDTHS[byte(buffer, at)]
  if not width then return find(buffer, "^[\t-\r ]", at) and 1 or 0 end
  return SPACES[sub(buffer, at, at + width - 1)] and width or 0
end

-- The next white space from `from` on: where it begins and how long it is.
local function next_space(buffer, from)
  local at = from
  while true do
    at = find(buffer, "[\t-\r \xC2\xE1\xE2\xE3]", at)
    if not at then return nil end
    local width = space_at(buffer, at)
    if width > 0 then return at, width end
    at = at + 1
    S.charge(50)
  end
end

-- Passes over white space. False when nothing else comes any more.
local function skip_spaces(s)
  while true do
    s.at = find(s.buffer, "[^\t-\r ]", s.at) or #s.buffer + 1
    if #s.buffer - s.at < 2 and more(s) then
      -- a character is seen whole
    elseif s.at > #s.buffer then
      return false
    else
      local width = space_at(s.buffer, s.at)
      if width == 0 then return true end
      s.at = s.at + width
      S.charge(50)
    end
  end
end

local function word(s)
  if not skip_spaces(s) then return nil end
  while true do
    local stop, width = next_space(s.buffer, s.at)
    if stop then return found(s, stop - 1, stop + width) end
    if #s.buffer - s.at > LONGEST then return too_long(s) end
    if not more(s) then return rest(s) end
  end
end

local function single(s)
  if s.at > #s.buffer and not more(s) then return nil end
  return found(s, s.at, s.at + 1)
end

-- One character; a byte that begins none is U+FFFD.
local function rune(s)
  while #s.buffer - s.at < 3 and more(s) do end
  if s.at > #s.buffer then return nil end
  if utf8len(s.buffer, s.at, s.at) then
    local following = utf8.offset(s.buffer, 2, s.at)
    return found(s, following - 1, following)
  end
  s.at = s.at + 1
  return "\u{FFFD}"
end

local SPLITS = { lines = line, words = word, bytes = single, runes = rune }

-- A scanner over what `read` gives; nil when `split` names no way of splitting.
function S.new_scanner(read, split)
  local next_token = SPLITS[split or "lines"]
  if not next_token then return nil end
  return setmetatable({ [SCANNER] = {
    read = read, next = next_token, buffer = "", at = 1, ended = false, token = "", problem = false,
    halted = false,
  } }, scanner_class)
end

local function scanner_of(v, name)
  return type(v) == "table" and rawget(v, SCANNER) or bad_argument(1, name, "scanner", v, 3)
end

function scanner_methods:scan()
  local s = scanner_of(self, "scan")
  S.charge(300)
  local token = not s.halted and s.next(s) or nil
  s.token = token or ""
  if token then return true, nil end
  return false, s.problem or nil
end
function scanner_methods:text() return scanner_of(self, "text").token end
function scanner_methods:err()
  local problem = scanner_of(self, "err").problem
  return problem and S.error_text(problem) or nil
end

-- Streams -----------------------------------------------------------------------------------------------------------------

local methods = classes.Stream.methods
local CLOSED = failure("Internal", "stream is closed")

local function record(v) return type(v) == "table" and rawget(v, HANDLE) or nil end

-- A handle that an instance of a function kept from an earlier call has gone with that call.
local function is_gone(err)
  local e = S.error_state(err)
  return e.kind == "NotFound" and e.message == "handle is closed"
end

-- On failure the method answers `first, err`.
local function guard(name, first)
  local call = methods[name]
  methods[name] = function(self, ...)
    local h = record(self)
    if h and h.closed then return first, CLOSED end
    local v, err = call(self, ...)
    if err ~= nil then return first, is_gone(err) and CLOSED or err end
    return v, nil
  end
end

local seek = methods.seek
local WHENCE = { set = true, cur = true, ["end"] = true }
function methods.seek(self, whence, offset)
  if whence ~= nil and not WHENCE[whence] then bad_argument(1, "seek", '"set", "cur" or "end"', whence) end
  return seek(self, whence, offset)
end

guard("read", nil)
guard("write", 0)
guard("seek", -1)
guard("flush", false)
guard("stat", nil)

local close = methods.close
function methods.close(self)
  local h = record(self)
  if h and h.closed then return true, nil end
  local _, err = close(self)
  if err ~= nil and not is_gone(err) then return false, err end
  h.closed = true
  return true, nil
end

function methods.scanner(self, split)
  local h = record(self)
  if getmetatable(self) ~= classes.Stream.meta then bad_argument(1, "scanner", "stream.Stream", self) end
  if h.closed then return nil, CLOSED end
  local scanner = S.new_scanner(function() return methods.read(self) end, split)
  if not scanner then bad_argument(1, "scanner", '"lines", "words", "bytes" or "runes"', split) end
  return scanner, nil
end

return module
