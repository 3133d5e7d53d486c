"""Persons straight from Coachview, and who is enrolled in its trainings."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from moodle_coupling.errors import BudgetSpent, SettingError
from moodle_coupling.mapping import CoachviewSource
from moodle_coupling.mapping.access import AccessCoachview
from moodle_coupling.sources.contract import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.errors import CouplingError
    from moodle_coupling.hooks.coachview.budget import Sharing
    from moodle_coupling.hooks.moodle.check import Finding
    from moodle_coupling.mapping.source import SourceSettings
    from moodle_coupling.sources.contract import Source


class Coachview(Kind):
    """Coachview's API, over a connection of type coachview."""

    settings: ClassVar[type[SourceSettings]] = CoachviewSource
    connection_type = "coachview"

    def open(self, settings: Any, base: Path) -> Source:
        """Open the Coachview's source."""
        from moodle_coupling.sources.coachview.source import CoachviewReader

        return CoachviewReader(settings, settings.where(base))

    def check(self, settings: Any, sharing: Sharing | None) -> list[Finding]:
        """Find out whether a run can read from this Coachview what the mapping asks of it."""
        from moodle_coupling.hooks.coachview.check import check_coachview
        from moodle_coupling.hooks.coachview.hook import CoachviewHook
        from moodle_coupling.hooks.moodle.check import Finding, Level
        from moodle_coupling.sources.coachview.source import Columns

        try:
            with CoachviewHook(settings.connection, sharing=sharing) as hook:
                return check_coachview(hook, free_fields=Columns(settings).fields.free, categories=settings.categories)
        except SettingError as error:
            return [Finding(Level.ERROR, "connection", error.said)]

    def check_connection(self, connection: str, sharing: Sharing | None) -> list[Finding]:
        """Check a connection of type coachview that no mapping names."""
        return self.check(CoachviewSource(type="coachview", connection=connection), sharing)

    def waits_until(self, error: CouplingError, now: dt.datetime) -> dt.datetime | None:
        """Give when the day of requests that is spent is over."""
        return _day_of_requests_begins(error.resets, now) if isinstance(error, BudgetSpent) else None


class CoachviewEnrolments(Coachview):
    """Who is enrolled in Coachview, as a list of access: over the connection that persons come by, or another."""

    settings = AccessCoachview

    def open(self, settings: Any, base: Path) -> Source:
        """Open the list of enrolments."""
        from moodle_coupling.sources.coachview.enrolments import EnrolmentReader

        return EnrolmentReader(settings, settings.where(base))

    def check(self, settings: Any, sharing: Sharing | None) -> list[Finding]:
        """Find out whether the rows have the keys that the mapping names, and a part is of this Moodle."""
        from moodle_coupling.sources.coachview.enrolments import check_enrolments

        return check_enrolments(settings, sharing)


def _day_of_requests_begins(resets: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    """Give when to ask Coachview again: a minute after it says, in an hour where it does not, and within a day."""
    told = resets + dt.timedelta(minutes=1) if resets else now + dt.timedelta(hours=1)
    return min(max(told, now + dt.timedelta(minutes=1)), now + dt.timedelta(days=1))
