"""What a custom report in Moodle tells: who there is, by username, ID number and e-mail address, and how many."""

from __future__ import annotations

import html
import logging
import re
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.errors import SettingError
from moodle_coupling.provisioning.load.readback import look_up
from moodle_coupling.provisioning.snapshot.folded import all_folded, folded, is_among
from moodle_coupling.provisioning.snapshot.turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from moodle_coupling.hooks.moodle.types import Account, Report
    from moodle_coupling.provisioning.snapshot.tracker import Tracker
    from moodle_coupling.provisioning.wire import Wire

log = logging.getLogger(__name__)

COLUMNS: Final = ("username", "idnumber", "email")
"""What the report's first three columns must be; their headings are in the site's language, so the place counts."""

ROWS: Final = 5000
"""Rows a page: 3,300 a second, and 3,090 with 1,000 a page (measured)."""

_TRIES: Final = 3
_PROFILE: Final = re.compile(r"/user/(?:profile|view)\.php\?id=(\d+)")


class ReportUnfit(SettingError):
    """The custom report does not show what it must; the text says what to mend in Moodle."""


def read_overview(wire: Wire, report: Report, tracker: Tracker) -> pd.DataFrame:
    """Read the whole report: ``username``, ``idnumber``, ``email`` (unescaped), and ``id`` (0: not shown), by username.

    The id is taken from a column with a link to the profile ('Full name with link'), where there is one. Rows that stay
    away or come twice show in the total; the report is then read again, at most three times in all. Raises ReportUnfit.
    """
    for attempt in range(1, _TRIES + 1):
        frames, totals = zip(*_pages(wire, report, tracker), strict=True)
        frame = pd.concat(frames, ignore_index=True)
        different = int(frame["username"].nunique())
        if different >= totals[0] <= min(totals):
            once: pd.DataFrame = frame.drop_duplicates("username", ignore_index=True)
            return once
        log.info(
            "Report %d: %d usernames in %d rows, its total was %d and %d at the lowest (try %d of %d).",
            report.id, different, len(frame), totals[0], min(totals), attempt, _TRIES,
        )  # fmt: skip
    raise ReportUnfit(
        f"Report '{report.name}' ({report.id}) says it has {totals[0]} rows, and its pages hold {different} usernames, after "
        f"{_TRIES} tries: rows come twice or stay away. Let it sort by username (see docs/snapshot.md)."
    )


def _pages(wire: Wire, report: Report, tracker: Tracker) -> Iterator[tuple[pd.DataFrame, int]]:
    def read(number: int) -> tuple[pd.DataFrame, int]:
        page = wire.report_page(report.id, number, ROWS)
        return _frame(report, page.rows), page.total

    first = read(0)
    yield first
    numbers = iter(range(1, -(-first[1] // ROWS)))
    at_once = wire.hook.settings.parallel_requests
    for _, page in in_turn(read, lambda: next(numbers, None), at_once, tick=tracker.tick):
        yield page


def _frame(report: Report, rows: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    if any(len(row) < len(COLUMNS) for row in rows):
        raise ReportUnfit(
            f"Report '{report.name}' ({report.id}) has fewer than three columns. Its first three must be username, ID "
            "number and e-mail address, in this order."
        )
    frame = pd.DataFrame(
        {name: pd.Series([html.unescape(row[at]) for row in rows], dtype="str") for at, name in enumerate(COLUMNS)}
    )
    links = (_PROFILE.search(" ".join(row[len(COLUMNS) :])) for row in rows)
    return frame.assign(id=pd.Series([int(link[1]) if link else 0 for link in links], dtype="int64"))


def refuse_other_columns(report: Report, overview: pd.DataFrame, own: Iterable[Account]) -> None:
    """Raise ReportUnfit when the service user's own row is not there, or not as the web service gives it."""
    for account in own:
        row = overview[overview["username"] == account.username]
        if row.empty:
            raise ReportUnfit(
                f"Report '{report.name}' ({report.id}) does not show the service user, whose username is "
                f"'{account.username}'. Its first three columns must be username, ID number and e-mail address, in this "
                "order, and it must have no conditions."
            )
        shown = row.iloc[0]
        if shown["idnumber"] == account.idnumber and shown["email"] == (account.email or ""):
            continue
        raise ReportUnfit(
            f"Report '{report.name}' ({report.id}) shows something else as the service user's ID number or e-mail address "
            "than the web service. Its first three columns must be username, ID number and e-mail address, in this order."
        )


def refuse_incomplete(wire: Wire, report: Report, overview: pd.DataFrame, links: pd.DataFrame | None) -> None:
    """Raise ReportUnfit when an account that the ledger knows is there and the report does not show it.

    ``links``: account_id, idnumber and, where there is one, username. Whoever is not shown under the same number or
    name is looked up by id.
    """
    if links is None or links.empty:
        return
    usernames = all_folded(overview["username"])
    shown = is_among(links["idnumber"], all_folded(overview["idnumber"]))
    if "username" in links:
        shown |= is_among(links["username"], usernames)
    found = look_up(wire, "id", (str(id_) for id_ in links.loc[~shown, "account_id"])).accounts
    hidden = [account.id for account in found if account.username and folded(account.username) not in usernames]
    if hidden:
        raise _leaves_out(report, hidden)


def refuse_left_out(report: Report, overview: pd.DataFrame, accounts: pd.DataFrame, highest: int) -> None:
    """Raise ReportUnfit when some of these accounts, looked up by other keys, are not in the report and yet were there.

    Whoever has an id above ``highest`` may have come later.
    """
    shown = is_among(accounts["username"], all_folded(overview["username"]))
    hidden = accounts.loc[~shown & (accounts["id"] <= highest), "id"].tolist()
    if hidden:
        raise _leaves_out(report, hidden)


def _leaves_out(report: Report, hidden: Sequence[int]) -> ReportUnfit:
    return ReportUnfit(
        f"Report '{report.name}' ({report.id}) leaves accounts out: {len(hidden)} are there and it does not show them (account "
        f"{min(hidden)}, for instance). It must have no conditions."
    )
