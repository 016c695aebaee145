"""Files that are whole or not there, and drafts whose writers were killed in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from etl.engine.storage.json_files import sweep_drafts, write_json

STUCK = """
import sys, time
from etl.engine.storage import json_files
def dump(value, file, **_):
    file.write("{")
    file.flush()
    print("in the middle", flush=True)
    time.sleep(60)
json_files.json.dump = dump
json_files.write_json(sys.argv[1], {})
"""


def test_a_draft_goes_when_its_writer_is_dead_and_not_before(tmp_path: Path) -> None:
    write_json(tmp_path / "it.json", {"a": 1})
    dying = subprocess.Popen([sys.executable, "-c", STUCK, str(tmp_path / "it.json")], stdout=subprocess.PIPE)
    try:
        assert dying.stdout is not None
        assert dying.stdout.readline() == b"in the middle\n"
        sweep_drafts(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2, "its writer lives"
    finally:
        dying.kill()
        dying.communicate()
    assert len(list(tmp_path.iterdir())) == 2, "nobody has removed it"
    assert json.loads((tmp_path / "it.json").read_text(encoding="utf-8")) == {"a": 1}
    sweep_drafts(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["it.json"]
    write_json(tmp_path / "it.json", {"a": 2})
    assert json.loads((tmp_path / "it.json").read_text(encoding="utf-8")) == {"a": 2}
    assert [item.name for item in tmp_path.iterdir()] == ["it.json"]
