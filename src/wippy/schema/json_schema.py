"""JSON Schema (draft 7, which editors know best) for definition files and for `.wippy.yaml`.

Wherever a number or a boolean is expected, a text with a placeholder (`${env:PORT}`) will do as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect as shapes

from wippy.core.config import Duration, Ref, Size
from wippy.project.settings import SETTINGS, Setting
from wippy.schema.fields import Field, Kind, fields, structs, summary_of

Json: TypeAlias = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
DURATION = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$|^-"
_PLACEHOLDER: Json = {"$ref": "#/definitions/placeholder"}
_SHARED: Json = {
    "placeholder": {"type": "string", "pattern": r"\$\{", "description": "`${env:NAME}` or `${env:NAME|default}`."},
    "duration": {
        "anyOf": [{"type": "string", "pattern": DURATION}, _PLACEHOLDER],
        "description": "A duration such as 500ms, 30s or 1h30m.",
    },
    "size": {
        "type": ["integer", "string"],
        "description": "Bytes: a number, or a text such as 64MB.",
    },
    "entry_id": {
        "description": "Another entry: ns:name, or a name in this namespace.",
        "anyOf": [
            {"type": "string", "minLength": 1},
            {
                "type": "object",
                "properties": {"ns": {"type": "string"}, "name": {"type": "string"}},
                "required": ["name"],
            },
        ],
    },
}


def definition_files(known: Iterable[Kind]) -> Json:
    """The schema of files that hold entries of these kinds (spec 01 §2)."""
    listed = list(known)
    configs = structs(shapes.type_info(kind.config) for kind in listed if kind.config is not None)
    return {
        "$schema": DRAFT,
        "title": "wippy definition file",
        "type": "object",
        "required": ["namespace"],
        "properties": {
            "version": {"description": "Informational.", "type": ["string", "number"]},
            "namespace": {"description": "The namespace of all entries.", "type": "string", "minLength": 1},
            "meta": {"description": "Defaults below the meta of every entry.", "type": "object"},
            "entries": {"type": "array", "items": {"$ref": "#/definitions/entry"}},
        },
        "if": {"required": ["entries"]},
        "else": {"$ref": "#/definitions/entry"},
        "definitions": {
            **_SHARED,
            "entry": _entry(listed),
            **{f"kind.{kind.name}": _kind(kind) for kind in listed if kind.config is not None},
            **{_name(config): _struct(config) for config in configs},
        },
    }


def runtime_configuration() -> Json:
    """The schema of `.wippy.yaml` (spec 01 §5): every setting in nested and in dotted spelling."""
    sections = _sections()
    return {
        "$schema": DRAFT,
        "title": "wippy runtime configuration",
        "type": "object",
        "required": ["version"],
        "properties": {
            "version": {"const": "1.0"},
            "vars": {"description": "Values for `${name}` in this file.", "type": "object"},
            "profiles": {
                "description": "Name -> sections that are laid over the others with `--profile NAME`.",
                "type": "object",
                "additionalProperties": {"$ref": "#/definitions/sections"},
            },
            **_shaping(),
            **sections,
        },
        "definitions": {**_SHARED, "sections": {"type": "object", "properties": {**_shaping(), **sections}}},
    }


def _entry(known: list[Kind]) -> Json:
    return {
        "type": "object",
        "required": ["name", "kind"],
        "properties": {
            "name": {"description": "The entry's name in its namespace.", "type": "string", "minLength": 1},
            "kind": {
                "description": "What the entry is.",
                "anyOf": [{"const": kind.name, "description": kind.summary} for kind in known],
            },
            "meta": {"description": "What the entry can be found by.", "type": "object"},
        },
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]},
                "then": {"$ref": f"#/definitions/kind.{kind.name}"},
            }
            for kind in known
            if kind.config is not None
        ],
    }


def _kind(kind: Kind) -> Json:
    """The fields of an entry: beside name and kind, or all of them under `data`."""
    assert kind.config is not None
    found = fields(kind.config)
    meta = [field._replace(name=field.name[5:]) for field in found if field.name.startswith("meta.")]
    data = _object(field for field in found if not field.name.startswith("meta."))
    said: Json = {
        "description": kind.summary,
        "if": {"required": ["data"]},
        "then": {"properties": {"data": {"type": "object", **data}}},
        "else": data,
    }
    if meta:
        said["properties"] = {"meta": {"type": "object", **_object(meta)}}
        if any(field.required for field in meta):
            said["required"] = ["meta"]
    return said


def _struct(config: type[msgspec.Struct]) -> Json:
    summary = summary_of(config)
    shape: Json = {"type": "object", **_object(fields(config))}
    return {**shape, "description": summary} if summary else shape


def _object(found: Iterable[Field]) -> Json:
    """Properties; each may also come from the environment, as `<name>_env`."""
    listed = list(found)
    shape: Json = {"properties": {field.name: _property(field) for field in listed}}
    needed = [field.name for field in listed if field.required]
    if needed:
        shape["allOf"] = [{"anyOf": [{"required": [name]}, {"required": [f"{name}_env"]}]} for name in needed]
    return shape


def _property(field: Field) -> Json:
    shape = _type(field.type)
    if field.summary:
        shape = {"description": field.summary, **({"allOf": [shape]} if "$ref" in shape else shape)}
    default = _plain(field.default)
    if default not in (None, "", [], {}, msgspec.NODEFAULT):
        shape["default"] = default
    return shape


def _plain(value: Any) -> Any:
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return None
    return value


def _type(wanted: shapes.Type) -> Json:
    match wanted:
        case shapes.Metadata(type=inner):
            return _type(inner)
        case shapes.CustomType(cls=cls):
            return {"$ref": f"#/definitions/{_CUSTOM[cls]}"}
        case shapes.StructType(cls=cls):
            return {"$ref": f"#/definitions/{_name(cls)}"}
        case shapes.ListType(item_type=item, min_length=least):
            items: Json = {"type": "array", "items": _type(item)}
            return {**items, "minItems": least} if least else items
        case shapes.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _type(value)}
        case shapes.LiteralType(values=values):
            return {"enum": list(values)}
        case shapes.UnionType(types=types):
            options = [_type(option) for option in types if not isinstance(option, shapes.NoneType)]
            return options[0] if len(options) == 1 else {"anyOf": options}
        case shapes.StrType():
            return _text(wanted)
        case shapes.IntType(ge=least, le=most):
            limits = {name: limit for name, limit in (("minimum", least), ("maximum", most)) if limit is not None}
            return {"anyOf": [{"type": "integer", **limits}, _PLACEHOLDER]}
        case shapes.FloatType():
            return {"anyOf": [{"type": "number"}, _PLACEHOLDER]}
        case shapes.BoolType():
            return {"anyOf": [{"type": "boolean"}, _PLACEHOLDER]}
    return {}


_CUSTOM: dict[Any, str] = {Duration: "duration", Ref: "entry_id", Size: "size"}


def _text(wanted: shapes.StrType) -> Json:
    shape: Json = {"type": "string"}
    if wanted.min_length:
        shape["minLength"] = wanted.min_length
    if wanted.pattern is not None:
        return {"anyOf": [{**shape, "pattern": wanted.pattern}, _PLACEHOLDER]}
    return shape


def _name(config: type[msgspec.Struct]) -> str:
    return f"{config.__module__.removeprefix('wippy.')}.{config.__name__}"


# Configuration ----------------------------------------


def _sections() -> Json:
    tree: Json = {}
    for setting in SETTINGS.values():
        *path, leaf = setting.key.split(".")
        at = tree
        for name in path:
            at = at.setdefault(name, {"type": "object", "properties": {}})["properties"]
        at[leaf] = _setting(setting)
    return tree


def _setting(setting: Setting[Any]) -> Json:
    shape: Json = {"description": setting.summary, **_SETTING_TYPES[setting.shape]}
    if setting.choices:
        shape = {"description": setting.summary, "anyOf": [{"enum": list(setting.choices)}, _PLACEHOLDER]}
    default = _plain(setting.default)
    return {**shape, "default": default} if default not in ("", []) else shape


_SETTING_TYPES: dict[str, Json] = {
    "flag": {"anyOf": [{"type": "boolean"}, _PLACEHOLDER]},
    "integer": {"anyOf": [{"type": "integer"}, _PLACEHOLDER]},
    "number": {"anyOf": [{"type": "number"}, _PLACEHOLDER]},
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "duration": {"allOf": [{"$ref": "#/definitions/duration"}]},
}


def _shaping() -> Json:
    """The sections that shape entries and the workspace (spec 01 §5.2, §5.3)."""
    texts: Json = {"type": "array", "items": {"type": "string"}}
    patterns: Json = {"anyOf": [texts, {"type": "object", "properties": {"add": texts, "remove": texts}}]}
    return {
        "override": {"description": "ns:entry:path -> the value it gets.", "type": "object"},
        "disable": {
            "description": "Entries that are left out.",
            "type": "object",
            "properties": {
                "namespaces": {"description": "Patterns of namespaces.", **patterns},
                "entries": {"description": "Patterns ns:name.", **patterns},
                "meta": {"description": "Field -> the values of meta that leave an entry out.", "type": "object"},
            },
        },
        "workspace": {
            "description": "What holds on this machine only.",
            "type": "object",
            "properties": {
                "replacements": {
                    "description": "org/module -> the directory to use instead of the installed module.",
                    "type": "object",
                    "additionalProperties": {"type": ["string", "null"]},
                }
            },
        },
    }
