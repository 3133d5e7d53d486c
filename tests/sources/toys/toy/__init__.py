"""Persons out of the mapping file itself: a whole kind of source, in a folder that the house knows nothing of."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import SourceUnavailable
from moodle_coupling.sources.contract import Kind
from moodle_coupling.sources.toy.settings import ToyList, ToySource

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.errors import CouplingError
    from moodle_coupling.hooks.moodle.check import Finding
    from moodle_coupling.sources.contract import Source

TEA_TIME: Final = dt.datetime(2026, 11, 29, 16, tzinfo=dt.UTC)


class Toy(Kind):
    persons = ToySource
    access = ToyList
    connection_type = "toybox"

    def open(self, settings: ToySource, base: Path) -> Source:  # it lies nowhere
        from moodle_coupling.sources.toy.source import ToyReader

        return ToyReader(settings)

    def address(self, settings: ToySource, base: Path) -> str:
        return f"toy://{settings.connection}/"

    def check(self, settings: ToySource, sharing: Any) -> list[Finding]:  # it counts no requests
        from moodle_coupling.hooks.moodle.check import Finding, Level

        return [Finding(Level.OK, "toys", f"There are {len(settings.names)} toys.")]

    def check_connection(self, connection: str, sharing: Any) -> list[Finding]:
        from moodle_coupling.hooks.moodle.check import Finding, Level

        return [Finding(Level.OK, "box", f"{connection} is a box.")]

    def waits_until(self, error: CouplingError, now: dt.datetime) -> dt.datetime | None:
        return TEA_TIME if isinstance(error, SourceUnavailable) else None


KIND: Final = Toy()
