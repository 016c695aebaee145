"""Of each flow that says `trusted: true` the definition that `etl verify` has found equal, under `history/`.

No target depends on it: where it is missing, a plan and a run warn that nothing but the author's word holds the groups apart. Python
into which no plan can look is not even run then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic
from etl.engine.storage.json_files import read_json, sweep_drafts, write_json
from etl.engine.storage.layout import root_of
from etl.engine.storage.places import place

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.storage.places import Place


def save(spec: PipelineSpec, flow: FlowSpec, fingerprint: str, *, equal: bool) -> None:
    """What a verification has found of `flow` as it stands; one that found a difference takes back what an earlier one said."""
    file = _file(spec, flow)
    if equal or file.exists():
        write_json(file, {"fingerprint": fingerprint, "equal": equal})
        sweep_drafts(file.parent)


def warning_of(spec: PipelineSpec, flow: FlowSpec, fingerprint: str) -> str:
    """What there is to say of a flow whose author is trusted, in words; empty for any other, and for one that was verified as it is."""
    if spec.trial or not flow.trusted:
        return ""
    record = _known(spec, flow)
    if record == {"fingerprint": fingerprint, "equal": True}:
        return ""
    if record == {"fingerprint": fingerprint, "equal": False}:
        verdict = "the last etl verify has found that it is not equal"
    else:
        verdict = "no etl verify on record has found it equal as it is now"
    return f"it says trusted: true, and {verdict}: {_command(spec, flow)}"


def missing_proof(spec: PipelineSpec, flow: FlowSpec, fingerprint: str, opaque: str) -> Diagnostic | None:
    """Why a flow must not run: the plan has Python that nobody can look into (`opaque`, in words), and no verification speaks for it."""
    if not opaque or not warning_of(spec, flow, fingerprint):
        return None
    return Diagnostic(
        "E267",
        f"flow '{flow.name}' says trusted: true, and its plan has {opaque}: that takes your word and a passing etl verify,"
        " and none is on record for it as it is now",
        flow.at,
        f"{_command(spec, flow)}; or use incremental: full",
    )


def _command(spec: PipelineSpec, flow: FlowSpec) -> str:
    environment = "" if spec.environment == "local" else f" --env {spec.environment}"
    return f"etl verify {spec.name} --select {flow.name}{environment}"


def _known(spec: PipelineSpec, flow: FlowSpec) -> Any | None:
    try:
        return read_json(_file(spec, flow))
    except ValueError:  # a damaged record proves nothing, and the next verification rewrites it
        return None


def _file(spec: PipelineSpec, flow: FlowSpec) -> Place:
    return place(root_of(spec), "history", spec.name, "verified", f"{flow.stored_as}.json")
