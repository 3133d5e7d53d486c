"""Everyone by a custom report: it says who there is; whoever can matter is then looked up, precisely."""

from __future__ import annotations

import hashlib
import html
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.errors import MoodleAccessDenied, SettingError
from moodle_coupling.provisioning.lookups import can_look_up, look_up
from moodle_coupling.provisioning.snapshot.keys import all_folded, folded, has_odd_keys, is_among, is_odd_name, name_key
from moodle_coupling.provisioning.snapshot.reading import Lookups, in_turn
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.hooks.moodle.records import Report
    from moodle_coupling.provisioning.snapshot.reading import Reading, Tracker
    from moodle_coupling.provisioning.wire import Wire


_AT_ONCE: Final = 1000
"""Accounts per piece, two calls or so."""

_SPOT_CHECK: Final = 500
"""Accounts of no concern that are looked up all the same, to see that the report tells the truth."""

_MAY_DIFFER: Final = 0.01
"""Share of the accounts looked up that may have changed since the report was read, and at least this many:"""
_FEW: Final = 5


@dataclass(frozen=True, slots=True)
class Concern:
    """Whom a plan can be about, besides whoever has an ID number: folded addresses and usernames, and account ids.

    ``names``: the keys (``name_key``) of names that an odd username may stand in the way of. ``own_id`` is the service
    user's.
    """

    emails: Collection[str]
    usernames: Collection[str]
    names: Collection[str]
    ids: Collection[int]
    own_id: int


def read_by_report(reading: Reading, report: Report, overview: pd.DataFrame, concern: Concern) -> None:
    """Look up the accounts of the overview that a plan can be about.

    Those are: whoever has an ID number; whoever has an e-mail address or username of a person of the source, or stands
    in its way; ``concern.ids``. Nobody else can be linked, asked about, an orphan or in the way, since matching knows no
    other key; they are counted and not looked up, but for some hundreds that show whether the report tells the truth, and
    those whose odd key is to be kept and whose id the report does not show.

    Raises ReportUnfit when the report shows other things than the lookups, and MoodleAccessDenied when ID numbers or
    accounts that it shows are hidden from the lookups.
    """
    wanted = _wanted(overview, concern)
    asked = overview[wanted | _sample(overview, ~wanted)]
    reading.tracker.expect(len(overview))
    reading.tracker.credit(len(overview) - len(asked))
    _look_up(reading, _by_best_key(asked))
    unseen = _not_among(asked, reading.accounts())
    # A username that Moodle refuses in a lookup, or one that was changed since.
    _look_up(reading, _by_other_keys(unseen[~_is_odd(unseen, reading.odd)]))
    found = reading.accounts()
    _refuse_invisible(report, asked, found, reading.odd)
    _refuse_hidden_numbers(report, asked, found[found["id"] != concern.own_id])
    _refuse_untrue(report, asked, found)


def _wanted(overview: pd.DataFrame, concern: Concern) -> pd.Series[bool]:
    return (
        (overview["idnumber"] != "")
        | is_among(overview["email"], concern.emails)
        | is_among(overview["username"], concern.usernames)
        | (overview["id"].isin(concern.ids) & (overview["id"] > 0))
        | _is_in_the_way(overview["username"], concern.names)
        | (has_odd_keys(overview) & (overview["id"] == 0))
    )


def _is_in_the_way(usernames: pd.Series[str], names: Collection[str]) -> pd.Series[bool]:
    found = [is_odd_name(name) and name_key(name) in names for name in usernames]
    return pd.Series(found, index=usernames.index, dtype="bool")


def _sample(overview: pd.DataFrame, among: pd.Series[bool]) -> pd.Series[bool]:
    places = among[among].index
    step = max(1, len(places) // _SPOT_CHECK)
    return pd.Series(overview.index.isin(places[::step][:_SPOT_CHECK]), index=overview.index)


Key = tuple[str, str]


def _by_best_key(rows: pd.DataFrame) -> Iterator[Key]:
    for id_, username in zip(rows["id"], rows["username"], strict=True):
        if id_:
            yield "id", str(id_)
        elif can_look_up("username", username):
            yield "username", username


def _by_other_keys(rows: pd.DataFrame) -> Iterator[Key]:
    for idnumber, email in zip(rows["idnumber"], rows["email"], strict=True):
        if can_look_up("idnumber", idnumber):
            yield "idnumber", idnumber
        elif can_look_up("email", email):
            yield "email", email


def _not_among(asked: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    return asked[~is_among(asked["username"], all_folded(accounts["username"]))]


def _is_odd(asked: pd.DataFrame, odd: Collection[str]) -> pd.Series[bool]:
    """Tell which accounts Moodle has and cannot show (``odd``: values they were asked for by): the token may see them."""
    values = [*odd]
    keys = [asked["id"].astype("str"), *(asked[name] for name in COLUMNS)]
    return pd.concat([key.isin(values) for key in keys], axis=1).any(axis=1)


def _look_up(reading: Reading, keys: Iterable[Key]) -> None:
    parts = _parts(keys)
    for _ in reading.read(lambda: next(parts, None)):
        pass


def _parts(keys: Iterable[Key]) -> Iterator[Lookups]:
    """Put the keys into parts by their own digest, so that a newcomer changes one part and not all that follow."""
    by_field: dict[str, list[str]] = {}
    for field, value in keys:
        by_field.setdefault(field, []).append(value)
    for field, values in by_field.items():
        number = 1 << max(0, (len(values) - 1) // _AT_ONCE).bit_length()
        parts: list[list[str]] = [[] for _ in range(number)]
        for value in values:
            parts[int(_digest(value), 16) % number].append(value)
        for part in parts:
            if part:
                yield Lookups(f"{field}-{_digest(*sorted(part))}", field, part)


def _digest(*values: str) -> str:
    return hashlib.sha256("\0".join(values).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _few(of: int) -> float:
    return max(_FEW, _MAY_DIFFER * of)


def _refuse_invisible(report: Report, asked: pd.DataFrame, found: pd.DataFrame, odd: Collection[str]) -> None:
    unseen = _not_among(asked, found)
    cannot_be_shown = int(_is_odd(unseen, odd).sum())
    shown, missing = len(asked) - cannot_be_shown, len(unseen) - cannot_be_shown
    if missing > _few(shown) or (missing and found.empty):
        said = Sentence("report.invisible", shown=shown, missing=missing)
        raise MoodleAccessDenied(_of(report, said))


def _side_by_side(asked: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    left = asked.assign(key=asked["username"].map(folded))[["key", "idnumber", "email"]]
    right = found.assign(key=found["username"].map(folded))[["key", "id", "idnumber", "email"]]
    return left.merge(right, on="key", suffixes=("_shown", ""))


def _refuse_hidden_numbers(report: Report, asked: pd.DataFrame, found: pd.DataFrame) -> None:
    both = _side_by_side(asked, found)
    numbered = both[both["idnumber_shown"].str.strip() != ""]
    if len(numbered) and (numbered["idnumber"] == "").all():
        said = Sentence("report.numbers_hidden", shown=len(numbered), account=int(numbered["id"].iloc[0]))
        raise MoodleAccessDenied(_of(report, said))


def _refuse_untrue(report: Report, asked: pd.DataFrame, found: pd.DataFrame) -> None:
    both = _side_by_side(asked, found)
    differs = pd.Series(data=False, index=both.index)
    for name in ("idnumber", "email"):
        differs |= both[f"{name}_shown"].map(folded) != both[name].map(folded)
    if differs.sum() > _few(len(both)) or (len(both) and differs.all()):
        some = int(both.loc[differs, "id"].iloc[0])
        said = Sentence("report.untrue", differing=int(differs.sum()), total=len(both), account=some)
        raise ReportUnfit(_of(report, said))


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
    said = Sentence("report.rows_twice", total=totals[0], usernames=different, tries=_TRIES)
    raise ReportUnfit(_of(report, said))


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
        raise ReportUnfit(_of(report, Sentence("report.few_columns")))
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
            raise ReportUnfit(_of(report, Sentence("report.not_itself", username=account.username)))
        shown = row.iloc[0]
        if shown["idnumber"] == account.idnumber and shown["email"] == (account.email or ""):
            continue
        raise ReportUnfit(_of(report, Sentence("report.other_columns")))


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
    return ReportUnfit(_of(report, Sentence("report.leaves_out", n=len(hidden), account=min(hidden))))


def _of(report: Report, what: Sentence) -> Sentence:
    return Sentence("report.of", name=report.name, number=report.id, what=what)
