"""What a spec is built from, beside the grammar's values: the builders of its parts all get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.resolve.for_each import Instance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.diagnostics import Location
    from etl.config.document.document import Document, Path_
    from etl.config.project import Place
    from etl.config.resolve.for_each import Expanded
    from etl.config.spec import Scalar


@dataclass(frozen=True, slots=True)
class Given:
    """What a spec is built from, beside what the grammar has made of the files."""

    place: Place
    document: Document
    environment: str
    params: Mapping[str, Scalar]
    written: Mapping[Path_, str]  # where a secret stands: the text as it was written
    expanded: Expanded
    storage_at: Location  # NOWHERE, where no environment says it

    def instance(self, section: str, name: str) -> Instance:
        """What a source or flow was made from: a `for_each`, or itself."""
        return self.expanded.instances.get((section, name)) or Instance(name, {})
