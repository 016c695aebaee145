"""A moment of an input, held fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Pin:
    """A position, and for files the list that stands behind its digest: absolute path → modification time in ms."""

    position: Mapping[str, Any]
    files: Mapping[str, int] = field(default_factory=dict)
