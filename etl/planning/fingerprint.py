"""What a flow's target depends on, as one digest, and as named parts so that a plan can say what changed.

It covers the query, the code it reaches, the inputs, the kind, expectations, sink, sources, the parameters it uses and the
pinned settings. It leaves out what cannot change a row: descriptions, tags, retries, rate limits, table properties, layout.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.build.starts import starts
from etl.config.schema import ddl
from etl.config.secrets import redacted
from etl.config.spec import IdentityTransform, PythonTransform, SqlTransform
from etl.config.sql.bound import params_in, written_markers
from etl.config.sql.syntax import markers, normal, with_tables_renamed

# CPython 3.11 counts the depth of the trees that it makes for all threads together, and fails where two make theirs at once.
_PARSING = threading.Lock()

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.config.spec import FlowSpec, GroupSpec, PipelineSpec, SourceSpec

_SETTINGS = "ansi=true caseSensitive=false rules=1"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The digest of a flow, and of each part of it.

    Attributes:
        definition: The parts themselves as JSON, code as its digest, secrets as their references.
    """

    digest: str
    parts: Mapping[str, str]
    definition: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, before: Mapping[str, str]) -> tuple[str, ...]:
        """The names of the parts that differ."""
        return tuple(
            sorted(name for name in self.parts.keys() | before.keys() if self.parts.get(name) != before.get(name))
        )


def fingerprint(spec: PipelineSpec, flow: FlowSpec) -> Fingerprint:
    """What `flow` is, in this environment: a rename of it, or of a flow that it reads, is no change where `was` tells of it."""
    former = {item.name: item.was for item in spec.flows if item.was}
    flow = spec.as_stored(flow)
    params = spec.as_written(("params",), spec.params_of(flow))  # a secret counts by its reference, never by its value
    parts: dict[str, Any] = {
        "inputs": sorted((item.dataset, item.read, item.on_change) for item in flow.inputs),
        "incremental": [flow.incremental, [_group(item, former) for item in flow.groups], flow.trusted],
        "expectations": _expectations(flow),
        "sink": spec.as_written(("flows", flow.name, "sink"), _sink(flow)),
        "session": [flow.timezone, _SETTINGS],
    }
    if flow.state is not None:
        marks = sorted(
            (former.get(item.input, item.input), item.column.lower(), item.delay_ms) for item in flow.state.watermarks
        )
        parts["incremental"] = [flow.incremental, marks, flow.state.output_mode]
    if flow.columns:
        parts["columns"] = sorted((item.name.lower(), _type(item.type)) for item in flow.columns)
    if flow.primary_key:
        parts["primary key"] = sorted(name.lower() for name in flow.primary_key)
    for item in flow.inputs:
        source = spec.source(item.dataset)
        if source is not None:
            parts[f"source {source.name}"] = spec.as_written(("sources", source.name), _source(source))
    _transform(parts, spec, flow, params, "", former)
    parts |= {f"param {name}": params.get(name) for name in params_in(flow)}
    for view in flow.views:
        parts[f"view {view.name}"] = [(item.dataset, former.get(item.known_as, item.known_as)) for item in view.inputs]
        view_params = spec.as_written(("params",), spec.params_of(view))
        _transform(parts, spec, view, view_params, f" of view {view.name}", former)
    digests = {name: _digest(value) for name, value in parts.items()}
    readable = {name: digests[name] if name.startswith("the code") else value for name, value in parts.items()}
    definition = redacted(json.loads(json.dumps(readable, default=str)))
    return Fingerprint(_digest(sorted(digests.items())), digests, definition)


def _transform(
    parts: dict[str, Any],
    spec: PipelineSpec,
    flow: FlowSpec,
    params: Mapping[str, Any],
    suffix: str,
    former: Mapping[str, str],
) -> None:
    """What a flow, or a view in it, computes: added to `parts` under names that end with `suffix`. `former`: renamed flow → what it was."""
    transform = flow.transform
    former = {item.name: former[item.name] for item in flow.own_inputs if former.get(item.name) == item.dataset}
    if isinstance(transform, SqlTransform):
        parts[f"the SQL{suffix}"] = normal(with_tables_renamed(transform.text, former))
        for name in markers(transform.text) | (written_markers(transform.text) & params.keys()):
            parts[f"param {name}{suffix}"] = params.get(name)
    elif isinstance(transform, PythonTransform):
        parts[f"the function{suffix}"] = [transform.module, transform.function]
        roots = [spec.folder, spec.project / "lib"]
        code = Code(roots, former)
        parts[f"the code{suffix}"] = sorted(code.reach(Path(transform.file), transform.function))
        if _takes_params(Path(transform.file), transform.function):
            parts |= {f"param {name}{suffix}": value for name, value in params.items()}
    elif isinstance(transform, IdentityTransform):
        parts[f"the SQL{suffix}"] = None


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _expression(text: str) -> str:
    return normal(text)


def _type(text: str | None) -> str | None:
    return ddl.parse(f"c {text}")[0].type if text is not None else None


def _group(group: GroupSpec, former: Mapping[str, str]) -> list[Any]:
    return [
        group.column,
        sorted(
            (former.get(name, name), _expression(f"{expression} IS NULL")) for name, expression in group.expressions
        ),
    ]


def _expectations(flow: FlowSpec) -> list[Any]:
    """Their order counts where a row's reasons are told in it."""
    reasons = [item.name for item in flow.expectations if item.on_violation == "quarantine"]
    rules = sorted((item.name, _expression(item.expr), item.on_violation) for item in flow.expectations)
    return [*rules, reasons] if len(reasons) > 1 else [*rules]


def _sink(flow: FlowSpec) -> dict[str, Any]:
    sink = flow.sink
    return {
        "strategy": sink.strategy,
        "keys": sink.keys,
        "sequence_by": sink.sequence_by,
        "insert_only": sink.insert_only,
        "delete_when": _expression(sink.delete_when) if sink.delete_when else None,
        "except_columns": sorted(sink.except_columns),
        "track": sorted(sink.track),
        "partition_by": sink.partition_by,
        "cluster_by": sink.cluster_by,
        "path": sink.path,
        **({"options": sink.options} if sink.options else {}),
    }


def _source(source: SourceSpec) -> dict[str, Any]:
    schema = [(column.name.lower(), column.type) for column in ddl.parse(source.schema)] if source.schema else None
    if source.of is not None:
        return {"pipeline": source.of[0], "flow": source.flow.stored_as if source.flow is not None else source.of[1]}
    return {
        "format": source.format,
        "path": source.path,
        "schema": schema,
        "options": dict(source.options),
        "on_malformed": source.on_malformed,
        **({"table": source.table} if source.table else {}),
        **(
            {"start_at": [source.start_ms, source.start_version]}
            if starts(source.start_ms, source.start_version)
            else {}
        ),
    }


def _parsed(file: Path) -> ast.Module:
    """The syntax tree of a file of Python's; flows that begin side by side ask for theirs one after the other."""
    with _PARSING:
        return ast.parse(file.read_text(encoding="utf-8"))


def _takes_params(file: Path, function: str) -> bool:
    for item in _parsed(file).body:
        if isinstance(item, ast.FunctionDef) and item.name == function:
            return "params" in {argument.arg for argument in (*item.args.args, *item.args.kwonlyargs)}
    return True


class Code:
    """The definitions that a function reaches, through its module and the project's modules that it imports.

    Comments, layout and docstrings do not count; nor do the functions of a module that this one never names.
    """

    def __init__(self, roots: list[Path], former: Mapping[str, str] | None = None) -> None:
        """`former`: parameters of the function that is asked for first, which are taken for the names that they had."""
        self._roots = roots
        self._former = former or {}
        self._seen: set[tuple[Path, str]] = set()

    def reach(self, file: Path, name: str) -> Iterator[str]:
        """One text a definition: `file:name` and what it is."""
        if (file, name) in self._seen:
            return
        is_first = not self._seen
        self._seen.add((file, name))
        body = _stripped(_parsed(file)).body
        wanted = [item for item in body if name == "*" or name in _defines(item) or not _defines(item)]
        for item in wanted:
            is_root = is_first and isinstance(item, ast.FunctionDef) and item.name == name
            yield f"{file.name}:{name}:{_dumped(item, self._former if is_root else {})}"
            yield from self._imports(file, item, name)
            local = {defined for other in body for defined in _defines(other)}
            for used in {node.id for node in ast.walk(item) if isinstance(node, ast.Name)} & local:
                yield from self.reach(file, used)

    def _imports(self, file: Path, item: ast.stmt, name: str) -> Iterator[str]:
        for node in ast.walk(item):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    known_as = alias.asname or alias.name.split(".")[0]
                    if name in ("*", known_as) or node is not item:  # within a function or class it is used there
                        yield from self._module(file, alias.name, 0, "*")
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if name in ("*", alias.asname or alias.name) or alias.name == "*" or node is not item:
                        yield from self._module(
                            file, node.module or alias.name, node.level, alias.name if node.module else "*"
                        )

    def _module(self, file: Path, module: str, level: int, name: str) -> Iterator[str]:
        parts = module.split(".")
        roots = [file.parent, *self._roots] if level == 0 else [file.parents[level - 1]]
        for root in roots:
            base = root.joinpath(*parts)
            found = [place for place in (base.with_suffix(".py"), base / "__init__.py") if place.is_file()][:1]
            inner = [place for place in (base / f"{name}.py", base / name / "__init__.py") if place.is_file()][:1]
            if not found and not inner:
                continue
            # A package's own code runs before any module in it.
            above = [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts))]
            for place in (*filter(Path.is_file, above), *found, *inner):
                whole = place.stem == "__init__" or place in inner or name == "*"
                yield from self.reach(place, "*" if whole else name)
            return


def _dumped(item: ast.stmt, former: Mapping[str, str]) -> str:
    """The statement as a text, its variables under their former names where those mean nothing else in it."""
    names = {node.id for node in ast.walk(item) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(item) if isinstance(node, ast.arg)}
    renamed = {new: old for new, old in former.items() if new in names and old not in names}
    if not renamed:
        return ast.dump(item)
    copied = copy.deepcopy(item)
    for node in ast.walk(copied):
        if isinstance(node, ast.Name):
            node.id = renamed.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = renamed.get(node.arg, node.arg)
    return ast.dump(copied)


def _defines(item: ast.stmt) -> set[str]:
    """The names that a top-level statement gives; a statement that gives none is run for its effect, and always counts."""
    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {item.name}
    if isinstance(item, ast.Import | ast.ImportFrom):
        names = {(alias.asname or alias.name).split(".")[0] for alias in item.names}
        return set() if "*" in names else names  # a star gives names that nobody knows: it always counts
    if isinstance(item, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = item.targets if isinstance(item, ast.Assign) else [item.target]
        return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def _stripped(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree
