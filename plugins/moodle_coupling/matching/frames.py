"""What goes into matching and comes out: the actions of a plan, accounts as frames, and what the ledger knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX, TEXT_FIELDS
from moodle_coupling.contract.frames import ACCOUNTS, CANDIDATES, PLAN, REASONS
from moodle_coupling.errors import SettingError
from moodle_coupling.people.table import empty
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from moodle_coupling.contract.fields import Account


class Action(StrEnum):
    """What the plan intends for one row."""

    CREATE = "create"
    UPDATE = "update"
    LINK = "link"
    SUSPEND = "suspend"
    REACTIVATE = "reactivate"
    NONE = "none"
    REJECT = "reject"


WRITING_ACTIONS: Final = frozenset({Action.CREATE, Action.UPDATE, Action.LINK, Action.SUSPEND, Action.REACTIVATE})


SUSPEND: Final = "suspend"
"""The proposal for an orphan that a human must judge."""


CANDIDATE_COLUMNS: Final = CANDIDATES.names
REASON_COLUMNS: Final = REASONS.names
PLAN_COLUMNS: Final = PLAN.names
"""The columns of these frames; what they mean stands in contract/frames.py."""


REQUIRED: Final = ("id", "username", "email", "idnumber")
ALWAYS_PROTECTED: Final = ("admin", "guest")


def accounts_frame(accounts: Iterable[Account]) -> pd.DataFrame:
    """Give the accounts frame of accounts as read back: ``id``, the text columns, ``suspended`` and profile fields.

    An absent profile field is ''. Raises SettingError when not one account shows its e-mail address: hidden is not
    empty, and everyone would look new.
    """
    rows = list(accounts)
    if rows and all(account.email is None for account in rows):
        raise SettingError(Sentence("accounts.no_addresses"))
    frame = pd.DataFrame({"id": pd.Series([account.id for account in rows], dtype="int64")})
    for name in TEXT_FIELDS:
        frame[name] = pd.Series([account.value(name) or "" for account in rows], dtype="str")
    frame["suspended"] = pd.Series([account.suspended is True for account in rows], dtype="bool")
    shortnames = sorted({name for account in rows for name in account.profile})
    for shortname in shortnames:
        values = [account.profile.get(shortname, "") for account in rows]
        frame[PROFILE_PREFIX + shortname] = pd.Series(values, dtype="str")
    return frame.sort_values("id", ignore_index=True)


def no_accounts() -> pd.DataFrame:
    """Give the accounts frame of an empty Moodle."""
    return empty(ACCOUNTS)


@dataclass(frozen=True)
class Remembered:
    """What is known from earlier runs and from analysts; every default means that nothing is known.

    ``links``: ``account_id``, ``idnumber``, ``suspended_by_us``, ``username`` and ``person_id`` ('' where unknown; may be absent); without
    them nobody is suspended or reactivated by the mapping's policy.
    ``decided``: the decisions in force on exactly the facts of this comparison: ``row`` (Int64, missing for an orphan),
    ``orphan`` (Int64: the account, missing for a person), ``decision``, ``kind``, ``account_id`` (Int64), ``by``, ``at``
    (UTC), ``note``, and ``account_print`` ('' but for an account at which the mismatch does not point).
    ``protections``: accounts that are never written → who said so. ``gone_since``: orphans → since when (UTC).
    ``as_written``: rows of the candidates of whom the source says what was last written, so that what differs was changed
    in Moodle. ``now``: the moment of the comparison (UTC).
    """

    links: pd.DataFrame | None = None
    decided: pd.DataFrame | None = None
    protections: Mapping[int, str] = field(default_factory=dict)
    gone_since: Mapping[int, dt.datetime] = field(default_factory=dict)
    as_written: frozenset[int] = frozenset()
    now: dt.datetime | None = None
