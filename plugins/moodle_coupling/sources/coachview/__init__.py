"""Persons straight from Coachview, and who is enrolled in its trainings."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import BudgetSpent, SettingError
from moodle_coupling.sources.coachview.settings import AccessCoachview, CoachviewSource
from moodle_coupling.sources.contract import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.errors import CouplingError
    from moodle_coupling.hooks.coachview.budget import Sharing
    from moodle_coupling.hooks.moodle.check import Finding
    from moodle_coupling.sources.contract import Source


class Coachview(Kind):
    """Coachview's API, over a connection of type coachview: its persons, or who is enrolled there."""

    persons = CoachviewSource
    access = AccessCoachview
    place = 3
    connection_type = "coachview"

    def open(self, settings: CoachviewSource | AccessCoachview, base: Path) -> Source:
        """Open the source of persons, or the list of enrolments."""
        if isinstance(settings, AccessCoachview):
            from moodle_coupling.sources.coachview.enrolments import EnrolmentReader

            return EnrolmentReader(settings, settings.where(base))
        from moodle_coupling.sources.coachview.source import CoachviewReader

        return CoachviewReader(settings, settings.where(base))

    def address(self, settings: CoachviewSource | AccessCoachview, base: Path) -> str:  # noqa: ARG002  # the same question to every kind of source
        """Give the host's address."""
        from airflow.sdk import BaseHook

        host = BaseHook.get_connection(settings.connection).host or ""
        return f"https://{host.rpartition('://')[2].rpartition('@')[2].strip('/')}/"

    def check(self, settings: CoachviewSource | AccessCoachview, sharing: Sharing | None) -> list[Finding]:
        """Find out whether a run can read from this Coachview what the mapping asks of it."""
        if isinstance(settings, AccessCoachview):
            from moodle_coupling.sources.coachview.enrolments import check_enrolments

            return check_enrolments(settings, sharing)
        return _check_persons(settings, sharing)

    def check_connection(self, connection: str, sharing: Sharing | None) -> list[Finding]:
        """Check a connection of type coachview that no mapping names."""
        return self.check(CoachviewSource(type="coachview", connection=connection), sharing)

    def waits_until(self, error: CouplingError, now: dt.datetime) -> dt.datetime | None:
        """Give when the day of requests that is spent is over."""
        return _day_of_requests_begins(error.resets, now) if isinstance(error, BudgetSpent) else None


KIND: Final = Coachview()


def _check_persons(settings: CoachviewSource, sharing: Sharing | None) -> list[Finding]:
    from moodle_coupling.hooks.coachview.check import check_coachview
    from moodle_coupling.hooks.coachview.hook import CoachviewHook
    from moodle_coupling.hooks.moodle.check import Finding, Level
    from moodle_coupling.sources.coachview.source import Columns

    try:
        with CoachviewHook(settings.connection, sharing=sharing) as hook:
            return check_coachview(hook, free_fields=Columns(settings).fields.free, categories=settings.categories)
    except SettingError as error:
        return [Finding(Level.ERROR, "connection", error.said)]


def _day_of_requests_begins(resets: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    """Give when to ask Coachview again: a minute after it says, in an hour where it does not, and within a day."""
    told = resets + dt.timedelta(minutes=1) if resets else now + dt.timedelta(hours=1)
    return min(max(told, now + dt.timedelta(minutes=1)), now + dt.timedelta(days=1))
