"""The reference pages agree with the declarations, and every declared name exists (docs/reference)."""

from __future__ import annotations

from pathlib import Path

from lua.modules.guest import check
from wippy.lua.modules.reference import modules, page, pages, permission_page, write

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
CHECKED_IN = REFERENCE / "modules"


def test_checked_in_pages_are_current() -> None:
    stale = "run: python -m wippy.lua.modules.reference docs/reference"
    made = pages(modules())
    assert {path.name for path in CHECKED_IN.glob("*.md")} == set(made), stale
    for name, text in made.items():
        assert (CHECKED_IN / name).read_text("utf-8") == text, f"{name}: {stale}"


def test_checked_in_page_of_permissions_is_current() -> None:
    stale = "run: python -m wippy.lua.modules.reference docs/reference"
    assert (REFERENCE / "permissions.md").read_text("utf-8") == permission_page(modules()), stale


def test_every_module_and_function_is_described() -> None:
    for module in modules():
        assert module.summary and module.classes
        described = [f for f in module.functions.values() if not f.private]
        assert described or module.constants or module.handles, f"{module.name} declares nothing"
        for function in [*described, *(m for h in module.handles.values() for m in h.methods.values())]:
            assert function.summary, f"{module.name}: {function.signature.text} has no summary"


def test_a_page_shows_signatures_permissions_and_suspension() -> None:
    by_name = {module.name: page(module) for module in modules()}
    assert "### `crypto.pbkdf2(" in by_name["crypto"] and "Suspends" in by_name["crypto"]
    assert "### `:match_string(s: string) -> boolean`" in by_name["text"]
    assert "Needs permission" in "".join(by_name.values())
    assert "| `errors.NOT_FOUND` | `'NotFound'` |" in by_name["errors"]


def test_pages_of_modules_that_are_gone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "old.md").write_text("x")
    names = {path.name for path in write(tmp_path)}
    assert "index.md" in names and not (tmp_path / "modules" / "old.md").exists()


def test_what_a_module_declares_is_exactly_what_guests_find_in_it() -> None:
    """Names of the module's table, and that functions are functions also where they are nested."""
    declared = {module.name: module for module in modules() if module.name not in ("globals", "logger")}
    program = """
        local out = {}
        for name, paths in pairs(...) do
          local module = require(name)
          local members, wrong = {}, {}
          for member in pairs(module) do members[#members + 1] = member end
          for _, path in ipairs(paths) do
            local v = module
            for part in path:gmatch("[^.]+") do v = v and v[part] end
            if type(v) ~= "function" then wrong[#wrong + 1] = path end
          end
          out[name] = { members = members, wrong = wrong }
        end
        return out
    """
    functions = {
        name: [f.signature.name for f in module.functions.values() if not f.private]
        for name, module in declared.items()
    }
    found = check(program, functions, modules=tuple(declared))
    assert {name: set(of["members"]) for name, of in found.items()} == {
        name: set(module.members()) for name, module in declared.items()
    }
    assert not any(of["wrong"] for of in found.values())
