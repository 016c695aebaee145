"""One session for all flows of a run, opened when the first of them needs it: a run with nothing to do starts no JVM."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from etl.config.spec import SparkSpec
    from etl.engine.session.death import Death
    from etl.engine.session.start import SessionHandle


class Sessions:
    """The session that the flows of a run share: opened when the first of them asks, closed if it was opened and is ours.

    Attributes:
        turn: held by a flow that is tried again after the JVM was out of memory: with no other such flow beside it.
    """

    def __init__(
        self,
        spec: SparkSpec,
        *,
        storage: str,
        app_name: str,
        short: bool,
        settings: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """`settings`: what each flow's own session is set to beside what is pinned."""
        self._spec, self._storage, self._app_name = spec, storage, app_name
        self._short, self._settings = short, settings
        self._lock = threading.Lock()
        self.turn = threading.Lock()
        self._handle: SessionHandle | None = None
        self._told = False  # of the address of its pages

    def get(self, *, stop: threading.Event | None = None) -> SessionHandle:
        """The session, in a new JVM where that of one of ours died meanwhile.

        Raises EnvironmentProblem where it cannot be had, or would only be started now although `stop` is set.
        """
        with self._lock:
            if self._handle is not None and self._handle.owned and self._handle.death() is not None:
                self._end()
            if self._handle is None:
                if stop is not None and stop.is_set():
                    raise EnvironmentProblem("no session is started any more: the run was asked to stop")
                from etl.engine.session.start import open_session  # noqa: PLC0415  # pyspark only for a run that has work

                self._handle = open_session(
                    self._spec, storage=self._storage, app_name=self._app_name, short=self._short
                )
                self._handle.settings = (*self._handle.settings, *self._settings)
                self._told = False
            return self._handle

    def at_hand(self) -> bool:
        """Whether there is a session already, this run's or the user's."""
        if self._handle is not None:
            return True
        if "pyspark.sql" not in sys.modules:
            return False
        from etl.engine.session.start import is_running  # noqa: PLC0415  # pyspark is imported already

        return is_running()

    def pages(self) -> str | None:
        """The address of Spark's own pages, for the first who asks: None for the others, and where they are off or the session is not ours."""
        with self._lock:
            handle, self._told = (None if self._told else self._handle), True
            return handle.spark.sparkContext.uiWebUrl if handle is not None and handle.owned else None

    def leave_external(self) -> bool:
        """Leave a session that is not ours, and say whether there was one; `get` then takes it, or the one in its place, again."""
        with self._lock:
            is_external = self._handle is not None and not self._handle.owned
            if is_external:
                self._end()
            return is_external

    def bury(self, handle: SessionHandle, cause: BaseException) -> Death | None:
        """The death of the JVM in which a flow met `cause`, None where it lives; `get` then gives a session in a new one, where it was ours."""
        death = handle.death(cause)
        if death is not None:
            with self._lock:
                if self._handle is handle:  # the flows beside this one have met the same death
                    self._end()
        return death

    def close(self) -> None:
        """End the session where it is ours, and leave it where it is not; nothing where none was opened."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None
