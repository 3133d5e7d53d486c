"""Which way everyone is read: what the mapping says, or what the site offers."""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import MoodleDenied, SettingError
from moodle_coupling.hooks.moodle.reports import LIST_REPORTS, RETRIEVE_REPORT
from moodle_coupling.hooks.moodle.types import Report
from moodle_coupling.mapping.parts import SnapshotStrategy
from moodle_coupling.provisioning.snapshot.numbers import far_apart

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.hooks.moodle.types import SiteInfo
    from moodle_coupling.mapping.parts import SnapshotSettings
    from moodle_coupling.provisioning.wire import Wire

log = logging.getLogger(__name__)

USERS: Final = "core_user\\reportbuilder\\datasource\\users"


def find_report(wire: Wire, settings: SnapshotSettings, info: SiteInfo) -> Report | None:
    """Give the custom report to read by, None when another way is to be taken; the log says why.

    Raises what stands in the way when the mapping asks for the report: SettingError when there is none of that name or
    more than one, MoodleDenied when it may not be listed.
    """
    if settings.strategy not in (SnapshotStrategy.AUTO, SnapshotStrategy.REPORT):
        return None
    try:
        if settings.strategy == SnapshotStrategy.AUTO:
            return _offered(wire, settings.report, info)
        return _named(wire, settings.report)
    except (MoodleDenied, SettingError) as error:
        if settings.strategy == SnapshotStrategy.REPORT:
            raise
        log.info("Everyone is not read by a custom report: %s", error)
        return None


def _offered(wire: Wire, name: int | str, info: SiteInfo) -> Report | None:
    lacking = [function for function in (LIST_REPORTS, RETRIEVE_REPORT) if function not in info.functions]
    if lacking:
        log.info("Everyone is not read by a custom report: the token's service lacks %s.", " and ".join(lacking))
        return None
    return _named(wire, name)


def _named(wire: Wire, name: int | str) -> Report:
    if isinstance(name, int):
        return Report(name, f"number {name}", USERS)
    found = [report for report in wire.list_reports() if _plain(report.name) == _plain(name)]
    if len(found) == 1:
        return _on_users(found[0])
    if found:
        numbers = ", ".join(str(report.id) for report in found)
        raise SettingError(
            f"There are {len(found)} custom reports '{name}' ({numbers}): give the number of the one meant."
        )
    raise SettingError(
        f"There is no custom report '{name}' that the service user may see. Make it (docs/snapshot.md says how), put the "
        "service user in its audience or give its role moodle/reportbuilder:viewall, or name another in 'snapshot.report'."
    )


def _plain(name: str) -> str:
    # Moodle gives a report's name as it shows it: escaped.
    return html.unescape(name).strip().casefold()


def _on_users(report: Report) -> Report:
    if report.source.strip("\\") != USERS:
        raise SettingError(
            f"Custom report '{report.name}' ({report.id}) is on '{report.source}'; it must be on the source 'Users'."
        )
    return report


def without_report(settings: SnapshotSettings, anchors: Collection[int]) -> SnapshotStrategy:
    """Give the way to read everyone where there is no report; ``anchors`` are ids known to be accounts'."""
    if settings.strategy in (SnapshotStrategy.FIELDS, SnapshotStrategy.LISTING):
        return settings.strategy
    return SnapshotStrategy.LISTING if far_apart(anchors) else SnapshotStrategy.FIELDS


def why(strategy: SnapshotStrategy, settings: SnapshotSettings) -> str:
    """Say in a few words why this way was taken."""
    if settings.strategy != SnapshotStrategy.AUTO:
        return "the mapping says so"
    return {
        SnapshotStrategy.REPORT: "the report is there",
        SnapshotStrategy.LISTING: "the known account numbers lie far apart",
    }.get(strategy, "the known account numbers lie close together")
