"""notebooks/quickstart.ipynb, executed from its first cell to its last in a copy of the project."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib.image
import nbformat
import pytest
from nbclient import NotebookClient

from tests.pipelines.nyc_oracle import Oracle

ROOT = Path(__file__).parents[2]
FILE = ROOT / "notebooks" / "quickstart.ipynb"
LAST = dt.date(2013, 3, 31)


def test_the_notebook_is_kept_without_outputs() -> None:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells] == [([], None)] * len(cells)


@pytest.mark.system
@pytest.mark.timeout(600)
def test_the_notebook_runs_and_draws_what_the_tables_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipelines", "conf", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        (tmp_path / "jupyter" / name).mkdir(parents=True)
        monkeypatch.setenv(name, str(tmp_path / "jupyter" / name))
    book = nbformat.read(tmp_path / "notebooks" / FILE.name, as_version=4)
    NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path / "notebooks")}}
    ).execute()
    kept = shown(book)
    (tmp_path / "executed.ipynb").write_text(nbformat.writes(book), encoding="utf-8")

    assert Oracle(tmp_path / "oracle", LAST).differences(tmp_path / ".etl" / "notebook") == {}
    assert [text for kind, text in kept if kind == "stderr"] == [], "no log line reaches the notebook"
    assert [text for kind, text in kept if kind == "stdout" and not text.startswith("landed ")] == []
    texts = [text for kind, text in kept if kind in ("text/html", "text/plain")]
    for part in ("batch, ", "stream, ", "holds", "new generation", "epochs 1–", "known_destination"):
        assert any(part in text for text in texts), part
    pictures = [text for kind, text in kept if kind == "image/png"]
    assert len(pictures) == 3
    for picture in pictures:
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)))
        height, width, _ = pixels.shape
        assert width > 800
        assert height > 300
        assert pixels.std() > 0.05, "an empty picture"


def shown(book: Any) -> list[tuple[str, str]]:
    """Everything that the cells put out: the stream's name or the richest type, and its text."""
    found = []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                found.append((output.name, output.text))
            else:
                assert output.output_type in ("display_data", "execute_result"), output
                kind = next(name for name in ("image/png", "text/html", "text/plain") if name in output.data)
                found.append((kind, output.data[kind]))
    return found
