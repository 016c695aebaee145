"""The grammar as JSON Schema (draft 2020-12), for editors: descriptions, choices, the short forms and the formats' options.

It is made from the pydantic models, so it cannot fall behind them. Like the loader it lets `${name}` stand for any scalar, `[a]` for
inputs, a plain value for a param, and `x-*` at the top; `required` of sources and flows holds where `defaults` cannot supply the key.
What an editor cannot see (names that must exist, SQL, DDL) stays with `etl validate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from etl.config.grammar import models
from etl.config.grammar.reader_options import OWNED_OPTIONS, READER_OPTIONS
from etl.config.grammar.values import TRIGGERS

if TYPE_CHECKING:
    from pydantic_core import core_schema

    from etl.config.grammar.model import Model
    from etl.config.grammar.reader_options import ReaderOption

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_REFERENCE: Schema = {"$ref": "#/$defs/Reference"}
_DURATION: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(second|minute|hour|day)s?\s*$"},
    ]
}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_TEXTS: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}},
    ]
}
# What a validator takes beyond the type that it makes of it.
_TAKEN: dict[str, Schema] = {
    "seconds": _DURATION,
    "size": {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(B|kB|KB|MB|GB|TB)\s*$"},
        ]
    },
    "share": {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$"},
    "_option": _SCALAR,
    "_texts": _TEXTS,
    "_trigger": {"anyOf": [*({"const": word} for word in TRIGGERS), *_DURATION["anyOf"]]},
}


class _Generator(GenerateJsonSchema):
    """pydantic's, but of what a validator takes, not of what it makes of it."""

    schema_dialect = DIALECT

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> Schema:
        input_schema = _TAKEN.get(getattr(schema["function"]["function"], "__name__", ""))
        return dict(input_schema) if input_schema is not None else super().function_before_schema(schema)


def pipeline_schema() -> Schema:
    """The schema of pipeline.yml."""
    schema = _schema(models.Pipeline, "pipeline.yml of Twilight")
    definitions = schema["$defs"]
    properties = schema["properties"]
    properties["defaults"] = {
        "type": "object",
        "description": "What lies under every source and every flow that does not say otherwise.",
        "additionalProperties": False,
        "properties": {
            "source": {"$ref": "#/$defs/Source"},
            "flow": {"$ref": "#/$defs/Flow"},
            "maintenance": {"$ref": "#/$defs/Maintenance"},
        },
    }
    needed = []
    for section, model in (("sources", "Source"), ("flows", "Flow")):
        required = definitions[model].pop("required", [])
        # A source says its format, or whose target it is.
        links: list[Schema] = [{"required": ["pipeline", "flow"]}] if model == "Source" else []
        needed.append(
            _unless_default(section, model.lower(), {"anyOf": [{"required": required or ["format"]}, *links]})
        )
    schema.setdefault("allOf", []).extend(needed)
    definitions["Source"]["allOf"] = _formats(definitions["Source"])
    definitions["Flow"]["properties"]["inputs"] = _inputs(definitions["Flow"]["properties"]["inputs"])
    _every_value(
        properties["params"], lambda full: {"anyOf": [full, {"type": ["string", "number", "boolean", "null"]}]}
    )
    return schema


def environment_schema() -> Schema:
    """The schema of conf/<env>.yml."""
    return _schema(models.Environment, "conf/<env>.yml of Twilight")


SCHEMAS = {"pipeline": pipeline_schema, "environment": environment_schema}


def _schema(model: type[Model], title: str) -> Schema:
    schema = model.model_json_schema(schema_generator=_Generator)
    opened = {"$schema": DIALECT, **{key: _opened(item) for key, item in schema.items()}, "title": title}
    opened.setdefault("$defs", {})["Reference"] = {
        "type": "string",
        "pattern": r"\$\{[^}]+\}",
        "description": "A param's value, such as ${landing}.",
    }
    opened["patternProperties"] = {"^x-": {"description": "For YAML anchors; ignored."}}
    return opened


def _opened(node: Any) -> Any:
    """A schema in which a reference may stand for every number, boolean, choice or name; without pydantic's titles."""
    if isinstance(node, list):
        return [_opened(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    opened = {}
    for key, inner in node.items():
        if key == "title" and isinstance(inner, str):
            continue
        named = key in ("properties", "patternProperties", "$defs") and isinstance(inner, dict)
        opened[key] = {name: _opened(each) for name, each in inner.items()} if named else _opened(inner)
    if "patternProperties" in opened:
        opened.setdefault("additionalProperties", False)
    kinds = {"integer", "number", "boolean"}
    closed = "enum" in opened or "const" in opened or "pattern" in opened
    if closed or (isinstance(opened.get("type"), str) and opened["type"] in kinds):
        about = {key: opened.pop(key) for key in ("description", "default") if key in opened}
        return {**about, "anyOf": [opened, _REFERENCE]}
    return opened


def _unless_default(section: str, kind: str, required: Schema) -> Schema:
    """Each entry must say what is required, except where `defaults` says something for all of them."""
    with_default = {"required": ["defaults"], "properties": {"defaults": {"required": [kind]}}}
    return {
        "if": {"not": with_default},
        "then": {"properties": {section: {"additionalProperties": required}}},
    }


def _inputs(full: Schema) -> Schema:
    _every_value(
        full,
        lambda item: {
            "anyOf": [
                {"enum": ["changes", "snapshot"], "description": "Short for {read: …}."},
                item,
                _REFERENCE,
            ]
        },
    )
    about = full.pop("description", "")
    names = {"type": "array", "items": {"type": "string"}, "description": "Short for {name: changes, …}."}
    return {"description": about, "anyOf": [names, full]}


def _every_value(mapping: Schema, change: Any) -> None:
    """Replace the schema of a mapping's values."""
    if "patternProperties" in mapping:
        mapping["patternProperties"] = {key: change(item) for key, item in mapping["patternProperties"].items()}
    else:
        mapping["additionalProperties"] = change(mapping["additionalProperties"])


def _formats(source: Schema) -> list[Schema]:
    """For each format its options; where `defaults` says the format, those of all."""
    allowed = str(source["properties"]["format"])
    conditions = []
    formats = {name: options for name, options in READER_OPTIONS.items() if f"'{name}'" in allowed}
    for name, options in formats.items():
        says_format = {"required": ["format"], "properties": {"format": {"const": name}}}
        conditions.append({"if": says_format, "then": {"properties": {"options": _options(options)}}})
    every = {key: option for options in formats.values() for key, option in options.items()}
    conditions.append({"if": {"not": {"required": ["format"]}}, "then": {"properties": {"options": _options(every)}}})
    source["properties"]["options"]["patternProperties"] = {
        _any_case(name): {"not": {}, "description": f"Belongs to the framework: use {instead}."}
        for name, instead in OWNED_OPTIONS.items()
    }
    return conditions


def _options(options: dict[str, ReaderOption]) -> Schema:
    return {"properties": {name: _option(option) for name, option in options.items()}}


def _option(option: ReaderOption) -> Schema:
    values: dict[str, list[Schema]] = {
        "text": [{"enum": list(option.choices)}] if option.choices else [_SCALAR],
        "bool": [{"type": "boolean"}, {"enum": ["true", "false"]}],
        "int": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}],
    }
    return {"description": option.description, "anyOf": [*values[option.type], _REFERENCE]}


def _any_case(name: str) -> str:
    """A pattern for a name in any case; JSON Schema's patterns know no flags."""
    return "^" + "".join(f"[{letter}{letter.upper()}]" for letter in name) + "$"
