"""The kinds of processing: one value each, which answers all that differs between them. Only `run/` calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.kinds.full import FullKind
from etl.engine.kinds.groups import GroupsKind
from etl.engine.kinds.rows import RowsKind
from etl.engine.kinds.state import StateKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.engine.kinds.kind import FlowKind
    from etl.planning.kinds import Kind

KINDS: Mapping[Kind, FlowKind] = {"rows": RowsKind(), "groups": GroupsKind(), "state": StateKind(), "full": FullKind()}
