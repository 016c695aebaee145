"""`for_each`: one source or flow written once becomes one per value; several variables make their product.

It happens before anything else looks at the file, so that the rest knows only whole sources and flows. Places of what was
made are the places of what was written.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic
from etl.config.resolve.params import REFERENCE, SQL_KEYS, Interpolation, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from etl.config.diagnostics import Location
    from etl.config.document.document import Document, Path_
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
    """The file's values with every `for_each` written out."""

    values: dict[str, Any]
    document: Document
    instances: Mapping[tuple[str, str], Instance] = field(
        default_factory=dict
    )  # (section, name) → what it was made from
    datasets: Mapping[tuple[str, str], str] = field(
        default_factory=dict
    )  # (flow, input as written) → the instance it reads


def expand(
    document: Document, values: dict[str, Any], params: Params, project: Path, found: list[Diagnostic]
) -> Expanded:
    """`values` with one entry for each value; what is wrong with a `for_each` is added to `found`."""
    work = _Expansion(document, params, project, found)
    out = dict(values)
    for section in ("sources", "flows"):
        if isinstance(values.get(section), dict):
            out[section] = work.section(section, values[section])
    if not work.instances:
        return Expanded(out, document)
    datasets = work.datasets(out)
    return Expanded(out, work.document(), work.instances, datasets)


class _Expansion:
    def __init__(self, document: Document, params: Params, project: Path, found: list[Diagnostic]) -> None:
        self._document, self._params, self._project, self._found = document, params, project, found
        self.instances: dict[tuple[str, str], Instance] = {}
        self._broken: set[tuple[str, str]] = set()

    def section(self, section: str, items: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, item in items.items():
            if not isinstance(item, dict) or "for_each" not in item:
                entries = {name: item}
            else:
                entries = self._entry(section, name, item)
            for key, value in entries.items():
                if isinstance(item, dict) and "for_each" in item and (key in made or (key in items and key != name)):
                    at = self._document.place((section, name, "for_each"), key=True)
                    message = f"for_each of '{name}' makes '{key}', which is there already"
                    self._report("E119", message, at, "rename one of them")
                made[key] = value
        return made

    def _entry(self, section: str, name: str, item: dict[str, Any]) -> dict[str, Any]:
        path = (section, name, "for_each")
        wanted = item["for_each"]
        rest = {key: value for key, value in item.items() if key != "for_each"}
        if not isinstance(wanted, dict) or not wanted:
            hint = "for_each: {region: [eu, us]}"
            self._report(
                "E113", "for_each takes variables, each with a list of values", self._document.place(path), hint
            )
            return {name: rest}
        variables = {str(key): self._values(key, given, path) for key, given in wanted.items()}
        if not all(variables.values()):
            # What it would have made is not known: one stands for all, so that the rest is still checked.
            self._broken.add((section, name))
            return self._make(
                section, name, rest, {key: (list(found) or ["x"])[0] for key, found in variables.items()}, name
            )
        entries: dict[str, Any] = {}
        for combination in itertools.product(*variables.values()):
            made = "_".join([name, *(as_text(value) for value in combination)])
            entries |= self._make(section, name, rest, dict(zip(variables, combination, strict=True)), made)
        return entries

    def _make(
        self, section: str, name: str, item: dict[str, Any], variables: Mapping[str, Scalar], made: str
    ) -> dict[str, Any]:
        self.instances[section, made] = Instance(name, variables)
        return {made: _substitute(item, variables)}

    def _values(self, variable: str, given: Any, path: Path_) -> dict[Scalar, None]:
        """The values of one variable, each once; none where something is wrong with them."""
        at = self._document.place((*path, variable), key=True)
        before = len(self._found)
        if not _NAME.fullmatch(str(variable)):
            self._report("E107", f"'{variable}' is no name", at, "a name is of the form [a-z][a-z0-9_]*")
        if variable in self._params.values:
            self._report("E119", f"'{variable}' is a param and a variable of for_each", at, "rename one of them")
        if not isinstance(given, list) or not given:
            self._report("E113", f"for_each: '{variable}' has no values", at, f"{variable}: [one, another]")
            return {}
        values: dict[Scalar, None] = {}
        for index, item in enumerate(given):
            place = (*path, variable, index)
            filling = Interpolation(
                self._document, self._params.values, project=self._project, hidden=self._params.hidden
            )
            value = filling.fill(item, place)
            self._found += filling.found
            here = self._document.place(place)
            if filling.written:
                self._report(
                    "E113", f"for_each: a value of '{variable}' is a secret, and names show", here, "write it out"
                )
            elif isinstance(value, bool | dict | list) or not _PART.fullmatch(as_text(value)):
                self._report(
                    "E113", f"for_each: '{item}' makes no valid name", here, "a value is of the form [a-z0-9_]+"
                )
            elif as_text(value) in map(as_text, values):
                self._report("E113", f"for_each: '{variable}' has '{value}' twice", here, "keep one of them")
            else:
                values[value] = None
        return values if len(self._found) == before else {}

    def datasets(self, values: Mapping[str, Any]) -> dict[tuple[str, str], str]:
        """Which instance each input means that names what was written once."""
        families: dict[str, dict[str, Instance]] = {}
        for (_, name), instance in self.instances.items():
            families.setdefault(instance.family, {})[name] = instance
        found: dict[tuple[str, str], str] = {}
        flows = values.get("flows")
        for flow, item in flows.items() if isinstance(flows, dict) else ():
            inputs = item.get("inputs") if isinstance(item, dict) else None
            own = self.instances.get(("flows", flow))
            for name in inputs if isinstance(inputs, dict) else ():
                family = families.get(name, {})
                if not family:
                    continue
                known = own.variables if own is not None else {}
                fitting = [
                    made for made, other in family.items() if made == name or other.variables.items() <= known.items()
                ]
                if fitting or ("flows", own.family if own else flow) in self._broken:
                    found[flow, name] = (fitting or [*family])[0]
                    continue
                variables = ", ".join(next(iter(family.values())).variables)
                at = self._document.place(("flows", own.family if own else flow, "inputs", name), key=True)
                message = (
                    f"flow '{own.family if own else flow}' reads '{name}', of which there is one for each {variables}"
                )
                self._report("E200", message, at, f"name one: {', '.join(family)}; or say the same for_each")
                found[flow, name] = next(iter(family))
        return found

    def document(self) -> Document:
        """The document, in which every instance stands where it was written."""
        keys, places, blocks = dict(self._document.keys), dict(self._document.places), set(self._document.blocks)
        for (section, name), instance in self.instances.items():
            written = (section, instance.family)
            for known in (keys, places):
                known |= {(section, name, *path[2:]): at for path, at in known.items() if path[:2] == written}
            blocks |= {(section, name, *path[2:]) for path in blocks if path[:2] == written}
        return replace(self._document, keys=keys, places=places, blocks=frozenset(blocks))

    def _report(self, code: str, message: str, at: Location, hint: str) -> None:
        self._found.append(Diagnostic(code, message, at, hint))


def _substitute(value: Any, variables: Mapping[str, Scalar]) -> Any:
    """`value` with `${variable}` filled in; SQL stays as it is, and knows the variable as `:variable`."""
    if isinstance(value, dict):
        return {key: item if key in SQL_KEYS else _substitute(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, variables) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = REFERENCE.fullmatch(value)
    if whole is not None and whole.group(1) in variables:
        return variables[whole.group(1)]
    return REFERENCE.sub(
        lambda match: as_text(variables[match.group(1)]) if match.group(1) in variables else match.group(), value
    )
