"""What the typed configs say, field by field: names, types, defaults, and the texts that stand below them.

A field's text is the string literal after it in the class body; that of a kind is the docstring of its handler.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect as shapes

from wippy.kinds import KINDS
from wippy.project.namespaces import DefinitionData, DependencyData, RequirementData
from wippy.registry.handlers import AnyHandler
from wippy.services.catalog import GROUP
from wippy.services.catalog import KINDS as SERVICE_KINDS


class Field(NamedTuple):
    """One field of a config. `name`: as it is written; `meta.` in front of it means the entry's meta."""

    name: str
    type: shapes.Type
    required: bool
    default: Any
    summary: str


class Kind(NamedTuple):
    """One entry kind. `config` is None when any data will do."""

    name: str
    summary: str
    config: type[msgspec.Struct] | None
    references: tuple[str, ...] = ()


INTERNAL = (
    Kind("registry.entry", "Data of the application, without a handler.", None),
    Kind("ns.definition", "What a module says about itself; a published one has exactly one.", DefinitionData),
    Kind("ns.requirement", "A value that a module needs from whoever uses it, and where it goes.", RequirementData),
    Kind("ns.dependency", "A module that is used, and the values it gets.", DependencyData),
)


def kinds() -> list[Kind]:
    """All kinds of this installation, extensions included, by name."""
    table: Mapping[str, str] = {**KINDS, **SERVICE_KINDS, **{p.name: p.value for p in entry_points(group=GROUP)}}
    return sorted([*INTERNAL, *(_kind(name, path) for name, path in table.items())])


def _kind(name: str, path: str) -> Kind:
    module, _, attribute = path.partition(":")
    handler: type[AnyHandler] = getattr(import_module(module), attribute)
    return Kind(name, _first_paragraph(handler.__dict__.get("__doc__")), handler.config, handler.references)


def fields(config: type[msgspec.Struct]) -> list[Field]:
    """The fields of a config, required ones first."""
    shape = shapes.type_info(config)
    assert isinstance(shape, shapes.StructType)
    found = [_field(config, field) for field in shape.fields]
    return sorted(found, key=lambda field: not field.required)


def _field(config: type[msgspec.Struct], field: shapes.Field) -> Field:
    default = field.default
    if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    required = field.required or _is_marked_required(field.type)
    return Field(field.encode_name, field.type, required, default, _texts(config).get(field.name, ""))


def _is_marked_required(wanted: shapes.Type) -> bool:
    """See `core.config.Required`."""
    return isinstance(wanted, shapes.Metadata) and bool((wanted.extra or {}).get("required"))


def structs(wanted: Iterable[shapes.Type]) -> list[type[msgspec.Struct]]:
    """The configs that types consist of, however deep, each once, in the order they are met."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting = list(wanted)
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, shapes.StructType):
            if current.cls not in found:
                found[current.cls] = None
                waiting += [field.type for field in current.fields]
        elif isinstance(current, shapes.UnionType):
            waiting += current.types
        elif isinstance(current, shapes.DictType):
            waiting.append(current.value_type)
        elif isinstance(current, shapes.Metadata):
            waiting.append(current.type)
        elif isinstance(current, shapes.ListType):
            waiting.append(current.item_type)
    return list(found)


def summary_of(config: type[msgspec.Struct]) -> str:
    """The first paragraph of a config's docstring."""
    return _first_paragraph(config.__dict__.get("__doc__"))


def _first_paragraph(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


@cache
def _texts(config: type[msgspec.Struct]) -> dict[str, str]:
    """Field -> the text below it, those of base classes included."""
    found: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if base.__module__.startswith("msgspec") or base is object:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        for statement, following in zip(body.body, body.body[1:], strict=False):
            if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
                continue
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                found[statement.target.id] = " ".join(str(following.value.value).split())
    return found
