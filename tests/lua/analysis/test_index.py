"""Definitions, scopes and uses."""

from __future__ import annotations

import os

from hypothesis import example, given, settings

from lua.analysis.project import document, workspace
from lua.syntax.programs import blocks
from wippy.lua.analysis import document as kinds
from wippy.lua.analysis.indexer import index
from wippy.lua.analysis.inference import Inference
from wippy.lua.analysis.navigation import Named, definition_at, references_at, resolve
from wippy.lua.analysis.text import Text
from wippy.lua.lint.names import resolve_names
from wippy.lua.syntax.errors import LuaSyntaxError
from wippy.lua.syntax.parser import parse


def visible(marked: str) -> dict[str, str]:
    before, _, after = marked.partition("|")
    _, found = document(before + after)
    return {name: definition.kind for name, definition in found.visible(len(before)).items()}


def test_a_local_is_seen_behind_its_statement_up_to_the_end_of_its_block() -> None:
    assert "x" not in visible("local x = | 1\nreturn x")
    assert visible("local x = 1\n| return x") == {"x": kinds.LOCAL}
    assert visible("do local x = 1 end\n| return 2") == {}


def test_parameters_loop_variables_self_and_functions_are_seen_inside() -> None:
    seen = visible("local M = {}\nfunction M:go(a)\n  for k, v in pairs(a) do\n  |  end\nend\nreturn M")
    assert seen == {
        "M": kinds.LOCAL, "a": kinds.PARAMETER, "k": kinds.LOOP, "v": kinds.LOOP, "self": kinds.PARAMETER,
    }  # fmt: skip


def test_a_local_function_sees_itself_and_a_local_with_a_function_does_not() -> None:
    assert visible("local function f() | end") == {"f": kinds.FUNCTION}
    assert visible("local f = function() | end") == {}


def test_the_condition_of_repeat_sees_the_locals_of_its_body() -> None:
    assert visible("repeat local done = true until |done") == {"done": kinds.LOCAL}


def test_types_are_seen_everywhere_and_their_parameters_inside() -> None:
    assert visible("|local x: T = 1\ntype T = number") == {"T": kinds.TYPE}


@settings(max_examples=int(os.environ.get("ANALYSIS_EXAMPLES", "150")), deadline=None)
@given(blocks)
@example("local a: typeof(a!), b: typeof(a) = 1, a")
def test_names_resolve_as_the_linter_resolves_them(program: str) -> None:
    source = program.encode()
    try:
        chunk = parse(source, "app:x")
    except LuaSyntaxError:
        return
    text = Text(source)
    found = index(chunk, text, text)
    definitions = {use.start: use.definition for use in found.uses if use.receiver is None and not use.is_type}
    for node, binding in resolve_names(chunk).reads:
        definition = definitions[text.place(node.line, node.column)]
        if binding is not None and binding.name != "self":
            assert definition is not None
            assert definition.start == text.place(binding.line, binding.column)


@settings(max_examples=int(os.environ.get("ANALYSIS_EXAMPLES", "150")), deadline=None)
@given(blocks)
def test_definition_and_references_agree(program: str) -> None:
    made = workspace(main=program)
    found = made.document("app:main")
    assert found is not None
    if not found.complete:
        return
    for use in found.uses:
        named = resolve(Inference(made), found, use)
        if named.definition is None or named.document is not found or named.definition.module is not None:
            continue
        places = {place.start for place in references_at(made, found, use.start, declaration=True)}
        again = [_named_at(place, found) for place in places]
        own = found.use_at(use.start)
        assert own is not None
        if own is use:
            assert use.start in places
            place = definition_at(made, found, use.start)
            assert place is not None and place.start == named.definition.start
            assert all(other is None or other.name == use.name for other in again)


def _named_at(start: int, found: kinds.Document) -> kinds.Use | None:
    return found.use_at(start)


def test_each_use_of_a_name_belongs_to_one_definition() -> None:
    _, found = document("local a = 1\nlocal function f(a) return a end\nlocal a = a + f(a)\nreturn a")
    owners = [[d for d in found.definitions if use in d.uses] for use in found.uses]
    assert all(len(each) == 1 for each in owners)
    assert len({id(each[0]) for each in owners}) == 4


LIBRARY = """
type Item = {sku: string, amount: integer}
local M = {}
function M.of(item: Item) return item.amount end
function M:scale(by) self.factor = by return self end
M.Item = Item
return M
"""
USER = """
local prices = require("prices")
local total = prices.of
local function main(item: prices.Item)
  return total(item) + prices.of(item) + item.amount + prices:scale(2).factor
end
return { main = main }
"""


def test_members_lead_across_an_import_to_where_they_are_written() -> None:
    made = workspace(prices=LIBRARY, user=USER)
    user = made.document("app:user")
    assert user is not None
    led = {}
    for mark, inside in [("prices.of", 7), ("prices.Item", 7), ("item.amount", 5), (":scale", 1), (").factor", 2)]:
        place = definition_at(made, user, USER.index(mark) + inside)
        assert place is not None and place.document.id == "app:prices"
        led[mark] = LIBRARY[place.start : place.end], LIBRARY.count("\n", 0, place.start)
    assert led == {
        "prices.of": ("of", 3),
        "prices.Item": ("Item", 1),
        "item.amount": ("amount", 1),
        ":scale": ("scale", 4),
        ").factor": ("factor", 4),
    }


def test_references_of_a_member_are_found_in_the_documents_that_import_it() -> None:
    made = workspace(prices=LIBRARY, user=USER)
    library = made.document("app:prices")
    assert library is not None
    found = references_at(made, library, LIBRARY.index("of(item"), declaration=True)
    assert [(place.document.id, place.start) for place in found] == [
        ("app:prices", LIBRARY.index("of(item")),
        ("app:user", USER.index("prices.of") + 7),
        ("app:user", USER.index("prices.of(") + 7),
    ]
    assert len(references_at(made, library, LIBRARY.index("of(item"), declaration=False)) == 2


def test_code_that_refers_to_itself_ends() -> None:
    made, found = document(
        "local a = b\nb = a\nlocal function f() return f() end\nlocal t = {}\nt.t = t\nreturn f().x.y"
    )
    for use in found.uses:
        assert isinstance(resolve(Inference(made), found, use), Named)


def test_a_released_index_refers_to_nothing() -> None:
    _, found = document(LIBRARY)
    definition = found.types["Item"]
    found.release()
    assert not definition.uses and not found.uses and found.text.source == LIBRARY.encode()
