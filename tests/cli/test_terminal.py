"""Every command at a terminal: what a person sees at 80 and at 160 columns, with and without colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from tests.conftest import tune
from tests.support.engine_cases import land, write_project
from tests.support.screen import Screen, Terminal, typed

NOISE = re.compile(r"Traceback|py4j|java\.|unexpected error|Error:|WARN|object at 0x")
ORDERS = [
    {"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False},
    {"id": 2, "who": "a", "amount": 4, "seq": 2, "gone": False},
    {"id": 3, "who": "zz", "amount": 4, "seq": 3, "gone": False},
]
TESTS = """
tests:
  - name: who is not known is quarantined
    flow: clean
    given: {orders: [{id: 1, who: a, amount: 1}, {id: 2, who: q, amount: 1}], people: [{who: a, name: Anna}]}
    expect: [{id: 1}]
  - name: a test that is wrong
    flow: totals
    given: {clean: [{who: a, amount: 1}]}
    expect: [{who: a, total: 2}]
"""
# Without a JVM: each with its exit code, and what must be on the screen.
CHEAP = (
    (("--help",), 0, "Prove the invariants"),
    (("init", "fresh"), 0, "etl run fresh"),
    (("validate", "shop"), 0, "shop: ok"),
    (("validate", "wrong"), 2, "[E103] unknown key"),
    (("plan", "shop"), 0, "new generation"),
    (("plan", "shop", "--json"), 0, '"action": "new generation"'),
    (("graph", "shop"), 0, "<- orders"),
    (("audit", "shop"), 0, "no table yet"),
    (("history", "shop"), 0, "nothing was committed yet"),
    (("checkpoints", "show", "shop"), 0, "never ran"),
    (("quarantine", "list", "shop"), 0, "nothing was quarantined"),
    (("doctor",), 0, "delta-spark"),
    (("schema", "pipeline"), 0, '"$schema"'),
    (("completion", "bash"), 0, "_etl_completion"),
    (("run", "nowhere"), 2, "[E120]"),
    (("run", "shop", "--mode", "sideways"), 2, "'sideways'"),
    (("lineage", "shop"), 2, "[E900] `etl lineage` is not supported yet"),
)  # fmt: skip


@pytest.mark.parametrize("group", [(), ("checkpoints",), ("quarantine",), ("completion",)])
def test_no_line_of_a_list_of_commands_is_cut_off_at_80_columns(group: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*group, "--help"], terminal_width=80)
    assert shown.exit_code == 0
    _, commands = shown.output.split("Options:\n")
    assert [line for line in commands.splitlines() if line.endswith("...") or len(line) > 80] == []


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_project(tmp_path)
    tune(tmp_path)
    file = tmp_path / "pipelines" / "shop.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + TESTS, encoding="utf-8")
    (tmp_path / "pipelines" / "wrong.yml").write_text(
        text.replace("rate_limit", "rate_limt").replace("name: shop", "name: wrong"), encoding="utf-8"
    )
    land(tmp_path, "a.json", ORDERS)
    return tmp_path


def looks_right(screen: Screen) -> None:
    assert not NOISE.search(screen.text.replace("Error: Invalid value", "")), screen.text
    assert screen.is_as_before
    assert "\ufffd" not in screen.text


@pytest.mark.slow
def test_commands_without_a_jvm_run_in_a_terminal_of_their_own(shop: Path) -> None:
    for command, code, shown in CHEAP:
        with Terminal(shop, *command) as terminal:
            assert terminal.end() == code, f"{command}\n{terminal.text}"
            looks_right(terminal)
            assert shown in terminal.text


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "dumb"}])
def test_commands_without_a_jvm_show_what_they_say_at_every_terminal(
    shop: Path, columns: int, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm-256color", "COLUMNS": str(columns)} | variables).items():
        monkeypatch.setenv(name, value)
    for command, code, shown in CHEAP:
        if command[0] in (
            "doctor",
            "schema",
        ):  # the one takes its time, the other is long; neither asks how wide the terminal is
            continue
        found, screen = typed(shop, *command, columns=columns)
        assert found == code, f"{command}\n{screen.text}"
        looks_right(screen)
        assert shown in screen.text
        assert not variables or b"\x1b" not in screen.raw, f"{command}: {variables}"


def test_a_mistake_is_red_at_a_terminal_of_colours(shop: Path) -> None:
    with Terminal(shop, "run", "nowhere") as terminal:
        assert terminal.end() == 2
        assert b"\x1b[31m" in terminal.raw


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose pipeline has run once, at a terminal of 80 columns, in the session of this process."""
    root = tmp_path_factory.mktemp("terminal")
    write_project(root)
    (root / "conf").mkdir()
    file = root / "pipelines" / "shop.yml"
    file.write_text(file.read_text(encoding="utf-8") + TESTS, encoding="utf-8")
    land(root, "a.json", [*ORDERS, "{broken"])
    code, screen = typed(root, "run", "shop")
    assert code == 0, screen.text
    looks_right(screen)
    table = [line for line in screen.lines if re.match(r"(flow|clean|totals) +(status|succeeded)", line)]
    assert len(table) == 3
    assert len({len(line) for line in table}) == 1, "a row of the table is one line, in columns"
    assert "quarantined" in table[0]
    assert screen.raw.count(b"\x1b[?25l") == screen.raw.count(b"\x1b[?25h") > 0, "it was drawn live"
    return root


@pytest.mark.spark
@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize(
    ("command", "code", "shown"),
    [
        (("run", "shop"), 0, "shop: unchanged in"),
        (("plan", "shop"), 0, "unchanged: no input has changed"),
        (("history", "shop"), 0, "clean: g0 epoch 0"),
        (("audit", "shop"), 0, "last epoch 0: holds"),
        (("checkpoints", "show", "shop"), 0, "g0 current"),
        (("checkpoints", "repair", "shop"), 0, "nothing to mend"),
        (("quarantine", "list", "shop"), 0, "{broken"),
        (("quarantine", "replay", "shop", "--select", "clean"), 0, "clean"),
        (("preview", "shop", "clean"), 0, "Nothing was written."),
        (("backfill", "shop", "--select", "clean", "--column", "id", "--from", "1", "--to", "9"), 0, "clean"),
    ],
)  # fmt: skip
def test_commands_with_a_jvm_show_what_they_say(
    ran: Path, columns: int, command: tuple[str, ...], code: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    found, screen = typed(ran, *command, columns=columns)
    looks_right(screen)
    assert shown in screen.text
    assert found == code


@pytest.mark.spark
@pytest.mark.parametrize(("columns", "variables"), [(80, {}), (160, {"NO_COLOR": "1"}), (80, {"TERM": "dumb"})])
def test_the_tests_of_a_pipeline_show_what_they_say_at_every_terminal(
    ran: Path, columns: int, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in ({"TERM": "xterm-256color", "COLUMNS": str(columns)} | variables).items():
        monkeypatch.setenv(name, value)
    code, screen = typed(ran, "test", "shop", "--select", "totals", columns=columns)
    looks_right(screen)
    assert "1 test in both modes: 2 failed" in screen.text
    assert code == 1
    assert (b"\x1b" in screen.raw) is not bool(variables)


def test_a_table_of_a_run_fits_into_a_narrow_terminal_and_tells_of_each_flow() -> None:
    from etl.cli.summary import table
    from etl.planning.results import Counts, FlowResult

    flows = [
        FlowResult(flow="a_flow_with_a_rather_long_name_indeed", status="succeeded", mode="batch", target="t", counts=Counts(read=1_234_567, written=1_234_567), epochs=3),
        FlowResult(flow="other", status="failed", mode="batch", target="t", counts=Counts(read=9, quarantined=9), epochs=1),
    ]  # fmt: skip
    narrow, wide = table(flows, 80), table(flows, 200)
    assert max(map(len, narrow)) <= 80
    assert narrow[0].split() == ["flow", "status", "epochs", "read", "written", "quarantined", "seconds"]
    assert wide == table(flows)
    assert "a_flow_with_a_rather_long_name_indeed" in wide[1]
    assert narrow[1].startswith("a_flow_with")
    assert "…" in narrow[1]


def test_data_cannot_move_the_cursor_and_wide_letters_keep_the_columns() -> None:
    from etl.cli.layout import cells
    from etl.cli.preview import _lines
    from etl.config.schema.types import Column, Type
    from etl.planning.preview import PreviewResult

    rows = (
        {"a": "\x1b[2Jx\r\x9b31m", "b": 7, "c": "z" * 40},
        {"a": "漢字\ttab", "b": 8, "c": None},
        {"a": "é́", "b": 9, "c": ""},
    )
    found = PreviewResult(pipeline="p", flow="f", schema=(Column("a", Type("string")), Column("b", Type("int")), Column("c", Type("string"))), rows=rows, sampled=3, dropped=0, quarantined=0, violated=(), notes=())  # fmt: skip
    lines = _lines(found, 40)[:6]
    assert all(cells(line) <= 40 for line in lines)
    assert "\x1b" not in "".join(lines)
    assert "\r" not in "".join(lines)
    assert "\x9b" not in "".join(lines)
    starts = {cells(line[: line.index(number)]) for line, number in zip(lines[3:6], ("7", "8", "9"), strict=True)}
    assert len(starts) == 1, "numbers stand below each other"


def test_columns_without_room_are_named_below_the_table() -> None:
    from etl.cli.layout import cells
    from etl.cli.preview import _lines
    from etl.config.schema.types import Column, Type
    from etl.planning.preview import PreviewResult

    names = [f"column_{number:02}" for number in range(20)]
    found = PreviewResult(pipeline="p", flow="f", schema=tuple(Column(name, Type("string")) for name in names), rows=(dict.fromkeys(names, "v"),), sampled=1, dropped=0, quarantined=0, violated=(), notes=())  # fmt: skip
    lines = _lines(found, 80)
    assert all(cells(line) <= 80 for line in lines[:4])
    assert lines[4].startswith("… and 13 more: column_07, ")
    assert "column_19" in " ".join(_lines(found)[:1])
