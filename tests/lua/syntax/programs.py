"""Generated programs: texts of the whole grammar, and small programs that run with and without annotations."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from wippy.lua.syntax.expression_parser import POWERS

names = st.sampled_from(["a", "b", "c", "x", "type", "value_2", "_", "global", "continue"])
fields = st.sampled_from(["a", "b", "type", "readonly", "as", "is", "interface", "asserts"])
strings = st.binary(max_size=6).map(
    lambda value: '"' + "".join(chr(b) if 32 < b < 127 and chr(b) not in '"\\' else f"\\{b:03d}" for b in value) + '"'
)
numbers = st.one_of(
    st.integers(0, 2**65).map(str),
    st.integers(0, 2**70).map(hex),
    st.floats(0, allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0x.8p1", "3.", ".5", "1e400", "0xA.8", "08"]),
)


def joined(items: st.SearchStrategy[str], separator: str = ", ", least: int = 0) -> st.SearchStrategy[str]:
    return st.lists(items, min_size=least, max_size=3).map(separator.join)


def form(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda values: template.format(*values))


types: st.SearchStrategy[str] = st.deferred(lambda: _types)
expressions: st.SearchStrategy[str] = st.deferred(lambda: _expressions)
blocks: st.SearchStrategy[str] = st.deferred(lambda: joined(statements, "\n"))

_simple_types = st.one_of(
    st.sampled_from(["number", "string", "any", "nil", "true", "false", "42", "-1", "sql.DB", "Config"]), strings
)
_record_fields = joined(
    st.one_of(form("{}: {}", fields, types), form("{}?: {}", fields, types), form("{}: {} @min(1)", fields, types))
)
_returns = st.one_of(
    st.just(""),
    st.just(": ()"),
    form(": {}", types),
    form(": ({})", joined(types, least=2)),
    form(": {}, {}", types, types),
)
_results = st.one_of(types, st.just("()"), form("({}, {})", types, types))
_parameter_types = joined(st.one_of(types, form("{}: {}", names, types)))
_types = st.one_of(
    _simple_types,
    form("{{{}}}", types),
    form("{{[{}]: {}}}", types, types),
    form("{{{}}}", _record_fields),
    form("readonly {{{}}}", types),
    form("({}) -> {}", _parameter_types, _results),
    form("(({}) -> {})", _parameter_types, _results),
    form("(...{}) -> {}", types, _results),
    form("fun({}): {}", _parameter_types, types),
    form("interface {{{}}}", _record_fields),
    form("Box<{}>", joined(types, least=1)),
    form("({})?", types),
    form("({})[]", types),
    form("({})[{}]", types, types),
    form("({}) @min(1) @pattern({})", types, strings),
    form("({}) | ({}) | {}", types, types, _simple_types),
    form("({}) & ({}) | ({})", types, types, types),
    form("({}) extends ({}) ? ({}) : {}", types, types, types, types),
    form("keyof({})", types),
    form("typeof({})", expressions),
    form("asserts x is {}", types),
)

_prefixes = st.one_of(names, form("({})", expressions))
_arguments = st.one_of(form("({})", joined(expressions)), form("{{{}}}", joined(expressions)), strings)
_suffixes = st.one_of(form(".{}", fields), form("[{}]", expressions), _arguments, form(":{}{}", fields, _arguments))
_chains = form("{}{}", _prefixes, joined(_suffixes, ""))
_calls = form("{}{}", _chains, _arguments)
_table_fields = st.one_of(
    expressions, form("{} = {}", fields, expressions), form("[{}] = {}", expressions, expressions)
)
_typed_names = st.one_of(names, form("{}: {}", names, types))
_type_parameters = st.sampled_from(["", "<T>", "<T, U: {a: T}>", "<T: Box<Box<T>>>"])
_functions = st.one_of(
    form("{}({}){}\n{}\nend", _type_parameters, joined(_typed_names), _returns, blocks),
    form("(a, ...: {})\n{}\nend", types, blocks),
    form("(...)\n{}\nend", blocks),
)
_operators = st.sampled_from(sorted(POWERS))
_expressions = st.one_of(
    st.sampled_from(["nil", "true", "false", "..."]),
    numbers,
    strings,
    names,
    form("{} {} {}", expressions, _operators, expressions),
    form("{}{}", st.sampled_from(["not ", "# ", "- ", "~ "]), expressions),
    form("({} as {})", expressions, types),
    form("({} :: ({}))", expressions, types),
    form("{}!", _chains),
    form("{{{}}}", joined(_table_fields)),
    form("function{}", _functions),
    _chains,
    _calls,
)
_targets = st.one_of(names, form("{}.{}", _chains, fields), form("{}[{}]", _chains, expressions))
_values = joined(expressions, least=1)
statements: st.SearchStrategy[str] = st.one_of(
    form("local {}", joined(_typed_names, least=1)),
    form("local {} = {}", joined(_typed_names, least=1), _values),
    form("local x = {} as ({})", expressions, types),
    form("local function {}{}", names, _functions),
    form("function {}{}", st.sampled_from(["f", "a.b", "a.b.as", "a:m", "a.b:readonly"]), _functions),
    form(";{} = {}", joined(_targets, least=1), _values),
    form(";{}", _calls),
    form("do {} end", blocks),
    form("while {} do {} end", expressions, blocks),
    form("repeat {} until {}", blocks, expressions),
    form("if {} then {} elseif {} then {} else {} end", expressions, blocks, expressions, blocks, blocks),
    form("for {} = {}, {} do {} end", names, expressions, expressions, blocks),
    form("for {} = {}, {}, {} do {} end", names, expressions, expressions, expressions, blocks),
    form("for {} in {} do {} end", joined(names, least=1), _values, blocks),
    form("do {} return {} end", blocks, joined(expressions)),
    st.sampled_from(["break", "goto a", "::b::", ";"]),
    form("type T{} = {}", _type_parameters, types),
    form("interface I: A, B function m({}){} end", joined(_typed_names), _returns),
)
programs = joined(statements, "\n")

_ERASED = re.compile("«([^»]*)»")
_PLAIN_ONLY = re.compile("‹[^›]*›")


def annotated(program: str) -> str:
    """A runnable program with its annotations, which are marked «like this»."""
    return _PLAIN_ONLY.sub("", program).replace("«", "").replace("»", "")


def plain(program: str) -> str:
    """The same program in plain Lua, line for line: without annotations, with what Lua 5.5 needs ‹like this›."""
    program = _ERASED.sub(lambda match: "\n" * match[1].count("\n"), program)
    return program.replace("‹", "").replace("›", "")


_run_names = st.sampled_from(["a", "b", "c", "t"])
_annotation = st.sampled_from(["", "«: number»", "«: {string}?»", "«: (A) -> B | C»", "«:\n  Box<Box<T>>»"])
_cast = st.sampled_from(["", "« as any»", "« :: {[string]: number}»", "«!»", "« ::\n T?»"])
_run_operators = st.sampled_from(["+", "-", "*", "..", "<", "==", "and", "or", "\n+"])
run_expressions: st.SearchStrategy[str] = st.deferred(lambda: _run_expressions)
_run_expressions = st.one_of(
    st.sampled_from(["nil", "true", "1", "2", "2.5", '"k"', '"7"', '"a\\nb"', "[[\nlong\n]]", "#t", "..."]),
    _run_names,
    form("({}{})", run_expressions, _cast),
    form("{} {} {}", run_expressions, _run_operators, run_expressions),
    form("{{{}, k = {}, [ {}] = {}}}", *[run_expressions] * 4),
    form("t[ {}]", run_expressions),
    form("(function({}{}, ...){}\n return {}, ... end)({}{})", _run_names, _annotation, _annotation.map(
        lambda text: text.replace("«:\n", "«:")), run_expressions, run_expressions, _cast),
    form("select({}, {})", run_expressions, run_expressions),
)  # fmt: skip
run_blocks: st.SearchStrategy[str] = st.deferred(lambda: joined(run_statements, "\n"))
run_statements: st.SearchStrategy[str] = st.one_of(
    form("local {}{} = {}{}", _run_names, _annotation, run_expressions, _cast),
    form("{} = {}{}", _run_names, run_expressions, _cast),
    form("t[ {}] = {}", run_expressions, run_expressions),
    form("t[ {}], {} = {}", run_expressions, _run_names, run_expressions),
    form("out({}{})", run_expressions, _cast),
    form("«type T = {{a: number}}»"),
    form("do {} end", run_blocks),
    form("if {} then {} else {} end", run_expressions, run_blocks, run_blocks),
    form("for i = {}, {}{} do {} out(i) end", st.sampled_from("0123a"), st.sampled_from(["3", "2.5", "t", "#t"]),
         st.sampled_from(["", ", 1", ", 2", ", -1"]), run_blocks),
    form("for a = 3, 1, -1 do ‹local a = a› {} end", run_blocks),
    form("for i = 1, 4 do if i == {} then goto continue end {} if {} then break end ::continue:: end",
         st.sampled_from("123"), run_blocks, run_expressions),
    form("for k, v in {} do out(k, v) {} end",
         st.sampled_from(["ipairs(t)", "next, {1, 2}", "t", "pairs({x = 1})"]), run_blocks),
    form("do local n = 0 while n < 3 do n = n + 1 {} end end", run_blocks),
    form("do local n = 0 repeat local m = n n = n + 1 {} until m > 2 end", run_blocks),
    form("do local fs = {{}} for i = 1, 3 do ‹local i = i› fs[#fs + 1] = function() i = i + 1 return i end end"
         " for _, f in ipairs(fs) do out(f(), f()) end {} end", run_blocks),
    form("out(pcall(function(...) {} end, {}))", run_blocks, run_expressions),
)  # fmt: skip
run_programs = form('local t = {{1, 2, k = 3}}\nlocal a, b = 1, "x"\n{}\nout(a, b, c, #t)', run_blocks)
