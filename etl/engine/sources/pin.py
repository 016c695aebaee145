"""A moment of an input, held fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pin:
    """A position, and for files the list that stands behind its digest (absolute paths)."""

    position: Mapping[str, Any]
    files: tuple[str, ...] = ()
