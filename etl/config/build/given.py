"""What a spec is built from, beside the grammar's values: the builders of its parts all get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.resolve.for_each import Instance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.diagnostics import Diagnostics, Location
    from etl.config.document.document import Document, Path_
    from etl.config.project import PipelineFiles
    from etl.config.resolve.for_each import Expanded
    from etl.config.spec import Scalar


@dataclass(frozen=True, slots=True)
class Given:
    """What a spec is built from, beside what the grammar has made of the files.

    Attributes:
        files: where the pipeline's file lies.
        document: the file, with the place of each key and value.
        environment: the name of the environment.
        params: each param's value.
        written: where a secret stands: the text as it was written.
        expanded: what `for_each` has made.
        storage_at: where an environment says `storage`; NOWHERE, where none does.
        diagnostics: what is wrong; the builders add to it, and return only what they build.
    """

    files: PipelineFiles
    document: Document
    environment: str
    params: Mapping[str, Scalar]
    written: Mapping[Path_, str]
    expanded: Expanded
    storage_at: Location
    diagnostics: Diagnostics

    def instance(self, section: str, name: str) -> Instance:
        """What a source or flow was made from: a `for_each`, or itself."""
        return self.expanded.instances.get((section, name)) or Instance(name, {})

    def params_of(self, flow: str) -> tuple[str, ...]:
        """The names of the params that a flow's SQL may use: the pipeline's, and the variables of its own `for_each`."""
        return (*self.params, *self.instance("flows", flow).variables)

    def report(self, code: str, message: str, path: Path_, hint: str = "", *, key: bool = False) -> None:
        """Add a mistake at the value, or the key, at a path of the document."""
        self.diagnostics.add(code, message, self.document.place(path, key=key), hint)
