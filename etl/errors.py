"""Every error that Twilight raises on purpose.

EtlError                     anything below; carries what, where and what to do next
├── ConfigurationError       the user's files or flags are wrong                      exit 2
├── EnvironmentProblem       no Java, no storage, no permission                       exit 4
│   └── StoreSilent          an object store does not answer now; it may later
├── ExpectationFailed        an `on_violation: fail` expectation, or malformed input  exit 3
└── RunError                 a flow could not be carried through                      exit 1
    ├── FlowFailed           Spark or user code failed; translated, with its source line
    ├── LockHeld             another run works on the same flow                   exit 5
    ├── RunFailed            what `raise_for_status()` of a run's result raises
    └── HistoryLost          the run would lose rows that can no longer be read
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Mistake(Protocol):
    """What a configuration error is told of each thing that is wrong; `etl.config.diagnostics` has the one there is."""

    @property
    def code(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def at(self) -> Any: ...

    @property
    def hint(self) -> str: ...

    def render(self, width: int | None = None) -> str:
        """The text that a person reads; `width`: that of the terminal it is shown on."""


class EtlError(Exception):
    """What went wrong, where, and what to do next; the base of every error raised on purpose."""

    exit_code: ClassVar[int] = 1
    redact: ClassVar[Callable[[str], str]] = staticmethod(str)  # `etl.config.secrets` hides the values it knows

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = (EtlError.redact(text) for text in (what, where, hint))
        super().__init__(self.what, self.where, self.hint)

    def __str__(self) -> str:
        head = f"{self.where} {self.what}" if self.where else self.what
        return f"{head}\n  {self.hint}" if self.hint else head


class ConfigurationError(EtlError):
    """The user's files or flags are wrong; holds every diagnostic found in one pass."""

    exit_code = 2

    def __init__(self, diagnostics: Sequence[Mistake]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(item.render() for item in self.diagnostics))

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[tuple[Mistake, ...]]]:
        return type(self), (self.diagnostics,)


class EnvironmentProblem(EtlError):
    """The machine lacks what a run needs: Java, jars, storage or a permission."""

    exit_code = 4


class StoreSilent(EnvironmentProblem):
    """An object store does not answer, or says that it cannot now."""


class ExpectationFailed(EtlError):
    """Rows broke an expectation, or could not be parsed, where the pipeline says that this fails the run."""

    exit_code = 3


class RunError(EtlError):
    """A flow could not be carried through."""


class FlowFailed(RunError):
    """Spark, storage or the user's own code failed; the cause is translated and the source line named."""

    def __init__(self, what: str, *, where: str = "", hint: str = "", transient: bool = False) -> None:
        super().__init__(what, where=where, hint=hint)
        self.transient = transient


class LockHeld(RunError):
    """Another run holds the flow's lock."""

    exit_code = 5


class RunFailed(RunError):
    """A run of which at least one flow failed: what `raise_for_status()` of its result raises, with each failure in words."""


class HistoryLost(RunError):
    """Rows that were committed before can no longer be read, so a rebuild would lose them."""
