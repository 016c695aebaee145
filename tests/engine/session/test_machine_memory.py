"""The heap fits what a container or a service leaves of the machine's memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etl.engine.session import profile
from etl.engine.session.machine_memory import usable_memory

WHOLE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MIB = 1024**2


@pytest.mark.parametrize(
    ("of_process", "limits", "expected"),
    [
        ("0::/\n", {}, WHOLE),
        ("0::/\n", {"memory.max": "max\n"}, WHOLE),
        ("0::/\n", {"memory.max": f"{512 * MIB}\n"}, 512 * MIB),
        # systemd's MemoryMax of the slice around the service
        (
            "0::/batch.slice/etl.service\n",
            {"batch.slice/memory.max": f"{700 * MIB}\n", "batch.slice/etl.service/memory.max": "max\n"},
            700 * MIB,
        ),
        # of version 1 the unlimited is a number beyond every machine's; a container sees its own group as the root
        (
            "9:name=systemd:/\n4:memory:/docker/abc\n0::/\n",
            {"memory/docker/abc/memory.limit_in_bytes": "9223372036854771712\n"},
            WHOLE,
        ),
        ("5:cpu,memory:/docker/abc\n", {"memory/memory.limit_in_bytes": f"{300 * MIB}\n"}, 300 * MIB),
    ],
)
def test_the_least_limit_counts(tmp_path: Path, of_process: str, limits: dict[str, str], expected: int) -> None:
    (tmp_path / "self").write_text(of_process, encoding="utf-8")
    for name, text in limits.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text, encoding="utf-8")
    assert usable_memory(root=tmp_path / "fs", of_process=tmp_path / "self") == expected


def test_without_control_groups_it_is_the_machine_s(tmp_path: Path) -> None:
    assert usable_memory(root=tmp_path, of_process=tmp_path / "none") == WHOLE


@pytest.mark.parametrize(
    ("usable", "heap"), [(512, "384m"), (1024, "768m"), (2048, "1024m"), (6144, "3072m"), (64000, "4096m")]
)
def test_the_heap_leaves_room_for_python(monkeypatch: pytest.MonkeyPatch, usable: int, heap: str) -> None:
    monkeypatch.setattr(profile, "usable_memory", lambda: usable * MIB)
    assert profile.local("/scratch", short=True)["spark.driver.memory"] == heap
