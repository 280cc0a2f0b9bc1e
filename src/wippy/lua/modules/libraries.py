"""What every program has without `require`: the base functions, `table`, `string` and `math` (spec 02 §11, §12).

Declared for documentation and the linter; kernel/sandbox.lua, tables.lua and strings.lua implement them.
"""

from __future__ import annotations

from wippy.lua.modules.core import KERNEL_MODULES, KernelModule
from wippy.lua.syntax.declarations import PRIMITIVES

GLOBALS = KernelModule(
    "globals",
    "What every program can call as it is.",
    classes=("deterministic",),
    is_global=True,
    constants={"_VERSION": "Lua 5.3", "package": {"path": "", "cpath": ""}},
    functions={
        "assert(condition: any, message: any, ...any) -> any": (
            "All arguments when the condition holds; otherwise raises the message, a text with its position."
        ),
        "error(value: any, level: number?)": "Raises a value; a text gets the position, of the caller with level 2.",
        "pcall(f: function, ...any) -> boolean": "True and the results of a call, or false and what it raised.",
        "xpcall(f: function, handler: function, ...any) -> boolean": (
            "As `pcall`; what was raised goes through the handler before the stack is left."
        ),
        "type(value: any) -> string": "nil, boolean, number, string, table, function, thread, userdata or type.",
        "tostring(value: any) -> string": "A value as text: `__tostring` of tables, the message of errors, 5.0 as 5.",
        "tonumber(value: any, base: number?) -> number?": "The number a text stands for, nil when it stands for none.",
        "next(t: table, key: any) -> any": "The entry after a key, in no order that means anything.",
        "pairs(t: table) -> function": "Walks all entries.",
        "ipairs(t: table) -> function": "Walks 1, 2, ... up to the first nil.",
        "rawget(t: table, key: any) -> any": "An entry, metatables aside.",
        "rawset(t: table, key: any, value: any) -> table": "Sets an entry, metatables aside. Frozen tables refuse.",
        "rawequal(a: any, b: any) -> boolean": "Whether two values are the same, metatables aside.",
        "getmetatable(value: any) -> any": "The metatable, or its `__metatable` field.",
        "setmetatable(t: table, metatable: table?) -> table": (
            "Gives a table a metatable; protected and frozen ones refuse, and so do `__gc` and `__mode`."
        ),
        "select(n: any, ...any) -> any": "The arguments from the n-th on; with `#` their number.",
        "unpack(t: table, first: number?, last: number?) -> any": "The elements as values.",
        "print(...any)": "Logs values, joined by a space, at level info.",
        "require(name: string) -> any": "The module or import of that name. Raises when the entry does not declare it.",
        "subscribe(topic: string, channel: Channel) -> boolean": "Leads messages of a topic to a channel.",
        "unsubscribe(channel: Channel) -> boolean": "Ends that.",
        "package.loadlib() -> nil": "Not available.",
        "package.seeall()": "Does nothing.",
    },
)
GLOBALS.prefix = ""

TABLE = KernelModule(
    "table",
    "Lists and tables.",
    classes=("deterministic",),
    is_global=True,
    functions={
        "concat(t: table, separator: string?, first: number?, last: number?) -> string": (
            "Texts, numbers and errors joined; bounds outside the list are cut."
        ),
        "create(length: number?, fields: number?) -> table": "An empty table with room.",
        "freeze(t: table) -> table": "The same table, never to be changed again; tables inside stay as they are.",
        "getn(t: table) -> integer": "The same as `#t`.",
        "insert(t: table, position: any, value: any)": "`insert(t, v)` appends, `insert(t, at, v)` moves the rest up.",
        "isfrozen(t: table) -> boolean": "Whether it is frozen.",
        "maxn(t: table) -> number": "The largest positive number among the keys.",
        "move(from: table, first: number, last: number, at: number, to: table?) -> table": "Copies a part of a list.",
        "pack(...any) -> table": "The arguments as a list with their number under `n`.",
        "remove(t: table, position: number?) -> any": "Takes an element out, the last one by default.",
        "sort(t: table, less: function?)": "Sorts in place. Stable, and never complains about an inconsistent order.",
        "unpack(t: table, first: number?, last: number?) -> any": "The elements as values.",
    },
)

STRING = KernelModule(
    "string",
    "Texts, which are byte strings. The functions are methods of every text, and `string` is its type.",
    classes=("deterministic",),
    is_global=True,
    functions={
        "byte(s: string, first: number?, last: number?) -> integer": "The bytes as numbers.",
        "char(...number) -> string": "A text of bytes; values are taken modulo 256.",
        "dump(f: function)": "Raises: code cannot be written out.",
        "find(s: string, pattern: string, first: number?, plain: boolean?) -> integer?": (
            "First and last index of a match and its captures, or nil."
        ),
        "format(template: string, ...any) -> string": "As in C. A value that does not fit is written as it prints.",
        "gfind(s: string, pattern: string) -> function": "The same as `gmatch`.",
        "gmatch(s: string, pattern: string) -> function": "Walks all matches.",
        "gsub(s: string, pattern: string, replacement: any, most: number?) -> string": (
            "Replaces matches by a text, a table's entries or a function's results; the text and how many."
        ),
        "len(s: string) -> integer": "The number of bytes.",
        "lower(s: string) -> string": "In small letters, of all scripts.",
        "match(s: string, pattern: string, first: number?) -> any": "The captures of a match, or nil.",
        "pack(layout: string, ...any) -> string": "Values as bytes.",
        "packsize(layout: string) -> integer": "How many bytes a layout takes.",
        "rep(s: string, count: number, separator: string?) -> string": "A text repeated.",
        "reverse(s: string) -> string": "The bytes from back to front.",
        "sub(s: string, first: number, last: number?) -> string": "A part; negative indices count from the end.",
        "unpack(layout: string, s: string, first: number?) -> any": "The values in bytes, and where the next begins.",
        "upper(s: string) -> string": "In capital letters, of all scripts.",
    },
)
STRING.in_lua(
    {
        "is(value: any) -> any": "As a type: a text, or nil and why it is none.",
        "kind() -> string": "As a type (`string:kind()`): string.",
        "name() -> string": "As a type (`string:name()`): string.",
        **{
            f"{part}() -> nil": "As a type it has none: nil."
            for part in ("fields", "elem", "key", "val", "inner", "variants", "params", "ret", "tparams")
        },
    }
)

_NUMBER_TO_NUMBER = {
    "abs": "The amount of a number.",
    "acos": "Arc cosine, in radians.",
    "asin": "Arc sine, in radians.",
    "ceil": "The smallest integer that is not smaller.",
    "cos": "Cosine of radians.",
    "cosh": "Hyperbolic cosine.",
    "deg": "Radians as degrees.",
    "exp": "e to a power.",
    "floor": "The largest integer that is not larger.",
    "log10": "Logarithm to the base 10.",
    "rad": "Degrees as radians.",
    "sin": "Sine of radians.",
    "sinh": "Hyperbolic sine.",
    "sqrt": "Square root.",
    "tan": "Tangent of radians.",
    "tanh": "Hyperbolic tangent.",
}

MATH = KernelModule(
    "math",
    "Numbers.",
    classes=("deterministic",),
    is_global=True,
    constants={
        "huge": 1.7976931348623157e308,
        "maxinteger": 9223372036854775807,
        "mininteger": -9223372036854775808,
        "pi": 3.141592653589793,
    },
    functions={
        **{f"{name}(x: number) -> number": summary for name, summary in _NUMBER_TO_NUMBER.items()},
        "atan(y: number, x: number?) -> number": "Arc tangent of y/x, in radians.",
        "atan2(y: number, x: number) -> number": "The same with both arguments.",
        "fmod(x: number, y: number) -> number": "The rest of a division, with the sign of x; NaN for y = 0.",
        "frexp(x: number) -> number": "Mantissa and exponent.",
        "ldexp(mantissa: number, exponent: number) -> number": "mantissa * 2^exponent.",
        "log(x: number, base: number?) -> number": "Logarithm, natural by default.",
        "max(x: number, ...number) -> number": "The largest.",
        "min(x: number, ...number) -> number": "The smallest.",
        "mod(x: number, y: number) -> number": "The same as `fmod`.",
        "modf(x: number) -> number": "Integral and fractional part.",
        "pow(x: number, y: number) -> number": "x^y.",
        "random(first: number?, last: number?) -> number": "In [0, 1), in [1, first] or in [first, last].",
        "randomseed(seed: any)": "Does nothing: the generator seeds itself.",
        "tointeger(value: any) -> integer?": "An integral number, or a text of one, as an integer.",
        "type(value: any) -> string?": '"integer", "float" or nil.',
        "ult(a: integer, b: integer) -> boolean": "Whether a < b as unsigned integers.",
    },
)

BUILT_IN = {**KERNEL_MODULES, **{library.name: library for library in (TABLE, STRING, MATH)}}
"""Modules that are the kernel's own: those it implements and Lua's libraries."""

AMBIENT = frozenset(module.name for module in BUILT_IN.values() if module.is_global)
"""Those that need not be listed."""

GLOBAL_NAMES = frozenset({"_G", *GLOBALS.members(), *AMBIENT, *(PRIMITIVES - {"nil"})})
"""Every global of a program that declares nothing."""
