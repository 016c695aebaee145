"""pyspark's test tools are imported where they are used, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine_cases import land, write_project

DEFERRED = """
import sys
from etl.engine.session.deferred_tools import defer
defer()
from pyspark.testing.utils import have_numpy
from importlib.util import find_spec
assert have_numpy == (find_spec("numpy") is not None)
assert "pyspark.testing.unittestutils" not in sys.modules, "they were imported"
"""

ONE = """
import pyspark.testing
import pyspark.testing.utils
assert f is pyspark.testing.utils.assertDataFrameEqual is pyspark.testing.assertDataFrameEqual
assert callable(f) and sys.modules["pyspark.testing"] is pyspark.testing
"""
AT_ONCE = """
import threading
seen, together = [], threading.Barrier(4)
def use(text):
    together.wait()
    names = {}
    exec(text, names)
    seen.append(names["f"])
texts = ("from pyspark.testing import main as f", "from pyspark.testing import assertDataFrameEqual as f") * 2
threads = [threading.Thread(target=use, args=(text,)) for text in texts]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(seen) == 4 and len(set(seen)) == 2, seen
"""


def test_threads_that_import_them_at_once_get_them_whole() -> None:
    ended = subprocess.run([sys.executable, "-c", DEFERRED + AT_ONCE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_looking_through_all_modules_loads_none_of_them() -> None:
    program = (
        "import inspect\ninspect.stack()\n[getattr(each, '__file__', '') for each in list(sys.modules.values())]\n"
    )
    unused = "assert 'pyspark.testing.unittestutils' not in sys.modules"
    ended = subprocess.run(
        [sys.executable, "-c", DEFERRED + program + unused], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    "use",
    [
        "from pyspark.testing import assertDataFrameEqual as f",
        "import pyspark.testing; f = pyspark.testing.assertDataFrameEqual",
        "import pyspark.testing.utils; f = pyspark.testing.utils.assertDataFrameEqual",
        "import pyspark.testing.utils as u; f = u.assertDataFrameEqual",
        "from pyspark.testing import utils; f = utils.assertDataFrameEqual",
        "from pyspark.testing.utils import assertDataFrameEqual as f, have_numpy, have_pandas",
        "import pyspark.testing.sqlutils; f = pyspark.testing.assertDataFrameEqual",
        "from pyspark.testing.utils import *; f = assertDataFrameEqual",
        "from pyspark.testing import *; f = assertDataFrameEqual",
        "from importlib.util import find_spec; assert find_spec('pyspark.testing.utils'); import pyspark.testing as t; f = t.assertDataFrameEqual",
    ],
)
def test_they_are_whole_however_they_are_imported(use: str) -> None:
    program = f"{DEFERRED}{use}\n{ONE}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.system
def test_a_run_of_sql_imports_no_pandas(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project")
    land(root, "1.json", [{"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False}])
    program = (
        "import sys\nfrom etl.cli import main\ncode = main(['run', 'shop', '--mode', 'batch'], standalone_mode=False)\n"
        "sys.exit(code or ' '.join({'pandas', 'pyspark.testing.unittestutils'} & sys.modules.keys()) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
