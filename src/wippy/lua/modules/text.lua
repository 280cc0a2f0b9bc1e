-- Guest module `text`: expressions, differs and splitters as immutable objects that hold a pattern or options only.
local S, module, host = ...
local type, next, rawget, setmetatable, gsub, sub = type, next, rawget, setmetatable, string.gsub, string.sub
local concat = table.concat
local STATE = {}

local function invalid(message) return nil, S.failure("Invalid", message) end

local function class_of(name, methods)
  local class = S.handle_class("text." .. name, methods)
  local function state_of(v, method)
    if debug.getmetatable(v) ~= class then S.bad_argument(1, method, "text." .. name, v) end
    return v[STATE]
  end
  return state_of, function(state) return setmetatable({ [STATE] = state }, class) end
end

local function text_of(v, position, name)
  if type(v) == "number" then return S.number_text(v) end
  if type(v) ~= "string" then S.bad_argument(position, name, "string", v) end
  return v
end

-- Regular expressions --------------------------------------------------------------------------------------------------

local re = host.re
local regexp = {}
local regexp_of, new_regexp = class_of("Regexp", regexp)

local function compile(pattern)
  if type(pattern) ~= "string" then return invalid("error parsing regexp: pattern must be a string") end
  local names, err = re.names(pattern)
  if not names then return nil, err end
  return new_regexp { pattern = pattern, names = names }
end

-- The work of a search is charged before it begins.
local function subject_of(s, name)
  s = text_of(s, 2, name)
  S.charge(#s * 5)
  return s
end

local function whole(s, spans) return sub(s, spans[1] + 1, spans[2]) end
local function index(_, spans) return { spans[1] + 1, spans[2] } end
local function groups(s, spans)
  local out = {}
  for i = 1, #spans, 2 do out[(i + 1) // 2] = spans[i] < 0 and "" or sub(s, spans[i] + 1, spans[i + 1]) end
  return out
end

local function first(name, shown)
  regexp[name] = function(self, s)
    local state = regexp_of(self, name)
    s = subject_of(s, name)
    local spans = re.find(state.pattern, s)
    return spans and shown(s, spans) or nil
  end
end

local function every(name, shown, none)
  regexp[name] = function(self, s)
    local state = regexp_of(self, name)
    s = subject_of(s, name)
    local all, err = re.find_all(state.pattern, s)
    if err then return nil, err end
    for i = 1, #all do all[i] = shown(s, all[i]) end
    S.charge(#all * 200)
    if #all == 0 then return none() end
    return all
  end
end

local function empty() return {} end
local function nothing() return nil end

function regexp.match_string(self, s)
  local state = regexp_of(self, "match_string")
  return (re.matches(state.pattern, subject_of(s, "match_string")))
end
first("find_string", function(s, spans) return spans[2] > spans[1] and whole(s, spans) or nil end)
first("find_string_submatch", groups)
first("find_string_index", index)
every("find_all_string", whole, empty)
every("find_all_string_submatch", groups, empty)
every("find_all_string_index", index, nothing)

function regexp.replace_all_string(self, s, replacement)
  local state = regexp_of(self, "replace_all_string")
  return re.replace_all(state.pattern, subject_of(s, "replace_all_string"), text_of(replacement, 3, "replace_all_string"))
end
function regexp.split(self, s, n)
  local state = regexp_of(self, "split")
  return re.split(state.pattern, subject_of(s, "split"), S.int(n, -1))
end
function regexp.num_subexp(self) return #regexp_of(self, "num_subexp").names - 1 end
function regexp.subexp_names(self)
  local names = regexp_of(self, "subexp_names").names
  return { table.unpack(names) }
end
regexp["string"] = function(self) return regexp_of(self, "string").pattern end

-- Differences ----------------------------------------------------------------------------------------------------------

local df = host.df
local differ = {}
local differ_of, new_differ = class_of("Differ", differ)

local function options_of(options)
  if type(options) ~= "table" or S.class_of(options) == "handle" then return false end
  return S.copy(options)
end

function differ.compare(self, a, b)
  local options = differ_of(self, "compare")
  a, b = text_of(a, 2, "compare"), text_of(b, 3, "compare")
  return df.compare(options.given, a, b)
end
function differ.patch_make(self, a, b)
  local options = differ_of(self, "patch_make")
  a, b = text_of(a, 2, "patch_make"), text_of(b, 3, "patch_make")
  return df.make(options.given, a, b)
end
function differ.patch_apply(self, patches, text)
  local options = differ_of(self, "patch_apply")
  if type(patches) ~= "table" then S.bad_argument(2, "patch_apply", "table", patches) end
  return df.apply(options.given, patches, text_of(text, 3, "patch_apply"))
end

-- Steps over {operation, text} of a result, or of what a guest made alike.
local function each(diffs, name)
  if type(diffs) ~= "table" or S.class_of(diffs) == "handle" then S.bad_argument(2, name, "table", diffs) end
  local list, i = S.content(diffs), 0
  return function()
    i = i + 1
    local diff = rawget(list, i)
    if type(diff) ~= "table" then return nil end
    S.charge(100)
    local text = S.raw_index(diff, "text")
    return S.raw_index(diff, "operation"), type(text) == "string" and text or ""
  end
end

function differ.summarize(self, diffs)
  differ_of(self, "summarize")
  local sums = { insert = 0, delete = 0, equal = 0 }
  for operation, text in each(diffs, "summarize") do
    if sums[operation] then sums[operation] = sums[operation] + #text end
  end
  return { insertions = sums.insert, deletions = sums.delete, equals = sums.equal }
end

local COLOURS = { insert = "\27[32m", delete = "\27[31m" }
function differ.pretty_text(self, diffs)
  differ_of(self, "pretty_text")
  local out = {}
  for operation, text in each(diffs, "pretty_text") do
    local colour = COLOURS[operation]
    out[#out + 1] = colour and colour .. text .. "\27[0m" or text
  end
  return concat(out)
end

local ESCAPED = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&#34;", ["'"] = "&#39;", ["\n"] = "&para;<br>" }
local MARKUP = {
  equal = { "<span>", "</span>" },
  insert = { '<ins style="background:#e6ffe6;">', "</ins>" },
  delete = { '<del style="background:#ffe6e6;">', "</del>" },
}
function differ.pretty_html(self, diffs)
  differ_of(self, "pretty_html")
  local out = {}
  for operation, text in each(diffs, "pretty_html") do
    local markup = MARKUP[operation] or MARKUP.equal
    out[#out + 1] = markup[1] .. gsub(text, "[&<>\"'\n]", ESCAPED) .. markup[2]
  end
  return concat(out)
end

-- Splitters ------------------------------------------------------------------------------------------------------------

local splitter = {}
local splitter_of, new_splitter = class_of("Splitter", splitter)

local function chunks_of(state, text)
  S.charge(#text * 50)
  return host.cut(state.kind, state.given, text)
end

function splitter.split_text(self, text)
  return chunks_of(splitter_of(self, "split_text"), text_of(text, 2, "split_text"))
end

function splitter.split_batch(self, pages)
  local state = splitter_of(self, "split_batch")
  if type(pages) ~= "table" or S.class_of(pages) == "handle" then S.bad_argument(2, "split_batch", "table", pages) end
  local out, n = {}, 0
  local list = S.content(pages)
  for i = 1, #list do
    local page = rawget(list, i)
    local content = type(page) == "table" and S.raw_index(page, "content")
    if type(content) == "string" and content ~= "" then
      local chunks, err = chunks_of(state, content)
      if not chunks then return nil, err end
      local metadata = S.raw_index(page, "metadata")
      for j = 1, #chunks do
        n = n + 1
        out[n] = { content = chunks[j], metadata = type(metadata) == "table" and S.copy(metadata) or {} }
      end
    end
  end
  return out
end

return {
  regexp = { compile = compile },
  diff = { new = function(options) return new_differ { given = options_of(options) } end },
  splitter = {
    recursive = function(options) return new_splitter { kind = "recursive", given = options_of(options) } end,
    markdown = function(options) return new_splitter { kind = "markdown", given = options_of(options) } end,
  },
}
