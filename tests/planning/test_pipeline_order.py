"""Several pipelines: what is selected of each, the order in which they run, and how few sessions that needs."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from etl.config.spec import FlowSpec, InputSpec, PipelineSpec, SourceSpec, SparkSpec
from etl.errors import ConfigurationError
from etl.planning.pipeline_order import SessionSettings, ordered
from etl.planning.selectors import Selection, select_together

SMALL = SparkSpec(conf=(("spark.driver.memory", "1g"),))
LARGE = SparkSpec(conf=(("spark.driver.memory", "8g"), ("spark.x", "1")))


def pipeline(root: Path, name: str, *reads: str, spark: SparkSpec = SMALL, storage: str = "/s") -> PipelineSpec:
    """A pipeline whose flow `<name>_all` reads a file and the flow `<other>_all` of each of those that it reads."""
    file = root / "pipelines" / f"{name}.yml"
    file.parent.mkdir(exist_ok=True)
    file.touch()
    links = tuple(SourceSpec(other, "delta", f"/s/{other}", of=(other, f"{other}_all")) for other in reads)
    flow = FlowSpec(f"{name}_all", (InputSpec("s"), *(InputSpec(other) for other in reads)), tags=("whole",))
    own = FlowSpec(f"{name}_own", (InputSpec("s"),))
    sources = (SourceSpec("s", "delta", "/d"), *links)
    return PipelineSpec(name, file, root, root, "local", storage, sources=sources, flows=(flow, own), spark=spark)


def order(*specs: PipelineSpec, select: tuple[str, ...] = ()) -> list[str]:
    return [each.spec.name for each in ordered(select_together(specs, select, ()))]


def test_a_pipeline_runs_after_those_that_it_reads_and_else_in_the_order_given(tmp_path: Path) -> None:
    last, middle, first, alone = (
        pipeline(tmp_path, "last", "middle", "first"),
        pipeline(tmp_path, "middle", "first"),
        pipeline(tmp_path, "first"),
        pipeline(tmp_path, "alone"),
    )
    assert order(last, alone, middle, first) == ["alone", "first", "middle", "last"]
    for specs in itertools.permutations((last, middle, first)):
        assert order(*specs) == ["first", "middle", "last"]


def test_a_link_counts_only_to_a_pipeline_of_the_command_and_of_a_flow_that_runs(tmp_path: Path) -> None:
    pipeline(tmp_path, "elsewhere")
    marts, raw = pipeline(tmp_path, "marts", "raw", "elsewhere"), pipeline(tmp_path, "raw")
    assert order(marts) == ["marts"]
    assert order(marts, raw) == ["raw", "marts"]
    assert order(marts, raw, select=("marts_own", "raw_all")) == ["marts", "raw"]


def test_a_circle_is_named_whole_and_only_itself(tmp_path: Path) -> None:
    specs = [pipeline(tmp_path, *names) for names in (("x", "a"), ("a", "b"), ("b", "c"), ("c", "a", "y"), ("y",))]
    with pytest.raises(ConfigurationError) as raised:
        order(*specs)
    (mistake,) = raised.value.diagnostics
    assert (mistake.code, mistake.message) == (
        "E251",
        "pipelines read each other in a circle: a reads b reads c reads a",
    )
    assert order(*specs, select=("x_all", "a_all", "b_all", "c_own", "y_all")) == ["c", "b", "a", "x", "y"]


def sessions(names: list[str], large: set[str]) -> int:
    return sum((before in large) != (after in large) for before, after in itertools.pairwise(names))


def test_as_few_sessions_as_the_links_allow(tmp_path: Path) -> None:
    large = {"b", "d", "e"}
    reads = {"a": (), "b": ("a",), "c": (), "d": ("c",), "e": ()}
    specs = [pipeline(tmp_path, name, *links, spark=LARGE if name in large else SMALL) for name, links in reads.items()]
    for given in itertools.permutations(specs):
        found = order(*given)
        allowed = [
            names
            for names in itertools.permutations(reads)
            if all(names.index(link) < names.index(name) for name, links in reads.items() for link in links)
        ]
        assert sessions(found, large) == min(sessions(list(names), large) for names in allowed) == 1
    begins_large = [pipeline(tmp_path, "p", spark=SMALL), pipeline(tmp_path, "q", spark=LARGE)]
    begins_large.append(pipeline(tmp_path, "r", "q", spark=SMALL))
    assert order(*begins_large) == ["q", "p", "r"]  # p first would need three


def test_what_sessions_differ_in_is_named_without_its_values() -> None:
    small, large = SessionSettings(SMALL, in_objects=False), SessionSettings(LARGE, in_objects=True)
    assert large.differing(small) == ("spark.driver.memory", "spark.x", "storage")
    assert SessionSettings(SparkSpec("local[1]"), in_objects=False).differing(
        SessionSettings(SparkSpec(), in_objects=False)
    ) == ("spark.master",)


def chosen(selections: tuple[Selection, ...]) -> dict[str, tuple[str, ...]]:
    return {each.spec.name: each.flows for each in selections}


def test_a_selector_need_mean_something_in_one_pipeline_only(tmp_path: Path) -> None:
    a, b = pipeline(tmp_path, "a"), pipeline(tmp_path, "b")
    assert chosen(select_together([a, b], ["a_all"], [])) == {"a": ("a_all",)}
    assert chosen(select_together([a, b], ["tag:whole"], ["b_all"])) == {"a": ("a_all",)}
    assert chosen(select_together([a, b], [], ["b_all"])) == {"a": ("a_all", "a_own"), "b": ("b_own",)}
    (first, second) = select_together([a, b], ["a_all", "b_own"], ["a_own", "a_own+"])
    assert (first.include, first.exclude, second.include, second.exclude) == (
        ("a_all",),
        ("a_own", "a_own+"),
        ("b_own",),
        (),
    )


@pytest.mark.parametrize(
    ("include", "exclude", "said"),
    [
        (["a_al"], [], "there is no flow 'a_al'\n  did you mean 'a_all'?"),
        (["a_all"], ["zzzzzz"], "there is no flow 'zzzzzz'\n  the flows are: a_all, a_own, b_all, b_own"),
        (["tag:zzzzzz"], [], "no flow has the tag 'zzzzzz'\n  the tags are: whole"),
        (["a_all"], ["a_all"], "nothing is selected: every selected flow is excluded again"),
        (["nope1", "nope2", "a_all"], [], "there is no flow 'nope2'"),
    ],
)
def test_a_selector_that_means_nothing_in_any_pipeline_is_a_mistake(
    tmp_path: Path, include: list[str], exclude: list[str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        select_together([pipeline(tmp_path, "a"), pipeline(tmp_path, "b")], include, exclude)
    assert said in str(raised.value)
    assert all(mistake.code == "E250" for mistake in raised.value.diagnostics)
