-- Which tests run, and in what order (spec 07b §A.2).
type Options = {patterns: {string}, suites: {string}, module: string?, list: boolean, fail_fast: boolean}

-- The words of the command line: `--suite NAME`, `--module ORG/NAME`, `--list`, `--fail-fast`; all others are patterns.
local function parse(words: {string}): (Options?, string?)
  local options: Options = { patterns = {}, suites = {}, module = nil, list = false, fail_fast = false }
  local at = 1
  local function value(): string?
    at = at + 1
    return words[at]
  end
  while words[at] do
    local word = words[at]
    if word == "--suite" then
      table.insert(options.suites, value())
    elseif word == "--module" then
      options.module = value()
    elseif word == "--list" then
      options.list = true
    elseif word == "--fail-fast" then
      options.fail_fast = true
    elseif string.sub(word, 1, 2) == "--" then
      return nil, "unknown flag " .. word .. ": there are --suite, --module, --list, --fail-fast"
    else
      table.insert(options.patterns, word)
    end
    at = at + 1
  end
  return options
end

local function fits_any(text: string, patterns: {string}): boolean
  for _, pattern in ipairs(patterns) do
    if string.find(text, pattern, 1, true) then return true end
  end
  return #patterns == 0
end

local function names(list: {string}, name: string): boolean
  for _, item in ipairs(list) do
    if item == name then return true end
  end
  return #list == 0
end

-- The tests whose id contains one of the patterns, of the wanted suites and module.
local function filter(tests, options: Options)
  local kept = {}
  for _, each in ipairs(tests) do
    local of_module = options.module == nil or each.module == options.module
    if of_module and names(options.suites, each.suite) and fits_any(each.id, options.patterns) then
      table.insert(kept, each)
    end
  end
  return kept
end

local function before(a, b): boolean
  if a.suite ~= b.suite then return a.suite < b.suite end
  if a.order ~= b.order then return a.order < b.order end
  return a.id < b.id
end

-- {name, tests} of every suite by name; inside, by order and id.
local function suites(tests)
  local sorted, found = table.create(#tests, 0), {}
  for i, each in ipairs(tests) do
    sorted[i] = each
  end
  table.sort(sorted, before)
  for _, each in ipairs(sorted) do
    local last = found[#found]
    if not last or last.name ~= each.suite then
      last = { name = each.suite, tests = {} }
      table.insert(found, last)
    end
    table.insert(last.tests, each)
  end
  return found
end

return { parse = parse, filter = filter, suites = suites }
