"""The walls of the house: what import-linter cannot say of imports, names, sizes and what may touch what."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import grimp
import pytest

from etl.planning.kinds import KIND_TRAITS

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "etl").rglob("*.py"))
PROGRAMS = [
    file for folder in ("tests", "benchmarks", "pipelines", "docs") for file in sorted((ROOT / folder).rglob("*.py"))
]
LONGEST = 450
BANNED = {"step", "task", "manager", "helper", "utils", "context", "writer"}
JVM = {"_jvm", "_jdf", "_jsc", "_jsparkSession", "sparkContext", "SparkContext", "rdd", "RDD"}
SILENCE = re.compile(r"#\s*(noqa|type:\s*ignore|pragma)")
MAY_WRITE = {
    "etl/engine/commits/create.py",
    "etl/engine/commits/quarantine.py",
    "etl/engine/commits/replacement.py",
    "etl/engine/session/class_data_training.py",
    "etl/engine/tables/portions.py",
    "etl/engine/state/staged.py",
}  # and the sinks; the last three into folders that are no tables, or are thrown away


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def shown(file: Path, node: ast.AST, name: str) -> str:
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)} {name}"


def names_of_jvm(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Attributes, imports and texts given to getattr; neither comments nor docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in JVM:
            yield node, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, alias.name) for alias in node.names if alias.name in JVM)
        elif isinstance(node, ast.Call):
            texts = (item.value for item in node.args if isinstance(item, ast.Constant))
            yield from ((node, text) for text in texts if isinstance(text, str) and text in JVM)


def names_given(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The names that a module gives: to classes, functions, arguments and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, node.name
        elif isinstance(node, ast.arg):
            yield node, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node, node.id


def words(name: str) -> set[str]:
    """The words of a name in snake_case or CamelCase, in the singular where they are banned."""
    found = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
    return found | {word.removesuffix("s") for word in found} | ({"utils"} if "util" in found else set())


def writes(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """What commits rows: a frame's `write` (a property, so never called), `writeTo` …, and MERGE or INSERT in a text."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if (node.attr == "write" and id(node) not in called) or node.attr in {
                "writeTo",
                "saveAsTable",
                "insertInto",
            }:
                yield node, node.attr
        elif isinstance(node, ast.Constant) and re.match(r"\s*(MERGE|INSERT|DELETE FROM|UPDATE) ", str(node.value)):
            yield node, str(node.value)[:20]


def quotings(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Backquotes doubled, as a name of SQL needs it that is put between two of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace":
            texts = [item.value for item in node.args if isinstance(item, ast.Constant)]
            if texts == ["`", "``"]:
                yield node, "replace"


def unreasoned(text: str) -> Iterator[int]:
    """The lines that silence a tool and say no reason; of lines that follow each other, the first may speak for all."""
    reasoned = -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and SILENCE.match(token.string):
            parts = [f"#{part}" for part in token.string.split("#")[1:]]
            if not all(map(SILENCE.match, parts)) or token.start[0] == reasoned + 1:
                reasoned = token.start[0]
            else:
                yield token.start[0]


def kinds_asked(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Comparisons of something that is called a kind with the name of one."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        asks = any("kind" in {getattr(side, "attr", ""), getattr(side, "id", "")} for side in sides)
        names = {value.value for side in sides for value in ast.walk(side) if isinstance(value, ast.Constant)}
        if asks and names & KIND_TRAITS.keys():
            yield node, ast.unparse(node)


def functions_of(file: str) -> dict[str, set[str]]:
    """The functions of a module, each with the names that it uses."""
    return {
        function.name: {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        for function in ast.walk(parsed(ROOT / file))
        if isinstance(function, ast.FunctionDef)
    }


def everywhere(files: list[Path], look: Callable[[ast.AST], Iterator[tuple[ast.AST, str]]]) -> list[str]:
    return [shown(file, node, name) for file in files for node, name in look(parsed(file))]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("etl", include_external_packages=True, cache_dir=None)


def test_only_an_epoch_and_a_part_computed_anew_reach_a_sink(imports: grimp.ImportGraph) -> None:
    committing = functions_of("etl/engine/run/epoch_commit.py")
    assert {name for name, used in committing.items() if "SINKS" in used} == {"commit_epoch"}
    assert imports.find_modules_that_directly_import("etl.engine.sinks") == {"etl.engine.run.epoch_commit"}
    assert imports.find_modules_that_directly_import("etl.engine.run.epoch_commit") == {
        "etl.engine.run.epoch",
        "etl.engine.run.recount",  # its counts alone
    }
    epochs = functions_of("etl/engine/run/epoch.py")
    assert {name for name, used in epochs.items() if "commit_epoch" in used} == {"run_epoch", "recompute_part"}
    recounting = functions_of("etl/engine/run/recount.py")
    assert not any("commit_epoch" in used for used in recounting.values())


def test_both_modes_go_through_run_epoch_backfills_and_replays_through_recompute_part(
    imports: grimp.ImportGraph,
) -> None:
    def callers(name: str) -> set[str]:
        modules = imports.find_modules_that_directly_import("etl.engine.run.epoch")
        files = {module: Path(*module.split(".")).with_suffix(".py").as_posix() for module in modules}
        return {module for module, file in files.items() if any(name in used for used in functions_of(file).values())}

    run = "etl.engine.run"
    assert callers("run_epoch") == {f"{run}.attempt", f"{run}.stream", f"{run}.epoch_function"}
    recompute = "etl.operations.recompute"
    assert callers("recompute_part") == {f"{recompute}.backfill", f"{recompute}.replay"}
    assert "EpochFunction" in functions_of("etl/engine/run/stream.py")["drive"], "micro-batches go through run_epoch"


def test_nobody_but_the_kinds_asks_for_a_kind() -> None:
    """A kind's name is compared where it is decided, and nowhere else: what differs between kinds is asked of its value or its traits."""
    decide = {
        "etl/engine/run/analyse.py",
        "etl/engine/analysis/classify.py",
        "etl/planning/kinds.py",
        "etl/planning/sql.py",
    }
    wings = ("etl/engine/", "etl/planning/", "etl/operations/")
    room = [
        file
        for file in PACKAGE
        if (name := file.relative_to(ROOT).as_posix()).startswith(wings)
        and name not in decide
        and not name.startswith(("etl/engine/kinds/", "etl/engine/state/"))
    ]
    assert everywhere(room, kinds_asked) == []
    assert everywhere([ROOT / file for file in sorted(decide)], kinds_asked), "the rule has lost its sight"


def test_nothing_but_sinks_and_the_quarantine_commits_rows() -> None:
    room = [
        file
        for file in PACKAGE
        if file.relative_to(ROOT).as_posix() not in MAY_WRITE and not file.is_relative_to(ROOT / "etl/engine/sinks")
    ]
    assert everywhere(room, writes) == []
    assert everywhere([file for file in PACKAGE if file not in room], writes), "the rule has lost its sight"


def test_only_the_session_s_wing_touches_the_jvm() -> None:
    session = ROOT / "etl/engine/session"
    assert everywhere([file for file in PACKAGE if not file.is_relative_to(session)], names_of_jvm) == []
    assert everywhere(sorted(session.glob("*.py")), names_of_jvm), "the rule has lost its sight"


def test_names_of_sql_are_quoted_in_one_place() -> None:
    home = ROOT / "etl/config/schema/identifiers.py"
    assert everywhere([file for file in PACKAGE if file != home], quotings) == []
    assert everywhere([home], quotings), "the rule has lost its sight"


def test_no_room_imports_the_whole_house(imports: grimp.ImportGraph) -> None:
    assert imports.find_modules_that_directly_import("etl") == set()


def test_importing_the_package_brings_nothing_heavy() -> None:
    program = "import sys, etl\nsys.exit(' '.join({'pyspark', 'pydantic', 'yaml', 'click', 'rich', 'sqlglot'} & sys.modules.keys()) or 0)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_thinking_starts_without_pyspark() -> None:
    rooms = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in PACKAGE
        if file.relative_to(ROOT).parts[1] in ("config", "planning", "errors.py", "__init__.py")
    ]
    program = (
        f"import importlib, sys\nfor name in {rooms}: importlib.import_module(name)\nsys.exit('pyspark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("command", ["validate", "plan", "audit", "history"])
def test_a_command_that_only_looks_never_imports_pyspark(command: str, tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "landing").mkdir()
    (tmp_path / "pipelines" / "p.yml").write_text(
        "version: 1\nname: p\nsources: {s: {format: csv, path: landing, schema: a INT}}\nflows: {f: {inputs: [s]}}\n",
        encoding="utf-8",
    )
    program = (
        "import sys\nfrom etl.cli import main\n"
        f"code = main(['{command}', 'p'], standalone_mode=False)\n"
        "sys.exit(code or ('pyspark' in sys.modules and 'pyspark was imported') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_file_is_longer_than_a_room() -> None:
    sizes = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in (*PACKAGE, *PROGRAMS)
    }
    assert {name: size for name, size in sizes.items() if size > LONGEST} == {}


def test_no_name_is_a_banned_word() -> None:
    modules = [shown(file, parsed(file), file.stem) for file in PACKAGE if words(file.stem) & BANNED]
    given = [
        shown(file, node, name) for file in PACKAGE for node, name in names_given(parsed(file)) if words(name) & BANNED
    ]
    assert modules + given == []


def test_every_silenced_warning_says_why() -> None:
    lines = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in (*PACKAGE, *PROGRAMS)
        for line in unreasoned(file.read_text(encoding="utf-8"))
    ]
    assert lines == []


def test_nothing_is_left_undone() -> None:
    names = [
        shown(file, node, "NotImplementedError")
        for file in PACKAGE
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    assert names == []


@pytest.mark.parametrize(
    ("look", "code"),
    [
        (names_of_jvm, "frame._jdf.queryExecution()"),
        (names_of_jvm, "frame.rdd.map(f)"),
        (names_of_jvm, "getattr(session, '_jvm')"),
        (names_of_jvm, "from pyspark import SparkContext"),
        (kinds_asked, "job.kind == 'state'"),
        (kinds_asked, "kind not in ('groups', 'full')"),
        (quotings, "'`' + name.replace('`', '``') + '`'"),
        (writes, "rows.write.format('delta')"),
        (writes, "session.sql('MERGE INTO t USING s')"),
        (writes, "session.sql(f'INSERT INTO {t} VALUES (1)')"),
    ],
)
def test_the_rules_see_what_they_forbid(look: Callable[[ast.AST], Iterator[tuple[ast.AST, str]]], code: str) -> None:
    assert list(look(ast.parse(code)))


@pytest.mark.parametrize(
    "name", ["SessionManager", "run_context", "StreamWriter", "helpers", "utils", "next_step", "TASKS"]
)
def test_a_banned_word_is_seen_in_any_spelling(name: str) -> None:
    assert words(name) & BANNED


@pytest.mark.parametrize("name", ["contexture", "stepwise", "rewritten", "multitasking"])
def test_a_word_that_only_contains_a_banned_one_is_free(name: str) -> None:
    assert not words(name) & BANNED


def test_a_silence_without_a_reason_is_seen() -> None:
    assert list(unreasoned("import os  # noqa: F401\n")) == [1]
    assert list(unreasoned("x = 1  # type: ignore[misc]  # noqa: E501\n")) == [1]
    assert list(unreasoned("import os  # noqa: F401  # imported for its effect\nimport re  # noqa: F401\n")) == []
