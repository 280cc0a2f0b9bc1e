"""What compiled chunks do on a bare Lua 5.5 (spec 02 §2-§4, §14)."""

import pytest

from wippy.lua.compile import Compiled, compile_chunk

from .syntax.running import NAME, output, run_plain


def test_compiled_chunk_carries_its_name_and_one_line_of_prologue() -> None:
    compiled = compile_chunk(b"\nreturn 1", NAME)
    prologue = b"local _ENV,__wpy_s,__wpy_y,__wpy_j,__wpy_o=...;local __wpy_c=0;return function(...)"
    assert compiled == Compiled(NAME, prologue + b"\nreturn 1  \nend", {})


# Erasure


def test_trailing_cast_keeps_all_values() -> None:
    assert output("local function f() return 1, 2 end local a, b = f() :: any out(a, b) out(f()!) out((f() as T))") == (
        "1 2\n1 2\n1"
    )


def test_statement_after_an_erased_type_does_not_join_it() -> None:
    source = "local f = out\nlocal x = f :: T\n(f)(1)\nlocal y: T\n(f)(2)\ntype A = T\n(f)(3)\nlocal z = f!\n(f)(4)"
    assert output(source) == "1\n2\n3\n4"


def test_annotated_code_of_every_form_runs() -> None:
    source = """
    type Item = {sku: string, note?: string, price: number @min(0), tags: {[string]: {string}}}
    type Tree<T> = {value: T, left: Tree<T>?, right: Tree<Tree<T>>}
    interface Shape: Base
        function area(scale: number): number
    end
    local box: Box<Box<number>>= {1}
    local function map<T, U: {a: T}>(list: {T}, f: (T, i: integer) -> U?, ...: any): ({U}, string)
        local result: {U} = {}
        for i, v in ipairs(list) do result[i] = f(v, i) end
        return result, ...
    end
    function box.m(a: number | string, b: fun(x: T): ()): asserts a is number end
    function box:n(): () return end
    local r, s = map({1, 2}, function(v: number): number, string return v * 2 end, "s")
    out(r[1] as number, r[2] :: integer | string & any, s!, #(r as {number}[]))
    """
    assert output(source) == "2 4 s 2"


def test_type_words_are_fields_and_type_is_a_name() -> None:
    source = """
    local t = {type = 1, readonly = 2, as = 3, is = 4, keyof = 5, interface = 6, extends = 7, asserts = 8}
    function t:is(x) return x end
    function t.as(x) return x end
    local type = type
    out(type(t), t.type, t.readonly, t.as(9), t:is(10), t.interface)
    type = 5
    out(type)
    """
    assert output(source) == "table 1 2 9 10 6\n5"


def test_global_is_an_ordinary_name() -> None:
    assert output("global = 1 local t = {global = 2} out(global, t.global)\nglobal\n= 3 out(global)") == "1 2\n3"
    assert output("local global = 4 global = 5 out(global) function f(global) return global end out(f(6))") == "5\n6"
    assert output("goto global ::global:: for global = 1, 1 do global = global + 1 out(global) end") == "2"


# Injected names


@pytest.mark.parametrize("name", ["__wpy_c", "__wpy_s", "__wpy_t", "__wpy_r", "__wpy_b", "__wpy_k", "__wpy_3", "_ENV"])
def test_guest_can_neither_read_nor_write_injected_names(name: str) -> None:
    source = f"""
    out({name})
    {name} = 1
    out({name})
    local function f({name}) {name} = {name} + 1 return {name} end
    for {name} = 1, 2 do out(f({name})) end
    for k, {name} in pairs({{5}}) do out({name}) end
    local {name}, g = 7
    function g() return {name} end
    local t = {{{name} = 8}}
    out(g(), t.{name}, t["{name}"])
    goto {name}
    do ::{name}:: end
    ::{name}::
    local n = 0
    while n < 200 do n = n + 1 t[#t + 1] = n end
    out(#t)
    """.replace(f"do ::{name}:: end", "")
    assert output(source) == "nil\n1\n2\n3\n5\n7 8 8\n200"


def test_mangled_names_do_not_meet() -> None:
    assert output("local __wpy_x, __wpy_u___wpy_x = 1, 2 out(__wpy_x, __wpy_u___wpy_x)") == "1 2"


def test_environment_cannot_be_replaced() -> None:
    assert output("local _ENV = {} out(1)") == "1"
    assert output("local function f(_ENV) return out end f({})(2)") == "2"


def test_chunk_gets_no_arguments_of_the_factory() -> None:
    assert output("out(select('#', ...))") == "0"


# Closed metatable fields


@pytest.mark.parametrize(
    "store",
    [
        "mt.__mode = 'k'",
        "mt['__mode'] = 'k'",
        "mt[ [[__mode]] ] = 'k'",
        "mt[('__mode')] = 'k'",
        "mt['__' .. 'mode'] = 'k'",
        "local k = '__mode' mt[k] = 'k'",
        "local k = '__mode' local function f() mt[k] = 'k' end f()",
        "k = '__mode' mt[k] = 'k'",
        "local o = {mt = mt} o.mt.__mode = 'k'",
        "local o = {mt = mt} o.mt['__mo' .. 'de'] = 'k'",
        "local k, o = '__mode', {mt} o[1][k] = 'k'",
        "local x mt[(function() return '__mode' end)()], x = 'k'",
        "for _, k in ipairs({'__mode'}) do mt[k] = 'k' end",
        "for i = 1, 1 do i = '__mode' mt[i] = 'k' end",
        "for i = 1, 1 do local i = '__mode' mt[i] = 'k' end",
        "for i = 1, 1 do local function f() i = '__mode' end f() mt[i] = 'k' end",
        "local a = setmetatable({}, {__add = function() return '__mode' end}) mt[a + 1] = 'k'",
        "local a = setmetatable({}, {__add = function() return '__mode' end}) for i = 1, 1 do i = a mt[i+1] = 1 end",
        "local a = setmetatable({}, {__len = function() return '__mode' end}) mt[#a] = 'k'",
        "local a = setmetatable({}, {__unm = function() return '__mode' end}) mt[-a] = 'k'",
        "mt['__mode' as string] = 'k'",
        "mt[('__mode')!] = 'k'",
        "mt = {__mode = 'k'}",
        "mt = {['__mode'] = 'k'}",
        "mt = {['__' .. 'mode'] = 'k'}",
        "local k = '__mode' mt = {[k] = 'k'}",
        "function mt.__mode() end",
        "function mt:__mode() end",
        "local o = {mt = mt} function o.mt.__mode() end",
        "local p = setmetatable({}, {__newindex = mt}) p.__mode = 'k'",
        "local p = setmetatable({}, {__newindex = mt}) local k = '__mode' p[k] = 'k'",
    ],
)
def test_guest_cannot_make_a_weak_table(store: str) -> None:
    lines = output(f"mt = {{}} {store} out(rawget(mt, '__' .. 'mode')) for k in pairs(mt) do out(#k) end").split("\n")
    assert lines == ["nil", "7"]


@pytest.mark.parametrize(
    "store",
    ["mt.__gc = f", "mt['__gc'] = f", "mt = {__gc = f}", "mt = {['__gc'] = f}", "function mt.__gc(x) end",
     "function mt:__gc(...) end"],
)  # fmt: skip
def test_guest_cannot_name_a_finalizer(store: str) -> None:
    source = f"mt = {{}} local function f() end {store} out(rawget(mt, '__' .. 'gc')) for k in pairs(mt) do out(#k) end"
    assert output(source) == "nil\n5"


def test_renamed_method_still_gets_self_and_its_arguments() -> None:
    source = """local mt = {} function mt:__gc(a, ...) return self, a, ... end function mt.__mode(...) return ... end
    for k, f in pairs(mt) do if #k == 5 then out(f(1, 2, 3)) else out(f(4, 5)) end end"""
    assert sorted(output(source).split("\n")) == ["1 2 3", "4 5"]


def test_guarded_stores_evaluate_each_part_once_and_in_order() -> None:
    source = """
    local function say(x) out(x) return x end
    local t = {a = {}}
    say(t).a[say("k")] = say("v")
    t[say(1)], t[say(2)] = say("x"), say("y")
    t[say("z") .. ""] = say(3)
    local u = {[say("p") .. ""] = say("q"), [say(5)] = say(6)}
    out(t.a.k, t[1], t[2], t.z, u.p, u[5])
    """
    assert output(source) == run_plain(source)


def test_guarded_keys_of_any_type_arrive() -> None:
    source = """
    local t, k = {}, {}
    local function f() end
    for _, key in ipairs({true, 1, 2.5, "x", k, f}) do t[key] = 1 end
    t[k], t[not k], t[f], t[1 < 2], t[#"abc"] = 2, 3, 4, 5, 6
    out(t[k], t[false], t[f], t[true], t[3], t[1], t[2.5], t.x)
    local missing
    out(pcall(function() t[missing] = 1 end))
    out(pcall(function() t[missing and 1] = 1 end))
    out(pcall(function() t[0/0] = 1 end))
    """
    assert output(source) == run_plain(source)


# Loops


@pytest.mark.parametrize(
    "limit",
    [
        *["3", "2.5", "0", "-1", "1e3", "0/0", "math.huge", "math.maxinteger", "'3'", "'0x10'", "'x'", "nil", "{}"],
        *["499", "500", "501", "1000", "1001", "1001.5"],
    ],
)
@pytest.mark.parametrize("step", ["", ", 1", ", 2", ", 499", ", 1000", ", 1001", ", -1", ", 0"])
@pytest.mark.parametrize("start", ["0", "1", "7", "n"])
def test_numeric_loop_visits_what_plain_lua_visits(start: str, limit: str, step: str) -> None:
    source = f"""
    local n, sum, count = 1, 0, 0
    for i = {start}, {limit}{step} do
        if count > 1600 then out("many") break end
        sum, count = sum + i, count + 1
        if count < 3 then out(i, math.type(i)) end
    end
    out(sum, count)
    """
    assert output(source) == run_plain(source)


@pytest.mark.parametrize(
    "limit", ["-3", "2.5", "'2'", "-1e3", "-math.huge", "0/0", "nil", "-2000", "-2000.5", "math.mininteger"]
)
@pytest.mark.parametrize("step", ["-1", "-2", "-1000", "-1001"])
def test_numeric_loop_counts_down(limit: str, step: str) -> None:
    source = (
        f"local c, s = 0, 0 for i = 5, {limit}, {step} do c = c + 1 s = s + i if c > 1600 then break end end out(c, s)"
    )
    assert output(source) == run_plain(source)


def test_numeric_loop_near_the_last_integer_ends() -> None:
    source = "local c = 0 for i = math.maxinteger - 2, math.maxinteger do c = c + 1 end out(c)"
    assert output(source) == "3"
    assert output(source.replace("math.maxinteger - 2", "9223372036854775805")) == "3"


def test_limit_is_evaluated_once_and_before_the_variable_exists() -> None:
    source = """
    local i, calls = 3, 0
    local function limit() calls = calls + 1 return i, "ignored" end
    for i = 1, limit() do out(i) i = 10 end
    for i = 1, i do out(i) end
    out(calls)
    """
    assert output(source) == "1\n2\n3\n1\n2\n3\n1"


def test_break_leaves_the_loop_it_stands_in() -> None:
    source = """
    for i = 1, 2 do
        for j = 1, 2000 do
            if j == 1200 then do break end end
            if j > 1200 then out("late") end
        end
        out(i)
        while true do if i then break end end
        repeat break until false
        for _ in pairs({1, 2}) do break end
    end
    """
    assert output(source) == "1\n2"


def test_return_and_goto_leave_blocks() -> None:
    source = """
    local function f() for i = 1, 2000 do if i == 700 then return i end end end
    out(f())
    for i = 1, 2000 do if i == 800 then out(i) goto done end end
    out("not here")
    ::done::
    for i = 1, 1500 do if i % 500 ~= 0 then goto continue end out(i) ::continue:: end
    """
    assert output(source) == "700\n800\n500\n1000\n1500"


def test_closures_capture_a_fresh_variable_each_round() -> None:
    source = """
    local fs = {}
    for i = 1, 3 do fs[#fs + 1] = function() i = i + 10 return i end end
    for k, v in ipairs({4, 5}) do fs[#fs + 1] = function() k = k + v return k end end
    local n = 0
    while n < 2 do n = n + 1 local m = n fs[#fs + 1] = function() m = m + 1 return m end end
    for _, f in ipairs(fs) do out(f(), f()) end
    """
    assert output(source) == "11 21\n12 22\n13 23\n5 9\n7 12\n2 3\n3 4"


def test_assigned_loop_variable_does_not_disturb_the_loop() -> None:
    assert output("for i = 1, 3 do i = i * 2 out(i) end") == "2\n4\n6"
    assert output("for i = 3, 1, -1 do i = i * 2 out(i) end") == "6\n4\n2"
    assert output("for k, v in ipairs({5, 6}) do k, v = v, k out(k, v) end") == "5 1\n6 2"
    assert output("for k, k in ipairs({5, 6}) do k = k + 1 out(k) end") == "6\n7"
    assert output("for f = 1, 1 do function f() return 2 end out(f()) end") == "2"
    assert output("for i = 1, 2 do local i = i i = i + 1 out(i) end") == "2\n3"


def test_repeat_condition_sees_the_locals_of_its_body() -> None:
    assert output("local n = 0 repeat local done = n > 2 n = n + 1 until done out(n)") == "4"


@pytest.mark.parametrize(
    "values",
    ["f()", "next, t, nil, c", "next, t, f2()", "next, f2()", "f() :: any", "f()!", "table.unpack({next, t, nil, c})"],
)
def test_generic_loop_closes_nothing(values: str) -> None:
    source = f"""
    local c = setmetatable({{}}, {{__close = function() out("closed") end}})
    local t = {{1}}
    local function f() return next, t, nil, c end
    local function f2() return nil, nil, c end
    pcall(function() for k, v in {values} do out(k, v) end end)
    """
    assert "closed" not in output(source)


def test_generic_loop_gets_exactly_its_three_values() -> None:
    source = """
    local function it(s, c) if c < 3 then return c + 1, s end end
    for k, v in it, "s", 0 do out(k, v) end
    local function all() return it, "t", 1, "dropped" end
    for k, v in all() do out(k, v) end
    for k, v in (it), select(2, all()) do out(k, v) end
    """
    assert output(source) == "1 s\n2 s\n3 s\n2 t\n3 t\n2 t\n3 t"
