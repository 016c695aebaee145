"""What is worth rewriting and what may go, over every table that one can think of."""

from __future__ import annotations

from collections import Counter
from math import log2

from hypothesis import given
from hypothesis import strategies as st

from etl.planning.maintenance import (
    FEWEST,
    Compaction,
    Credit,
    DataFile,
    Ended,
    LoggedFiles,
    Needs,
    Removal,
    StoredFile,
    clustering,
    compaction,
    removable,
    superseded,
)

TARGET = 1000
DAYS = [(("day", day),) for day in ("mon", "tue", None)]


@st.composite
def tables(draw: st.DrawFn) -> list[DataFile]:
    sizes = draw(st.lists(st.tuples(st.integers(1, 2 * TARGET), st.sampled_from(DAYS)), max_size=60))
    return [DataFile(f"{number}.parquet", size, day) for number, (size, day) in enumerate(sizes)]


def rewritten(files: list[DataFile], chosen: Compaction, target: int = TARGET) -> list[DataFile]:
    """The table after Delta has done what was chosen: files in the order of their sizes, together until the next does not fit."""
    left: list[DataFile] = []
    for day in dict.fromkeys(file.partition for file in files):
        inside = [file for file in files if file.partition == day]
        if not chosen or (chosen.partitions and day not in chosen.partitions):
            left += inside
            continue
        left += [file for file in inside if file.bytes >= min(chosen.below, target)]
        held = 0
        for file in sorted(
            (file for file in inside if file.bytes < min(chosen.below, target)), key=lambda each: each.bytes
        ):
            if held and held + file.bytes > target:
                left.append(DataFile("new", held, day))
                held = 0
            held += file.bytes
        left += [DataFile("new", held, day)] if held else []
    return left


@given(tables())
def test_a_compaction_loses_no_byte_halves_what_it_rewrites_and_touches_no_file_that_is_big_enough(
    files: list[DataFile],
) -> None:
    chosen = compaction(files, TARGET)
    after = rewritten(files, chosen)
    assert sum(file.bytes for file in after) == sum(file.bytes for file in files)
    if not chosen:
        assert Counter(after) == Counter(files)
        return
    assert chosen.files >= FEWEST
    assert chosen.into <= chosen.files / 2
    assert chosen.below <= TARGET
    assert len(after) <= len(files) - chosen.files + chosen.into
    counted = Counter(file.partition for file in files)
    assert all(counted[partition] >= FEWEST for partition in chosen.partitions)


@given(tables())
def test_what_was_compacted_again_and_again_comes_to_rest_with_few_small_files(files: list[DataFile]) -> None:
    for _ in range(20):
        chosen = compaction(files, TARGET)
        if not chosen:
            break
        files = rewritten(files, chosen)
    assert not compaction(files, TARGET)


@given(st.integers(100, 400), st.integers(1, 40))
def test_a_table_that_grows_epoch_by_epoch_keeps_few_files_and_rewrites_each_row_a_few_times(
    epochs: int, size: int
) -> None:
    files: list[DataFile] = []
    written = 0
    most = 0
    target = 4000
    for epoch in range(epochs):
        files.append(DataFile(f"{epoch}.parquet", size))
        chosen = compaction(files, target)
        written += chosen.bytes
        files = rewritten(files, chosen, target)
        most = max(most, len(files))
    total = epochs * size
    assert most <= 2 * FEWEST + total / (target / 2) + log2(target / size)
    assert written <= total * (2 + log2(target / size))


def test_one_big_file_beside_small_ones_is_not_rewritten_for_them() -> None:
    files = [DataFile("big", 900), *(DataFile(str(number), 10) for number in range(10))]
    chosen = compaction(files, TARGET)
    assert (chosen.files, chosen.bytes, chosen.into) == (10, 100, 1)
    assert chosen.below <= 900


def test_only_partitions_with_many_small_files_are_named_and_none_where_all_have_them() -> None:
    many = [DataFile(f"a{number}", 10, DAYS[0]) for number in range(FEWEST)]
    few = [DataFile(f"b{number}", 10, DAYS[1]) for number in range(FEWEST - 1)]
    assert compaction([*many, *few], TARGET).partitions == (DAYS[0],)
    assert compaction(many, TARGET).partitions == ()
    assert not compaction(few, TARGET)


def test_a_clustered_table_is_clustered_once_enough_files_came_that_are_not() -> None:
    old = [DataFile(f"{number}", 10, is_clustered=True) for number in range(20)]
    new = [DataFile(f"n{number}", 10) for number in range(FEWEST)]
    assert not clustering([*old, *new[:-1]])
    assert clustering([*old, *new]).files == FEWEST


NOW, KEEP = 1_000_000, 10_000


@given(
    removed_at=st.integers(0, NOW),
    version=st.integers(1, 9),
    stands=st.none() | st.integers(-1, 9),
    began=st.none() | st.integers(0, NOW),
)
def test_a_file_goes_only_when_it_is_old_and_no_version_that_anybody_reads_has_it(
    removed_at: int, version: int, stands: int | None, began: int | None
) -> None:
    logged = LoggedFiles(
        9,
        0,
        {"live": DataFile("live", 1)},
        {"gone": Removal(version, removed_at)},
        {"feed": Removal(version, removed_at)},
    )
    needs = Needs(KEEP, began, stands, "reader")
    stored = [StoredFile(name, 1, 0) for name in ("live", "gone", "feed")]
    names = {file.path for file in removable(stored, logged, needs, now_ms=NOW)}
    old = removed_at < NOW - KEEP and (began is None or removed_at < began)
    read = stands is not None and stands < version  # the reader's version still has it, or is to read that it went
    assert names == ({"gone", "feed"} if old and not read else set())


@given(st.integers(0, NOW), st.integers(0, 5), st.none() | st.integers(-1, 5))
def test_what_no_log_names_goes_once_it_is_old_unless_a_reader_stands_before_the_log(
    changed: int, first: int, stands: int | None
) -> None:
    logged = LoggedFiles(9, first, {})
    found = removable([StoredFile("unknown", 1, changed)], logged, Needs(KEEP, version=stands), now_ms=NOW)
    assert bool(found) == (changed < NOW - KEEP and not (stands is not None and stands < first))


def test_generations_end_with_the_commit_that_followed_them_and_the_one_under_way_never() -> None:
    old, young = NOW - KEEP - 1, NOW - KEEP + 1
    commits = [Ended(0, 0), Ended(1, old), Ended(2, old), Ended(2, old), Ended(3, young)]
    assert superseded(range(5), commits, -1, now_ms=NOW, keep_ms=KEEP) == (0, 1)
    back = [*commits, Ended(1, young, rolls_back=True)]
    assert superseded(range(5), back, 3, now_ms=NOW, keep_ms=KEEP) == (0,)
    long_ago = [Ended(0, 0), Ended(1, 0), Ended(0, old, rolls_back=True)]
    assert superseded(range(3), long_ago, 1, now_ms=NOW, keep_ms=KEEP) == (1,)
    cleaned = [Ended(3, old)]  # the log no longer tells of those before
    assert superseded([0, 2, 3, 4], cleaned, -1, now_ms=NOW, keep_ms=KEEP) == (0, 2)
    assert superseded([0, 1], [], -1, now_ms=NOW, keep_ms=KEEP) == ()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50)), max_size=50), st.floats(0.01, 1))
def test_credit_is_overdrawn_once_at_most(turns: list[tuple[float, float]], budget: float) -> None:
    credit, walls, spent, last = Credit(), 0.0, 0.0, 0.0
    for wall, cost in turns:
        credit, walls = credit.after(wall, budget), walls + wall
        if credit.allows:
            credit, spent, last = credit.less(cost), spent + cost, cost
            assert spent - last <= walls * budget + 1e-6
