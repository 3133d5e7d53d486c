"""What the ledger knows of an environment, as matching takes it."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # a public dataclass: its hints are looked up
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


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
