"""What every model of the grammar is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A mapping with known keys only, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
