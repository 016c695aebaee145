"""`for_each`: one source or flow written once becomes one per value; several variables make their product.

It happens before anything else looks at the file, so that the rest knows only whole sources and flows. Places of what was
made are the places of what was written.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from etl.config.resolve.params import REFERENCE, SQL_KEYS, Interpolation, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.document.document import Document, Path_
    from etl.config.resolve.draft import Draft
    from etl.config.resolve.params import Params
    from etl.config.spec import Scalar

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PART = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Instance:
    """One of the sources or flows that a `for_each` makes: the name that was written, and the variables' values in it."""

    family: str
    variables: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Expanded:
    """What every `for_each` of a file has made.

    Attributes:
        instances: (section, name) → what it was made from.
        datasets: (flow, input as written) → the instance that it reads.
    """

    instances: Mapping[tuple[str, str], Instance] = field(default_factory=dict)
    datasets: Mapping[tuple[str, str], str] = field(default_factory=dict)


def expand(draft: Draft, params: Params) -> tuple[Draft, Expanded]:
    """The draft with an entry for each value of every `for_each`, and what was made from what."""
    expansion = _Expansion(draft, params)
    values = dict(draft.values)
    for section in ("sources", "flows"):
        if isinstance(values.get(section), dict):
            values[section] = expansion.section(section, values[section])
    if not expansion.instances:
        return replace(draft, values=values), Expanded()
    datasets = expansion.datasets(values)
    return replace(draft, values=values, document=expansion.document()), Expanded(expansion.instances, datasets)


class _Expansion:
    def __init__(self, draft: Draft, params: Params) -> None:
        self._draft, self._params = draft, params
        self.instances: dict[tuple[str, str], Instance] = {}
        self._broken: set[tuple[str, str]] = set()

    def section(self, section: str, written: dict[str, Any]) -> dict[str, Any]:
        """The entries of a section, those that were written and those that they make."""
        entries: dict[str, Any] = {}
        for name, entry in written.items():
            if not isinstance(entry, dict) or "for_each" not in entry:
                entries[name] = entry
                continue
            for key, instance in self._instances(section, name, entry).items():
                if key in entries or (key in written and key != name):
                    message = f"for_each of '{name}' makes '{key}', which is there already"
                    self._draft.report("E119", message, (section, name, "for_each"), "rename one of them", key=True)
                entries[key] = instance
        return entries

    def _instances(self, section: str, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        """What one entry with a `for_each` makes."""
        path = (section, name, "for_each")
        written = entry["for_each"]
        rest = {key: value for key, value in entry.items() if key != "for_each"}
        if not isinstance(written, dict) or not written:
            message = "for_each takes variables, each with a list of values"
            self._draft.report("E113", message, path, "for_each: {region: [eu, us]}")
            return {name: rest}
        variables = {str(variable): self._values(variable, values, path) for variable, values in written.items()}
        if not all(variables.values()):
            # What it would have made is not known: one stands for all, so that the rest is still checked.
            self._broken.add((section, name))
            first = {variable: (list(values) or ["x"])[0] for variable, values in variables.items()}
            return {name: self._instance(section, name, rest, first, name)}
        instances: dict[str, Any] = {}
        for combination in itertools.product(*variables.values()):
            made = "_".join([name, *(as_text(value) for value in combination)])
            chosen = dict(zip(variables, combination, strict=True))
            instances[made] = self._instance(section, name, rest, chosen, made)
        return instances

    def _instance(
        self, section: str, family: str, entry: dict[str, Any], variables: Mapping[str, Scalar], name: str
    ) -> Any:
        self.instances[section, name] = Instance(family, variables)
        return _substitute(entry, variables)

    def _values(self, variable: str, written: Any, path: Path_) -> dict[Scalar, None]:
        """The values of one variable, each once; none where something is wrong with them."""
        draft, place = self._draft, (*path, variable)
        before = len(draft.diagnostics)
        if not _NAME.fullmatch(str(variable)):
            hint = "a name is of the form [a-z][a-z0-9_]*"
            draft.report("E107", f"'{variable}' is no name", place, hint, key=True)
        if variable in self._params.values:
            message = f"'{variable}' is a param and a variable of for_each"
            draft.report("E119", message, place, "rename one of them", key=True)
        if not isinstance(written, list) or not written:
            message = f"for_each: '{variable}' has no values"
            draft.report("E113", message, place, f"{variable}: [one, another]", key=True)
            return {}
        values: dict[Scalar, None] = {}
        for index, text in enumerate(written):
            self._add_value(values, variable, text, (*place, index))
        return values if len(draft.diagnostics) == before else {}

    def _add_value(self, values: dict[Scalar, None], variable: str, written: Any, path: Path_) -> None:
        """Add one value of a variable to those before it, or report why it is none."""
        draft = self._draft
        interpolation = Interpolation(draft.document, self._params, draft.files.project)
        value = interpolation.fill(written, path)
        draft.diagnostics.extend(interpolation.diagnostics)
        if interpolation.written:
            message = f"for_each: a value of '{variable}' is a secret, and names show"
            draft.report("E113", message, path, "write it out")
        elif isinstance(value, bool | dict | list) or not _PART.fullmatch(as_text(value)):
            message = f"for_each: '{written}' makes no valid name"
            draft.report("E113", message, path, "a value is of the form [a-z0-9_]+")
        elif as_text(value) in map(as_text, values):
            draft.report("E113", f"for_each: '{variable}' has '{value}' twice", path, "keep one of them")
        else:
            values[value] = None

    def datasets(self, values: Mapping[str, Any]) -> dict[tuple[str, str], str]:
        """Which instance each input means that names what was written once: (flow, input) → instance."""
        families: dict[str, dict[str, Instance]] = {}
        for (_, name), instance in self.instances.items():
            families.setdefault(instance.family, {})[name] = instance
        datasets: dict[tuple[str, str], str] = {}
        flows = values.get("flows")
        for flow, entry in flows.items() if isinstance(flows, dict) else ():
            inputs = entry.get("inputs") if isinstance(entry, dict) else None
            for name in inputs if isinstance(inputs, dict) else ():
                if name in families:
                    datasets[flow, name] = self._dataset(flow, name, families[name])
        return datasets

    def _dataset(self, flow: str, name: str, family: Mapping[str, Instance]) -> str:
        """The instance that an input of a flow means: the one of that very name, or of the flow's own values; the first, where there is none."""
        own = self.instances.get(("flows", flow))
        written, variables = (own.family, own.variables) if own is not None else (flow, {})
        fitting = [key for key, each in family.items() if key == name or each.variables.items() <= variables.items()]
        if fitting or ("flows", written) in self._broken:
            return (fitting or [*family])[0]
        keys = ", ".join(next(iter(family.values())).variables)
        message = f"flow '{written}' reads '{name}', of which there is one for each {keys}"
        hint = f"name one: {', '.join(family)}; or say the same for_each"
        self._draft.report("E200", message, ("flows", written, "inputs", name), hint, key=True)
        return next(iter(family))

    def document(self) -> Document:
        """The document, in which every instance stands where it was written."""
        document = self._draft.document
        keys, places, blocks = dict(document.keys), dict(document.places), set(document.blocks)
        for (section, name), instance in self.instances.items():
            written = (section, instance.family)
            for locations in (keys, places):
                locations |= {(section, name, *path[2:]): at for path, at in locations.items() if path[:2] == written}
            blocks |= {(section, name, *path[2:]) for path in blocks if path[:2] == written}
        return replace(document, keys=keys, places=places, blocks=frozenset(blocks))


def _substitute(value: Any, variables: Mapping[str, Scalar]) -> Any:
    """`value` with `${variable}` filled in; SQL stays as it is, and knows the variable as `:variable`."""
    if isinstance(value, dict):
        return {key: inner if key in SQL_KEYS else _substitute(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_substitute(inner, variables) for inner in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = REFERENCE.fullmatch(value)
    if whole is not None and whole.group(1) in variables:
        return variables[whole.group(1)]
    return REFERENCE.sub(
        lambda match: as_text(variables[match.group(1)]) if match.group(1) in variables else match.group(), value
    )
