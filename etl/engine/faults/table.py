"""The table of faults: one ordered list of rules, of which the first that speaks of a fault decides.

A text is looked for first. Facts follow from the innermost cause outwards, conditions before classes. A rule of which `passes` is None does
not know: what lies further out may.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.engine.faults.classes import CLASSES, WORDS
from etl.engine.faults.conditions import CONDITIONS, STATES, TEXTS
from etl.engine.faults.rule import Rule

if TYPE_CHECKING:
    from etl.engine.faults.evidence import Evidence, Fact

RULES = (*TEXTS, *CONDITIONS, *STATES, *CLASSES, *WORDS)

UNKNOWN = Rule("text", r"", passes=None, reason="no rule speaks of it")
"""Of what no other rule speaks, of Spark's. It is tried again: a try costs time and never a table (each epoch commits once), giving up costs a night."""

PYTHON = Rule("text", r"", passes=False, reason="Python code that is no part of Spark raised it, and does so again")
"""Of what no other rule speaks, of Python's."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rule that decides about a fault; the fact, or the match in its text, by which it does."""

    rule: Rule
    fact: Fact | None = None
    match: re.Match[str] | None = None


def verdict(fact: Fact) -> Rule:
    """The first rule that speaks of `fact`."""
    return next((rule for rule in (*CONDITIONS, *STATES, *CLASSES) if rule.fits(fact)), UNKNOWN)


def judged(evidence: Evidence, *, spark: bool) -> Judgement:
    """The rule that decides about a fault. `spark`: whether Spark had to do with it."""
    for rule in TEXTS:
        match = re.search(rule.pattern, evidence.text)
        if match:
            return Judgement(rule, match=match)
    doubtful = []
    for fact in evidence.facts:
        rule = verdict(fact)
        if rule.passes is not None:
            return Judgement(rule, fact)
        doubtful.append(Judgement(rule, fact))
    for rule in WORDS:
        if re.search(rule.pattern, evidence.text):
            return Judgement(rule)
    if not spark:
        return Judgement(PYTHON)
    return doubtful[0] if doubtful else Judgement(UNKNOWN)
