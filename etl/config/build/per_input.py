"""Settings that are given for each changes input of a flow: each of them needs one, and nothing else has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.config.build.given import Given
    from etl.config.document.document import Path_


def check_per_input(
    given: Given,
    code: str,
    subject: str,
    values: Mapping[str, object],
    changes: Sequence[str],
    path: Path_,
    *,
    addition: str,
) -> None:
    """Report the changes inputs that the setting at `path` leaves out, and what it says of anything else.

    `subject`: the setting, in words. `addition`: what is to be written for an input that is left out.
    """
    for name in values:
        if name not in changes:
            hint = did_you_mean(name, changes) or f"the changes inputs are: {', '.join(changes) or 'none'}"
            given.report(
                code, f"{subject} is given for '{name}', which is no changes input", (*path, name), hint, key=True
            )
    for name in changes:
        if name not in values:
            hint = f"add {name}: and {addition}, or read it as a snapshot"
            given.report(code, f"{subject} says nothing of the changes input '{name}'", path, hint, key=True)
