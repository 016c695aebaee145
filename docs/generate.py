"""Writes docs/reference from the code: the grammar's models and JSON Schemas, the error codes, the commands. `make docs`."""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from etl.cli import main as command_line
from etl.cli.examples import EXAMPLES
from etl.config.codes import CODES
from etl.config.grammar import models, values
from etl.config.grammar.formats import FORMATS
from etl.config.grammar.json_schema import SCHEMAS
from etl.config.grammar.strategies import STRATEGIES

REFERENCE = Path(__file__).parent / "reference"
_GENERATED = "<!-- Written by docs/generate.py (`make docs`); edit the code it reads, not this file. -->"
_ALIASES = {
    values.Name: "name",
    values.Text: "text",
    values.Texts: "text, or list of texts",
    values.Duration: "duration",
    values.Size: "size",
    values.Share: "percentage",
    values.Option: "text, number or boolean",
    values.Format: ", ".join(f"`{name}`" for name in FORMATS) + ", or a plug-in's",
    values.Strategy: ", ".join(f"`{name}`" for name in STRATEGIES) + ", or a plug-in's",
    values.Trigger: "`available_now`, or a duration",
    values.ForEach: "name → list of values",
    values.Flag: "boolean",
    values.Rows: "list of rows",
    values.GivenRows: "list of rows, list of lists of rows, or a file",
    values.ExpectedRows: "list of rows, or a mapping",
    values.Positive: "whole number above 0",
}
_BAR = r"\|"  # a bar that ends no cell
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "boolean"}


def pages() -> dict[str, str]:
    """File name → text of every generated page."""
    texts = {"pipeline.md": pipeline(), "errors.md": errors(), "commands.md": commands()}
    for name, schema in SCHEMAS.items():
        texts[f"{name}.schema.json"] = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    return texts


def pipeline() -> str:
    """Every key of pipeline.yml and conf/<env>.yml."""
    lines = [
        "# pipeline.yml and conf/*.yml",
        "",
        _GENERATED,
        "",
        "An unknown key is an error, with the nearest known one as a hint. A *name* is of the form `[a-z][a-z0-9_]*`; a *duration* is a",
        "number of seconds, or text such as `5 seconds`, `10 minutes`, `2 hours`, `1 day`; a *size* is a number of bytes,",
        "or text such as `64 MB`, `1 GB` (a kB is 1,024 bytes); a *percentage* is text such as `10%`. `defaults: {source: …, flow: …}` lies under",
        "every source and every flow that does not say otherwise, `defaults: {maintenance: …}` under the flows' `maintenance`; keys of the form `x-*` are for YAML anchors, and ignored.",
        "",
    ]
    for title, by_path in (("pipeline.yml", models.MODELS), ("conf/<env>.yml", models.ENVIRONMENT_MODELS)):
        for path, model in by_path.items():
            at = ".".join("<name>" if part == "*" else part for part in path)
            lines += [f"### `{at}`", "", _sentence(model), ""] if path else [f"## `{title}`", ""]
            lines += ["| key | value | default | meaning |", "| --- | --- | --- | --- |", *_rows(model), ""]
    lines += [
        "## Not supported yet",
        "",
        "These belong to the grammar and are refused with E900 until a later version brings them.",
        "",
    ]
    lines += ["| where | what |", "| --- | --- |"]
    for path, words in (*models.UNSUPPORTED_KEYS.items(), *models.UNSUPPORTED_VALUES.items()):
        at = ".".join("<name>" if part == "*" else part for part in path) or "pipeline.yml"
        lines.append(f"| `{at}` | {', '.join(f'`{word}`' for word in sorted(words))} |")
    return "\n".join(lines) + "\n"


def errors() -> str:
    """Every code of a configuration error."""
    lines = ["# Codes of configuration errors", "", _GENERATED, ""]
    lines += [
        "All of a project's mistakes are reported in one pass, as `file:line:column [code] message`; the exit code is 2.",
        "",
    ]
    lines += ["| code | meaning |", "| --- | --- |", *(f"| {code} | {meaning} |" for code, meaning in CODES.items())]
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Every command with its options."""
    lines = ["# Commands", "", _GENERATED, "", *_paragraphs(command_line.help), ""]
    lines += ["`--json` prints one document on standard output; progress and logs go to standard error.", ""]
    group = click.Context(command_line, info_name="etl")
    for name in command_line.list_commands(group):
        command = command_line.get_command(group, name)
        if command is None:
            raise LookupError(name)
        inner = click.Context(command, info_name=name, parent=group)
        if isinstance(command, click.Group):
            for below, sub in command.commands.items():
                lines += _command(sub, click.Context(sub, info_name=below, parent=inner))
        else:
            lines += _command(command, inner)
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, at: click.Context) -> list[str]:
    lines = [f"## `{command.get_usage(at).removeprefix('Usage: ')}`", "", *_paragraphs(command.help), ""]
    options = [item.get_help_record(at) for item in command.get_params(at) if isinstance(item, click.Option)]
    lines += ["| option | meaning |", "| --- | --- |"]
    lines += [
        f"| `{record[0].replace('|', _BAR)}` | {_cell(record[1])} |"
        for record in options
        if record is not None and record[0] != "--help"
    ]
    examples = EXAMPLES.get(at.command_path.removeprefix("etl "), ())
    return [*lines, "", *(["```", *examples, "```", ""] if examples else [])]


def _rows(model: type[BaseModel]) -> list[str]:
    hints = get_type_hints(model, include_extras=True)
    return [
        f"| `{field.alias or name}` | {_cell(_type(hints[name]))} | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in model.model_fields.items()
    ]


def _type(hint: Any) -> str:
    for alias, words in _ALIASES.items():
        if hint == alias:
            return words
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return f"list of {_type(arguments[0])}s"
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return f" {_BAR} ".join(f"`{item}`" for item in arguments)
    if origin in (Union, UnionType):
        return ", ".join(dict.fromkeys(_type(item) for item in arguments if item is not NoneType))
    if origin is dict:
        return f"name → {_type(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "mapping"
    return _PLAIN[hint]


def _default(field: Any) -> str:
    if field.is_required():
        return "**required**"
    default = field.default
    if default is PydanticUndefined or default in (None, "", ()):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _sentence(model: type[BaseModel]) -> str:
    return _cell(model.__doc__ or "")


def _cell(text: str) -> str:
    return " ".join((text if "`" in text else text.replace("<", "&lt;")).split())


def _paragraphs(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").strip().splitlines()]


def main() -> None:
    """Write the pages that differ."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.relative_to(Path(__file__).parents[1])}")


if __name__ == "__main__":
    main()
