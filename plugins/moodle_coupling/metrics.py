"""What tasks tell Airflow's own statistics (StatsD or OpenTelemetry, ``[metrics]`` in airflow.cfg): one table of figures.

docs/metrics.md and docs/monitoring are made for the names here. A figure never has a person in it, and never stops a run.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from moodle_coupling.airflow_internals import statistics
from moodle_coupling.errors import CouplingPaused, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


class Kind(StrEnum):
    """How a figure is added up: a counter grows, a gauge is what it was last, a timer is many durations."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMER = "timer"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure; ``tags`` are the names of what tells its series apart."""

    name: str
    kind: Kind
    unit: str
    tags: tuple[str, ...]
    meaning: str

    def add(self, count: int = 1, /, **tags: str) -> None:
        """Count so many more; none is not sent."""
        if count:
            with _harmless(self.name):
                statistics().incr(self.name, count, tags=self._told(tags))

    def set(self, value: float, /, **tags: str) -> None:
        """Say what it is now."""
        with _harmless(self.name):
            statistics().gauge(self.name, value, tags=self._told(tags))

    def took(self, seconds: float, /, **tags: str) -> None:
        """Tell a duration; it is sent in milliseconds, as StatsD has them."""
        with _harmless(self.name):
            statistics().timing(self.name, seconds * 1000, tags=self._told(tags))

    def _told(self, tags: dict[str, str]) -> dict[str, str]:
        # Airflow drops a figure, with an error in the log, when its name with the tags has any other character in it.
        return {name: _REFUSED.sub("_", tags[name]) or "none" for name in self.tags}


_REFUSED: Final = re.compile(r"[^A-Za-z0-9_.-]")
_PREFIX: Final = "moodle_coupling"
_CALL: Final = ("system", "connection", "function", "result")
CALLS: Final = Metric(
    f"{_PREFIX}.calls", Kind.COUNTER, "calls", _CALL,
    "Requests that were sent, those that were tried again included. system: moodle or coachview. result: ok; refused (an answer that "
    "says no); failed (no answer that could be used).",
)  # fmt: skip
CALL_DURATION: Final = Metric(
    f"{_PREFIX}.call.duration", Kind.TIMER, "ms", _CALL, "From sending a request to the last byte of its answer."
)
REFUSALS: Final = Metric(
    f"{_PREFIX}.refusals", Kind.COUNTER, "calls", ("system", "connection", "code"),
    "Requests that were refused or failed, by Moodle's error code, else by the kind of error.",
)  # fmt: skip
ACCOUNTS_WRITTEN: Final = Metric(
    f"{_PREFIX}.accounts.written", Kind.COUNTER, "accounts", ("environment", "action"),
    "Accounts that were really written: create, update, link, suspend, reactivate. A dry run writes none.",
)  # fmt: skip
PERSONS_NOT_WRITTEN: Final = Metric(
    f"{_PREFIX}.persons.not_written", Kind.COUNTER, "persons", ("environment", "status"),
    "Persons whose outcome is rejected, failed, skipped or unknown, each time a load says so; one who is rejected every night counts "
    "every night.",
)  # fmt: skip
RUNS: Final = Metric(
    f"{_PREFIX}.runs", Kind.COUNTER, "runs", ("environment", "state"),
    "Runs that ended: done, failed, rejected (the plan was), stopped (a dry run, some persons only, or skipped).",
)  # fmt: skip
MISMATCHES: Final = Metric(
    f"{_PREFIX}.mismatches", Kind.GAUGE, "mismatches", ("environment", "kind"),
    "Mismatches that wait for a decision at the end of a run; 0 is sent too.",
)  # fmt: skip
LAST_GOOD_TIMESTAMP: Final = Metric(
    f"{_PREFIX}.last_good_run.timestamp", Kind.GAUGE, "s since 1970", ("environment",),
    "When the last run for everyone that ended well ended, told at the end of every run. Alert on this one: it grows old by itself when "
    "no run ends at all.",
)  # fmt: skip
LAST_GOOD_AGE: Final = Metric(
    f"{_PREFIX}.last_good_run.age", Kind.GAUGE, "s", ("environment",),
    "How long ago that was when this run ended: 0 after a good one.",
)  # fmt: skip
REQUESTS_LEFT: Final = Metric(
    f"{_PREFIX}.coachview.requests_left", Kind.GAUGE, "requests", ("connection",),
    "Requests left of Coachview's day, the reserve included, after each answer.",
)  # fmt: skip
METRICS: Final = (
    CALLS, CALL_DURATION, REFUSALS, ACCOUNTS_WRITTEN, PERSONS_NOT_WRITTEN, RUNS, MISMATCHES, LAST_GOOD_TIMESTAMP, LAST_GOOD_AGE,
    REQUESTS_LEFT,
)  # fmt: skip
"""Every figure, in the order of docs/metrics.md."""


class Call:
    """One request that is being measured."""

    def __init__(self) -> None:
        self.refused_with = ""

    def refused(self, code: str) -> None:
        """Say that the answer is a no, and with which code."""
        self.refused_with = code


@contextlib.contextmanager
def measured(system: str, connection: str, function: str, refused: tuple[type[Exception], ...]) -> Iterator[Call]:
    """Measure the request in the block; an error of the kinds ``refused`` is an answer that says no.

    What a pause or a wrong setting holds back was no request, and is not counted.
    """
    started, call, result = time.monotonic(), Call(), "ok"
    try:
        yield call
    except (CouplingPaused, SettingError):
        result = ""
        raise
    except Exception as error:
        result = "refused" if isinstance(error, refused) else "failed"
        call.refused(call.refused_with or str(getattr(error, "errorcode", "") or type(error).__name__))
        raise
    finally:
        if call.refused_with:
            result = "refused" if result == "ok" else result
            REFUSALS.add(system=system, connection=connection, code=call.refused_with)
        if result:
            tags = {"system": system, "connection": connection, "function": function, "result": result}
            CALLS.add(**tags)
            CALL_DURATION.took(time.monotonic() - started, **tags)


@contextlib.contextmanager
def _harmless(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a collector or its client does, the run goes on
        log.debug("The figure %s was not sent: %s", name, type(error).__name__)
