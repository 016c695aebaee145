"""What commands say at a terminal of 80 columns and of 160: no line is wider, and paths begin at the project's folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.cli.layout import cells, fitted, near
from etl.cli.summary import summary
from etl.config.diagnostics import Diagnostic, Location
from etl.planning.results import Counts, Failure, FlowResult, RunResult
from tests.support.screen import Screen, typed

CLEANED = "orders_cleaned_of_what_is_no_order"
PIPELINE = f"""
version: 1
name: orders
sources:
  orders: {{format: json, path: landing, schema: "id INT, customer STRING, price STRING, day DATE", on_malformed: quarantine}}
flows:
  {CLEANED}:
    inputs: [orders]
    transform: {{sql: "SELECT id, customer, try_cast(price AS INT) AS price, day FROM orders"}}
    incremental: rows
    expectations:
      has_a_price: {{expr: price IS NOT NULL, on_violation: quarantine}}
      known_customer: {{expr: customer <> 'customer number 3 of the shop'}}
  by_customer:
    inputs: [{CLEANED}]
    transform: {{sql: "SELECT customer, sum(price) AS total FROM {CLEANED} GROUP BY customer"}}
    incremental: {{groups: {{customer: customer}}}}
  by_day:
    inputs: [{CLEANED}]
    transform: {{sql: "SELECT day, count(*) AS orders, sum(price) AS total FROM {CLEANED} GROUP BY day"}}
    incremental: full
  fails:
    inputs: [orders]
    transform: {{sql: "SELECT id, CAST(price AS INT) AS price_of_the_order FROM orders WHERE customer <> 'somebody else'"}}
    incremental: rows
tests:
  - name: an order without a price goes to quarantine, and is counted nowhere else in the shop
    flow: {CLEANED}
    given: {{orders: [{{id: 1, customer: a customer with a name, price: "7", day: 2024-01-01}}]}}
    expect: [{{id: 1, customer: a customer with another name, price: 7, day: 2024-01-01}}]
"""
BROKEN = """
version: 1
name: broken
sources:
  orders: {format: json, path: landing, schema: "id INT, customer STRING, price STRING, day DATE", on_malformed: quarantine, triger: true}
flows:
  f: {inputs: [order], transform: {sql: "SELECT id FROM orders WHERE customer = 'a literal of quite some length' AND day > :nothing"}}
"""
WITHOUT_SPARK = [
    *(["validate", name] for name in ("orders", "broken", "nosuch")), ["validate"], ["plan", "orders"], ["plan", "broken"], ["list"],
    ["history", "orders"], ["audit", "orders"], ["checkpoints", "show", "orders"], ["doctor"], ["graph", "orders"], ["run", "broken"],
    ["run", "orders", "--select", "nosuch"], ["run", "orders", "--mode", "streaming"], ["init", "another_project"], ["quarantine", "list", "orders"],
    ["backfill", "orders", "by_day", "--from", "2024-01-01", "--to", "2024-01-02"], ["checkpoints", "reset", "orders"],
    *([*command.split(), "--help"] for command in (
        "", "validate", "plan", "run", "preview", "test", "verify", "audit", "backfill", "quarantine", "quarantine list", "quarantine replay",
        "history", "checkpoints", "checkpoints show", "graph", "schema", "doctor", "init", "list", "completion")),
]  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "a_project_in_a_folder_with_quite_a_long_name"
    (project / "pipelines").mkdir(parents=True)
    (project / "landing").mkdir()
    (project / "pipelines/orders.yml").write_text(PIPELINE, encoding="utf-8")
    (project / "pipelines/broken.yml").write_text(BROKEN, encoding="utf-8")
    rows = [
        {"id": i, "customer": f"customer number {i % 7} of the shop", "price": str(i % 50) if i % 20 else "n/a", "day": f"2024-01-{i % 28 + 1:02}"}
        for i in range(1, 200)
    ]  # fmt: skip
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (project / "landing/1.json").write_text(text + '{"id": "broken", "day"\n', encoding="utf-8")
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return project


def too_wide(screen: Screen) -> list[str]:
    """The lines that were written wider than the screen is."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.raw.decode()).replace("\r\n", "\n")
    return [line for line in text.split("\n") if cells(line.split("\r")[-1]) > screen.columns]


@pytest.mark.pure
@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("command", WITHOUT_SPARK, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(shop: Path, command: list[str], width: int) -> None:
    _, screen = typed(shop, *command, columns=width)
    assert screen.text.strip()
    assert too_wide(screen) == []
    assert f"{shop}/" not in screen.text


@pytest.mark.spark
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["colours", "NO_COLOR", "dumb"])
@pytest.mark.parametrize("width", [80, 160])
def test_nor_is_one_of_what_runs_and_shows_rows(
    spark: SparkSession, shop: Path, monkeypatch: pytest.MonkeyPatch, width: int, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    wrong = {}
    commands = (
        "run orders --mode batch", "run orders --mode stream", "plan orders", "history orders", "list", "audit orders", "checkpoints show orders",
        "quarantine list orders", "preview orders by_customer", "test orders", f"verify orders --select {CLEANED} --splits 1",
    )  # fmt: skip
    for command in commands if not variables else commands[:2]:
        code, screen = typed(shop, *command.split(), columns=width)
        if (wide := too_wide(screen)) or f"{shop}/" in screen.text or "Traceback" in screen.text:
            wrong[command] = wide or screen.text
        if command == "run orders --mode batch":
            assert code == 1
            assert ".etl/local/tables/orders/by_day" in screen.text
            assert "it fails of the row" in " ".join(screen.text.split())
            assert "1 epochs" not in screen.text
            assert (b"\x1b[32m" in screen.raw) is not bool(variables)
            assert not re.search(rb"\x1b\[(?:3[07]|9[07]|4\d|10\d|[34]8;)", screen.raw), "no black, white or background"
    assert wrong == {}


@pytest.mark.pure
def test_lines_are_broken_between_words_and_go_on_below_where_they_began() -> None:
    assert fitted("  one two three\nfour", 12) == "  one two\n      three\nfour"
    assert fitted("a  b", 80) == "a  b"
    assert fitted("one two", None) == "one two"
    assert fitted("x" * 30 + " y", 20) == "x" * 30 + "\n    y"
    assert fitted("\x1b[32mgreen\x1b[0m words", 11) == "\x1b[32mgreen\x1b[0m words"
    assert fitted("漢字漢字 漢字", 10) == "漢字漢字\n    漢字"


@pytest.mark.pure
def test_paths_are_told_from_the_project_on_and_others_whole(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop / "landing")
    text = f"in {shop}/landing/1.json, '{shop}/x', file://{shop}/y, /other{shop}/z, {shop}, {shop}-old/w"
    assert near(text) == f"in landing/1.json, 'x', file://{shop}/y, /other{shop}/z, {shop}, {shop}-old/w"


@pytest.mark.pure
@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("column", [1, 60, 200, 290])
def test_a_mistake_in_a_long_line_is_shown_around_its_caret(width: int, column: int) -> None:
    line = "".join(f"{number:03} " for number in range(75))
    at = Location("pipelines/p.yml", 17, column, 3, line)
    shown = Diagnostic("E100", "words " * 20, at, "what to do " * 9).render(width).split("\n")
    assert max(map(len, shown)) <= width
    excerpt = next(number for number, text in enumerate(shown) if text.startswith(" 17 | "))
    caret = shown[excerpt + 1].index("^")
    assert shown[excerpt + 1].count("^") == 3
    assert shown[excerpt][caret : caret + 3].strip("… ") == line[column - 1 : column + 2].strip()
    assert " ".join(" ".join(shown[:excerpt]).split()).endswith("words words")
    assert Diagnostic("E100", "m", at, "h").render().split("\n")[0] == f"pipelines/p.yml:17:{column} [E100] m"


@pytest.mark.pure
def test_a_summary_has_each_place_in_a_line_and_a_failure_in_words(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    failure = Failure(
        "run",
        f"flow 'f': it fails in {shop}/landing/1.json " + "and so on " * 12,
        f"{shop}/pipelines/c.py:3:1",
        "correct it " * 12,
    )
    flows = (
        FlowResult(CLEANED, "succeeded", "batch", Counts(9, 9, quarantined=1), 1, target=f"{shop}/.etl/local/tables/orders/{CLEANED}", quarantine=f"{shop}/.etl/local/quarantine/orders/{CLEANED}"),
        FlowResult("f", "failed", "batch", failure=failure, attempts=2),
        FlowResult("g", "skipped", "batch", reason="f failed"),
    )  # fmt: skip
    result = RunResult("r1", "orders", "batch", "failed", "2024-01-01T00:00:00Z", 1.0, flows)
    narrow, plain, styled = summary(result, 80), summary(result), summary(result, 80, coloured=True)
    assert max(map(len, narrow.split("\n"))) <= 80
    assert f"  {CLEANED}\n    .etl/local/tables/orders/{CLEANED}\n" in narrow
    assert f"  {CLEANED}  .etl/local/tables/orders/{CLEANED}\n" in plain
    assert "pipelines/c.py:3:1 flow 'f': it fails in landing/1.json and so on" in narrow
    assert str(shop) not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", styled) == narrow
    assert re.findall(r"\x1b\[(\d+)m(\w+)", styled) == [
        ("32", "succeeded"),
        ("31", "failed"),
        ("33", "skipped"),
        ("31", "failed"),
    ]
