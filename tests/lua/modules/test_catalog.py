"""Where modules come from, and that declarations and kernel agree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lua.modules.guest import check
from wippy.core.errors import Error
from wippy.lua.modules.catalog import KERNEL, MODULES, Catalog
from wippy.lua.modules.core import KERNEL_MODULES
from wippy.lua.modules.declare import Module
from wippy.lua.modules.libraries import BUILT_IN, GLOBALS
from wippy.services.catalog import KINDS, handler
from wippy.services.catalog import MODULES as SERVICE_MODULES


def test_every_built_in_module_can_be_loaded_under_its_name() -> None:
    catalog = Catalog(None, MODULES)
    for name in MODULES:
        module = catalog.find(name)
        assert module is not None and module.name == name and module.summary and module.classes
        assert catalog.find(name) is module


def test_tags_of_modules() -> None:
    catalog = Catalog(None, MODULES)
    tags = {name: catalog.find(name).classes for name in ("json", "hash", "uuid", "logger", "io")}  # type: ignore[union-attr]
    assert tags == {
        "json": ("encoding", "deterministic"),
        "hash": ("encoding", "security", "deterministic"),
        "uuid": ("nondeterministic", "workflow"),
        "logger": ("io",),
        "io": ("io", "nondeterministic"),
    }


def test_unknown_and_kernel_names() -> None:
    catalog = Catalog(None, MODULES)
    assert catalog.find("nonsense") is None and catalog.find("funcs") is None
    assert (
        catalog.known("json") and catalog.known("funcs") and catalog.known("string") and not catalog.known("nonsense")
    )


def test_what_is_no_module_is_an_internal_error() -> None:
    with pytest.raises(Error) as caught:
        Catalog(None, {"bad": "wippy.lua.modules.catalog:GROUP"}).find("bad")
    assert caught.value.kind == "Internal"


def test_a_third_partys_module_is_found_through_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata
    from importlib.metadata import EntryPoint

    point = EntryPoint("hash2", "wippy.lua.modules.hash:hash", "wippy.modules")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "wippy.modules" else [])
    catalog = Catalog(None, MODULES)
    found = catalog.find("hash2")
    assert isinstance(found, Module) and catalog.known("hash2") and "hash2" in set(catalog.names())


def test_unknown_kinds_are_not_found() -> None:
    with pytest.raises(Error) as caught:
        handler("no.such.kind", None)  # type: ignore[arg-type]
    assert caught.value.kind == "NotFound"


def test_tables_name_what_they_mean() -> None:
    from wippy.lua.modules.catalog import load

    for kind, path in KINDS.items():
        assert path.startswith("wippy.") and load(path).kind == kind
    found = [load(path) for path in SERVICE_MODULES.values()]
    assert all(isinstance(module, Module) or callable(module) for module in found)


def test_the_kernel_has_every_function_that_is_declared_for_it() -> None:
    assert set(KERNEL_MODULES) == KERNEL
    names = [f"{module.prefix}{name}" for module in (GLOBALS, *BUILT_IN.values()) for name in module.functions]
    missing = check(
        "local out = {} for _, path in ipairs(...) do local v = _G "
        "for part in path:gmatch('[^.]+') do v = v and v[part] end "
        "if type(v) ~= 'function' then out[#out + 1] = path end end return out",
        names,
    )
    assert missing in ([], {})


def test_heavy_packages_are_imported_only_when_used() -> None:
    program = (
        "import sys, wippy, wippy.lua.modules.catalog, wippy.services.catalog; "
        "print([m for m in ('apsw', 'jsonschema_rs', 'sqlite_vec', 'zoneinfo', 'lupa') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
