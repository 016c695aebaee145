"""The grammar of `maintenance:`, of a flow or of all of them."""

from __future__ import annotations

from pydantic import Field

from etl.config.grammar.model import Model
from etl.config.grammar.values import Duration, Flag, Share, Size


class Maintenance(Model):
    """How the flow's tables are kept small, by `etl maintain` and, where `auto` says so, by its runs."""

    auto: Flag = Field(default=False, description="true: between the epochs of a run, and at its end, within `budget`.")
    target_file_size: Size = Field(
        128 * 1024**2, description="Small files are rewritten together, up to this size (default 128 MB)."
    )
    keep: Duration = Field(
        7 * 86400.0,
        description="For how long what a table no longer holds can be read and gone back to (default 7 days): older versions' files, and superseded generations.",
    )
    budget: Share = Field(
        0.1, description="auto: the share of the wall time of the flow's runs that it may take (default 10%)."
    )
