"""A pipeline's file on its way to the grammar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.config.diagnostics import Diagnostics
    from etl.config.document.document import Document, Path_
    from etl.config.project import PipelineFiles


@dataclass(frozen=True, slots=True)
class Draft:
    """A pipeline's file before the grammar sees it; each phase makes the next draft of the one before.

    Attributes:
        files: where the file lies.
        document: the file, with the place of each key and value; also of those that a phase has added.
        values: the file's values, as far as they are resolved.
        diagnostics: what is wrong, in all phases.
    """

    files: PipelineFiles
    document: Document
    values: dict[str, Any]
    diagnostics: Diagnostics

    def report(self, code: str, message: str, path: Path_, hint: str = "", *, key: bool = False) -> None:
        """Add a mistake at the value, or the key, at a path of the document."""
        self.diagnostics.add(code, message, self.document.place(path, key=key), hint)
