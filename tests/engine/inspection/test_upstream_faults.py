"""What befalls a flow when the flow before it is edited, refreshed or rolled back, and when it is rolled back itself."""

from __future__ import annotations

import json

import pytest

from etl.operations.maintenance.rollback import rollback
from tests.support.place import THINGS, Place

pytestmark = pytest.mark.spark

PLAIN = "SELECT id, v FROM things"
DISTINCT = "SELECT DISTINCT id, v FROM things"
READERS = {
    "auto": "",
    "append": ", incremental: rows, sink: {strategy: append}",
    "merge": ", incremental: rows, sink: {strategy: merge, keys: [id], sequence_by: [id]}",
    "groups": ", incremental: {groups: {id: id}}",
}
MERGED = ", sink: {strategy: merge, keys: [id], sequence_by: [v]}"


def defined(upstream: str, reader: str | None, extra: str = "") -> str:
    """`up` reads the files by a query, and `down`, where there is to be one, reads all of `up`."""
    up = f'  up: {{inputs: [things], transform: {{sql: "{upstream}"}}{extra}}}\n'
    down = f'  down: {{inputs: [up], transform: {{sql: "SELECT id, v FROM up"}}{reader}}}\n'
    return THINGS + up + (down if reader is not None else "")


def back(place: Place, flow: str) -> None:
    spec = place.pipeline().spec
    found = spec.flow(flow)
    assert found is not None
    rollback(spec, found)


def landed(place: Place) -> list[tuple[int, str]]:
    return sorted((int(path.stem), "x") for path in (place.root / "landing").iterdir())


@pytest.mark.parametrize("feed", [False, True], ids=["plain", "with a change feed"])
@pytest.mark.parametrize("reader", READERS)
def test_readers_of_a_flow_that_begins_to_change_rows_begin_anew_or_say_that_they_cannot(
    place: Place, reader: str, feed: bool
) -> None:
    extra = ', sink: {properties: {delta.enableChangeDataFeed: "true"}}' if feed else ""
    place.define(defined(PLAIN, READERS[reader], extra))
    for number in range(2):
        place.land(number)
        place.good()
    place.define(defined(DISTINCT, READERS[reader], extra))
    for number in range(2, 4):
        place.land(number)
        if reader == "append":
            failure = place.run().failure
            assert failure is not None
            assert "E241" in failure.message
            continue
        place.good()
        assert place.rows("up") == place.rows("down") == landed(place)
    if reader == "append":  # the way out that it is told
        place.define(defined(DISTINCT, READERS["merge"], extra))
        place.good()
    assert place.rows("up") == place.rows("down") == landed(place)
    assert place.good().status == "unchanged"


@pytest.mark.parametrize("reader", ["auto", "merge", "groups"])
def test_readers_of_a_flow_that_merges_from_now_on_begin_anew(place: Place, reader: str) -> None:
    place.define(defined(PLAIN, READERS[reader], ", incremental: rows"))
    for number in range(2):
        place.land(number)
        place.good()
    place.define(defined(PLAIN, READERS[reader], ", incremental: rows" + MERGED))
    for number in range(2, 4):
        place.land(number)
        place.good()
        assert place.rows("up") == place.rows("down") == landed(place)
    place.put("landing/9.csv", "id,v", "0,y")
    place.good()
    assert place.rows("up") == place.rows("down") == [(0, "y"), (1, "x"), (2, "x"), (3, "x")]


def test_an_input_that_joins_and_whose_rows_change_is_an_edit_as_any_other(place: Place) -> None:
    def down(inputs: str, query: str) -> str:
        flow = f'  down: {{inputs: [{inputs}], transform: {{sql: "{query}"}}, incremental: {{groups: {{id: id}}}}}}\n'
        return defined(PLAIN, None, ", incremental: rows" + MERGED) + flow

    place.define(down("things", PLAIN))
    place.land(0)
    place.good()
    place.define(down("things, up", f"{PLAIN} UNION ALL SELECT id, v FROM up"))
    assert place.planned() == ("new generation", "the definition changed")
    place.put("landing/1.csv", "id,v", "0,y")
    place.good()
    assert place.rows("down") == [(0, "x"), (0, "y"), (0, "y")]


@pytest.mark.parametrize("refreshed", [False, True], ids=["one generation", "refreshed before it had a reader"])
def test_a_flow_that_had_no_reader_may_get_one_be_refreshed_and_rolled_back(place: Place, refreshed: bool) -> None:
    up, reader = ", incremental: rows" + MERGED, ", incremental: rows" + MERGED
    place.define(defined(PLAIN, None, up))
    place.land(0)
    place.good()
    if refreshed:
        place.good("batch", full_refresh=True)
    place.define(defined(PLAIN, reader, up))
    place.put("landing/1.csv", "id,v", "0,y", "1,y")
    place.good()
    assert place.rows("up") == place.rows("down") == [(0, "y"), (1, "y")]
    if not refreshed:
        place.land(2)
        place.good(full_refresh=True)
        place.land(3)
        place.good()
        assert place.rows("up") == place.rows("down") == [(0, "y"), (1, "y"), (2, "x"), (3, "x")]
    there = place.rows("up")
    back(place, "up")
    for _ in range(2):
        place.good()
        assert place.rows("up") == place.rows("down") == there
    assert place.good().status == "unchanged"


@pytest.mark.parametrize(
    ("before", "added"),
    [
        ("", ", expectations: {known: {expr: v IS NOT NULL, on_violation: quarantine}}"),
        (
            ", sink: {strategy: merge, keys: [id], sequence_by: [id]}",
            ", sink: {strategy: merge, keys: [id], sequence_by: [id], delete_when: v = 'gone'}",
        ),
    ],
    ids=["a quarantine", "a state"],
)
@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_runs_go_on_after_a_rollback_over_what_an_edit_added(place: Place, before: str, added: str, mode: str) -> None:
    kept = "  kept: {{inputs: [things], incremental: rows{}}}\n"
    place.define(THINGS + kept.format(before))
    place.land(0)
    place.put("landing/1.csv", "id,v", "1,")
    place.good()
    place.define(THINGS + kept.format(added))
    place.good()
    back(place, "kept")
    assert place.rows("kept") == [(0, "x"), (1, None)]
    place.define(THINGS + kept.format(before))
    place.good(mode)
    place.land(2)
    place.good(mode)
    assert place.rows("kept") == [(0, "x"), (1, None), (2, "x")]
    place.define(THINGS + kept.format(added))
    assert place.good(mode).status == "succeeded"
    assert place.rows("kept") == [(0, "x"), *([] if "quarantine" in added else [(1, None)]), (2, "x")]
    assert place.good(mode).status == "unchanged"


@pytest.mark.parametrize("by", [1, -1], ids=["further on", "further back"])
def test_a_checkpoint_that_says_elsewhere_than_the_commit_is_begun_anew(place: Place, by: int) -> None:
    """As another driver on the same checkpoint would leave it: rows between the two would be lost, or read twice."""
    place.define(defined(PLAIN, READERS["append"], ", incremental: rows"))
    for number in range(3):
        place.land(number)
        place.good()
    checkpoint = place.root / ".etl" / "local" / "checkpoints" / "p" / "down" / "g0" / "offsets"
    newest = max(checkpoint.glob("[0-9]*"), key=lambda file: int(file.name))
    lines = newest.read_text(encoding="utf-8").splitlines()
    offset = json.loads(lines[2])
    offset["reservoirVersion"] += by
    newest.write_text("\n".join([*lines[:2], json.dumps(offset)]), encoding="utf-8")
    newest.with_name(f".{newest.name}.crc").unlink(missing_ok=True)
    place.land(3)
    place.land(4)
    decided = place.good()
    assert f"the checkpoint's offsets of epoch {newest.name} are not those of its commit" in decided.reason
    assert place.rows("up") == place.rows("down") == landed(place)
