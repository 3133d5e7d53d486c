"""Reading all accounts of a Moodle, complete and checked: by number, by address, or by a custom report."""

from __future__ import annotations

import html
import itertools
import logging
import string
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.errors import MoodleDenied, MoodleRefused, SettingError
from moodle_coupling.hooks.moodle.records import LIST_REPORTS, RETRIEVE_REPORT, Report
from moodle_coupling.mapping.parts import SnapshotStrategy
from moodle_coupling.provisioning.lookups import literally
from moodle_coupling.provisioning.snapshot.by_report import (
    Concern,
    ReportUnfit,
    read_by_report,
    read_overview,
    refuse_incomplete,
    refuse_left_out,
    refuse_other_columns,
)
from moodle_coupling.provisioning.snapshot.keys import all_folded, folded, name_key, odd_keys
from moodle_coupling.provisioning.snapshot.reading import Lookups, Piece, Pieces, Reading, Refusal, Slice
from moodle_coupling.provisioning.snapshot.visibility import refuse_hidden, refuse_hidden_idnumbers, refuse_nobody
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from moodle_coupling.errors import CouplingError
    from moodle_coupling.hooks.moodle.records import SiteInfo
    from moodle_coupling.mapping.parts import SnapshotSettings
    from moodle_coupling.provisioning.snapshot.keys import AccountKeys
    from moodle_coupling.provisioning.snapshot.reading import Keeper, Tracker
    from moodle_coupling.provisioning.wire import Wire


# ---- Everyone by account number, or by the beginning of the e-mail address and by number whoever that does not show.

log = logging.getLogger(__name__)

AT_ONCE: Final = 1000
"""Ids per piece, two calls."""

BEYOND: Final = 10_000
"""Ids without an account after which nobody is expected any more. Every refused create uses up numbers, so a gap of
a few hundred is ordinary; asking for 500 ids that nobody has takes a call of some 15 ms."""

LONGEST_GAP: Final = 2_000_000
"""A longer stretch between two known accounts is not gone through: this one takes 4,000 calls, half a minute by two
connections."""


def read_by_number(
    reading: Reading,
    anchors: Iterable[int],
    *,
    start: int = 1,
    beyond: int | None = None,
    skip: Collection[int] = (),
) -> int:
    """Read the accounts of all ids from ``start`` up that were not read yet; give the highest id that was asked.

    ``anchors`` are ids known to have been an account's. Between two of them that are further apart than LONGEST_GAP
    only BEYOND ids on either side are asked; the log says so. ``beyond`` ids without an account end it (None: BEYOND).
    ``skip`` are ids of accounts that need not be read.
    """
    gap = BEYOND if beyond is None else beyond
    stretches = _Stretches(_stretches({*anchors, *reading.ids}, start), {*reading.ids, *skip}, gap)
    for part, piece in reading.read(stretches.take):
        if isinstance(piece, Piece) and isinstance(part, Lookups):
            stretches.heard(piece.highest())
            total = stretches.expected(len(reading.ids))
            if total is not None:
                reading.tracker.expect(max(total, reading.tracker.done), about=True)
    return stretches.asked


def far_apart(anchors: Collection[int]) -> bool:
    """Tell whether so many numbers lie between known accounts that going through them all would take too long."""
    return len(_stretches(anchors, 1)) > 1


def _stretches(anchors: Collection[int], start: int) -> list[tuple[int, int]]:
    """Give the stretches of ids to go through, as first and last, by what is known."""
    found = [(start, start - 1)]
    for anchor in sorted(anchor for anchor in anchors if anchor >= start):
        first, last = found[-1]
        if anchor - last <= LONGEST_GAP:
            found[-1] = (first, anchor)
        else:
            found.append((anchor - BEYOND, anchor))
    return found


class _Stretches:
    """Gives the ids of the stretches piece by piece; each goes on beyond its last known id until nobody comes."""

    def __init__(self, stretches: list[tuple[int, int]], read: Collection[int], beyond: int) -> None:
        self._beyond = beyond
        self._todo = stretches[::-1]
        self._guess_to = stretches[0][1] if len(stretches) == 1 and not read else 0
        # A copy: what is read meanwhile must not change the parts, by whose names a later try finds the pieces.
        self._read = frozenset(read)
        self._next, self._last = self._todo.pop()
        self._under_way = 0
        for (_, before), (after, _) in itertools.pairwise(stretches):
            log.warning("Ids %d to %d are not all asked: too far from any known account.", before + 1, after - 1)

    @property
    def asked(self) -> int:
        """The highest id that was asked, or is known anyway."""
        return self._next - 1

    def take(self) -> Lookups | None:
        """Give the next ids that were not read yet; None when nobody more is expected, as far as is heard."""
        while (start := self._start()) is not None:
            self._next = start + AT_ONCE
            values = [str(id_) for id_ in range(start, self._next) if id_ not in self._read]
            if len(values) < AT_ONCE:
                self._last = max(self._last, *(id_ for id_ in range(start, self._next) if id_ in self._read))
            if values:
                self._under_way += 1
                return Lookups(f"ids-{start}-{self._next - 1}", "id", values)
        return None

    def _start(self) -> int | None:
        if self._next > self._last + self._beyond:
            if not self._todo or self._under_way:
                return None
            start, self._last = self._todo.pop()
            self._next = max(self._next, start)
        return self._next

    def heard(self, highest: int) -> None:
        """Take in the highest id that was somebody's in a piece that was taken."""
        self._under_way -= 1
        self._last = max(self._last, highest)

    def expected(self, found: int) -> int | None:
        """Guess how many accounts there are, from how many the first ids gave; None where there is nothing to go by."""
        if self._guess_to <= self.asked or not found:
            return None
        return round(found * self._guess_to / self.asked)


_FIRST: Final = (*string.ascii_lowercase, *string.digits, *"!#$&'*+-/=?^`{|}~.", "_", "%")
"""Characters with which an address Moodle takes can begin; letter case does not count in its search."""
_NEXT: Final = (*_FIRST, "@")
_DEEPEST: Final = 6
_MOST: Final = 3000
"""Accounts that one call should give at most, as far as can be foreseen: ten seconds of work for the site (299
accounts a second, measured), and some megabytes."""


def read_by_listing(reading: Reading, anchors: Iterable[int], addresses: Collection[str]) -> int:
    """Read everyone in slices by the beginning of the address, then by number whoever was not among them.

    So accounts with an empty address, or one that begins with no ASCII character, are seen too, and a slice that one
    odd account spoils is read account by account. ``addresses``, of the persons of the source, tell beforehand which
    slices would be large; one that is too large nevertheless is cut. Gives the highest id that was asked.
    """
    todo = deque(_beginnings([address.casefold() for address in addresses]))

    def take() -> Slice | None:
        return _slice(todo.popleft()) if todo else None

    for part, result in reading.read(take):
        if isinstance(result, Refusal) and result.too_large and isinstance(part, Slice):
            beginning = _beginning(part)
            # At the deepest it is left to the numbers.
            todo.extend(beginning + character for character in _NEXT if len(beginning) < _DEEPEST)
    return read_by_number(reading, anchors)


def _beginnings(addresses: list[str], beginning: str = "") -> list[str]:
    if len(beginning) == _DEEPEST or (beginning and len(addresses) <= _MOST):
        return [beginning]
    fitting: dict[str, list[str]] = {}
    for address in addresses:
        fitting.setdefault(address[len(beginning) : len(beginning) + 1], []).append(address)
    characters = _NEXT if beginning else _FIRST
    return [
        deeper for character in characters for deeper in _beginnings(fitting.get(character, []), beginning + character)
    ]


def _slice(beginning: str) -> Slice:
    return Slice(f"mail-{beginning.encode().hex()}", f"{literally(beginning)}%")


def _beginning(part: Slice) -> str:
    return bytes.fromhex(part.name.removeprefix("mail-")).decode()


@dataclass(frozen=True, slots=True)
class Beforehand:
    """What is known before anyone is read.

    ``candidates``: whose keys matter; ``links``: the ledger's (account_id, idnumber, perhaps username), None when not
    known; ``account_ids``: accounts that somebody asks for.
    """

    candidates: pd.DataFrame
    links: pd.DataFrame | None
    account_ids: frozenset[int]

    def ids(self) -> set[int]:
        """Give all ids that are known to have been an account's."""
        linked = set() if self.links is None else set(self.links["account_id"].astype("int64").tolist())
        return linked | self.account_ids

    def unseen(
        self, accounts: pd.DataFrame, idnumbers: pd.Series[str] | None = None, *, also: Collection[int] = ()
    ) -> Iterator[str]:
        """Give the ids that are worth a lookup, as text: known, asked for or in ``also``, and not among these accounts.

        With ``idnumbers`` only the links of these count, in whatever letter case.
        """
        wanted = {*self.account_ids, *also}
        if self.links is not None:
            ours = None if idnumbers is None else all_folded(idnumbers)
            pairs = zip(self.links["account_id"], self.links["idnumber"], strict=True)
            wanted |= {int(id_) for id_, idnumber in pairs if ours is None or folded(idnumber) in ours}
        return (str(id_) for id_ in sorted(wanted - set(accounts["id"].tolist())))


class Everyone:
    """The accounts of a Moodle, read the way that suits it."""

    def __init__(
        self, wire: Wire, settings: SnapshotSettings, known: Beforehand, keep: Keeper | None, tracker: Tracker
    ) -> None:
        self._wire = wire
        self._settings = settings
        self._known = known
        self._keep = keep
        self._tracker = tracker
        self._info = wire.site_info()
        self._report: tuple[Report, pd.DataFrame] | None = None
        self._asked_to = 0

    def read(self) -> pd.DataFrame:
        """Read everyone whom a plan can be about; give the accounts frame.

        Raises MoodleAccessDenied where the token may not see what it must, ReportUnfit where the mapping asks for a
        report that does not show what it must (with ``auto`` another way is taken, and the log says why), and what the
        hook raises.
        """
        report = find_report(self._wire, self._settings, self._info)
        if report is None or not self._read_by_report(report):
            self._read_without_report()
        return self._reading.accounts()

    def _begin(self, strategy: SnapshotStrategy) -> None:
        log.info("Everyone is read by %s: %s.", strategy, why(strategy, self._settings))
        self.strategy = strategy
        self._pieces = Pieces(self._keep, str(strategy))
        self._reading = Reading(self._wire, self._pieces, self._tracker)

    # ---- by a report -------------------------------------------------------------------------------------------------

    def _read_by_report(self, report: Report) -> bool:
        try:
            overview = self._overview(report)
        except (ReportUnfit, MoodleDenied, MoodleRefused) as error:
            return self._another_way(error)
        self._begin(SnapshotStrategy.REPORT)
        try:
            read_by_report(self._reading, report, overview, self._concern())
        except ReportUnfit as error:
            return self._another_way(error)
        self._report = report, overview
        return True

    def _overview(self, report: Report) -> pd.DataFrame:
        overview = read_overview(self._wire, report, self._tracker)
        own = self._wire.find("id", [str(self._info.userid)]).accounts
        refuse_hidden(own)
        refuse_other_columns(report, overview, own)
        refuse_incomplete(self._wire, report, overview, self._known.links)
        return overview

    def _concern(self) -> Concern:
        candidates = self._known.candidates
        return Concern(
            emails=all_folded(candidates["email"]),
            usernames=all_folded(candidates["username"]),
            names={name_key(name) for name in candidates["username"]},
            ids=self._known.ids(),
            own_id=self._info.userid,
        )

    def _another_way(self, error: CouplingError) -> bool:
        if self._settings.strategy == SnapshotStrategy.REPORT:
            raise error
        log.warning("Everyone is read another way than by the custom report: %s", error)
        self._tracker.restart()
        return False

    # ---- without a report --------------------------------------------------------------------------------------------

    def _read_without_report(self) -> None:
        anchors = {self._info.userid, *self._known.ids()}
        self._begin(without_report(self._settings, anchors))
        if self.strategy == SnapshotStrategy.LISTING:
            self._asked_to = read_by_listing(self._reading, anchors, list(self._known.candidates["email"]))
        else:
            self._asked_to = read_by_number(self._reading, anchors)

    # ---- what other lookups found ------------------------------------------------------------------------------------

    def beyond(self, found: pd.DataFrame) -> pd.DataFrame:
        """Go on where accounts that were found by other keys lie beyond those that were read; give all accounts.

        An account that the report should have shown makes it unfit: then as in :meth:`read`.
        """
        if self._report is not None:
            try:
                unread = found[~found["id"].isin(self._reading.ids)]
                refuse_left_out(*self._report, unread, max(self._reading.ids, default=0))
            except ReportUnfit as error:
                self._another_way(error)
                self._report = None
                self._read_without_report()
            else:
                return self._reading.accounts()
        while further := {int(id_) for id_ in found["id"] if id_ > self._asked_to}:
            self._asked_to = read_by_number(self._reading, further, start=self._asked_to + 1)
        return self._reading.accounts()

    def finish(self, accounts: pd.DataFrame, keys: AccountKeys | None = None) -> int:
        """Check what was read in the end, and give how many accounts there are; ``keys`` keeps the odd keys of all.

        Raises MoodleAccessDenied when nobody is seen, or ID numbers are hidden.
        """
        refuse_nobody(accounts, own_id=self._info.userid)
        refuse_hidden_idnumbers(accounts, self._known.links, own_id=self._info.userid)
        self._pieces.finish()
        self._tracker.end()
        if keys is not None:
            known = self._all_known(accounts)
            keys.keep_everyone(odd_keys(known), int(known["id"].max()))
        if self._report is not None:
            return max(len(self._report[1]), len(accounts))
        return len(accounts) + len(self._reading.unreadable)

    def _all_known(self, accounts: pd.DataFrame) -> pd.DataFrame:
        names = ["id", "idnumber", "email", "username"]
        if self._report is None:
            return accounts[names]
        shown = self._report[1]
        rest = shown[(shown["id"] > 0) & ~shown["id"].isin(accounts["id"])]
        return pd.concat([accounts[names], rest[names]], ignore_index=True)

    @property
    def unreadable(self) -> set[str]:
        """Values whose accounts Moodle cannot show: ids, where everyone was read by number."""
        return self._reading.unreadable


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
        raise SettingError(Sentence("report.several", n=len(found), name=name, numbers=numbers))
    raise SettingError(Sentence("report.missing", name=name))


def _plain(name: str) -> str:
    # Moodle gives a report's name as it shows it: escaped.
    return html.unescape(name).strip().casefold()


def _on_users(report: Report) -> Report:
    if report.source.strip("\\") != USERS:
        raise SettingError(Sentence("report.other_source", name=report.name, number=report.id, source=report.source))
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
