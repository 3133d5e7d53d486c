"""Everyone by a custom report: it says who there is; whoever can matter is then looked up, precisely."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.errors import MoodleAccessDenied
from moodle_coupling.provisioning.load.readback import can_look_up
from moodle_coupling.provisioning.snapshot.folded import all_folded, folded, is_among
from moodle_coupling.provisioning.snapshot.keys import has_odd_keys, is_odd_name, name_key
from moodle_coupling.provisioning.snapshot.overview import ReportUnfit
from moodle_coupling.provisioning.snapshot.parts import Lookups

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from moodle_coupling.hooks.moodle.types import Report
    from moodle_coupling.provisioning.snapshot.reading import Reading

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
    unseen = asked[~is_among(asked["username"], all_folded(reading.accounts()["username"]))]
    # A username that Moodle refuses in a lookup, or one that was changed since.
    _look_up(reading, _by_other_keys(unseen))
    found = reading.accounts()
    _refuse_invisible(report, asked, found)
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


def _refuse_invisible(report: Report, asked: pd.DataFrame, found: pd.DataFrame) -> None:
    missing = len(asked) - int(is_among(asked["username"], all_folded(found["username"])).sum())
    if missing > _few(len(asked)) or (missing and found.empty):
        raise MoodleAccessDenied(
            f"Report '{report.name}' ({report.id}) shows {len(asked)} accounts that were then looked up, and {missing} of them "
            "did not come: the token may not see them, and matching would take them for new. Give the service user's role "
            "moodle/user:viewdetails and moodle/user:viewalldetails, in the system context. Nothing was written."
        )


def _side_by_side(asked: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    left = asked.assign(key=asked["username"].map(folded))[["key", "idnumber", "email"]]
    right = found.assign(key=found["username"].map(folded))[["key", "id", "idnumber", "email"]]
    return left.merge(right, on="key", suffixes=("_shown", ""))


def _refuse_hidden_numbers(report: Report, asked: pd.DataFrame, found: pd.DataFrame) -> None:
    both = _side_by_side(asked, found)
    numbered = both[both["idnumber_shown"].str.strip() != ""]
    if len(numbered) and (numbered["idnumber"] == "").all():
        raise MoodleAccessDenied(
            f"Report '{report.name}' ({report.id}) shows {len(numbered)} accounts with an ID number, and all came without one "
            f"when they were looked up (account {int(numbered['id'].iloc[0])}, for instance): hidden is not empty. Give the "
            "service user's role moodle/user:viewalldetails, in the system context. Nothing was written."
        )


def _refuse_untrue(report: Report, asked: pd.DataFrame, found: pd.DataFrame) -> None:
    both = _side_by_side(asked, found)
    differs = pd.Series(data=False, index=both.index)
    for name in ("idnumber", "email"):
        differs |= both[f"{name}_shown"].map(folded) != both[name].map(folded)
    if differs.sum() > _few(len(both)) or (len(both) and differs.all()):
        raise ReportUnfit(
            f"Report '{report.name}' ({report.id}) shows another ID number or e-mail address than the web service for "
            f"{int(differs.sum())} of {len(both)} accounts (account {int(both.loc[differs, 'id'].iloc[0])}, for instance). Its "
            "first three columns must be username, ID number and e-mail address, in this order, without aggregation."
        )
