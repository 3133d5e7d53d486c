"""Mismatches as a list to look through: a page at a time, filtered, sorted, counted, and all of it for one decision."""

from __future__ import annotations

import contextlib
import datetime as dt  # noqa: TC003  # a public dataclass: its hints are looked up
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from moodle_coupling.ledger.bulk import staged
from moodle_coupling.ledger.column_types import BigId
from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.mismatches import SHOWN
from moodle_coupling.ledger.models import DecisionRow, MismatchRow
from moodle_coupling.ledger.page_queries import Page, in_order, matching, sort_key
from moodle_coupling.ledger.result_frames import frame_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

_DECISIONS: Any = DecisionRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_LATEST: Final = (
    _DECISIONS.c.id.label("decision"),
    *(func.coalesce(_DECISIONS.c[name], "").label(name) for name in ("kind", "by", "note")),
    *(_DECISIONS.c[name] for name in ("at", "applied_at", "lapsed_at")),
    _DECISIONS.c.account_id.label("chosen"),
)
COLUMNS: Final = (*SHOWN, *_LATEST)
"""Columns of a page: the mismatch's own, then of the latest decision on it, if any: decision (its id), kind, by, note
('' where there is none), at, applied_at, lapsed_at, and chosen (account id)."""
SORTS: Final = {column.name: column for column in COLUMNS} | {
    "name": _MISMATCHES.c.name_key,
    "email": _MISMATCHES.c.email_key,
}
"""What a list can be sorted by; 'name' is last name, first name, in any letter case."""
_FACETS: Final[dict[str, dict[str, Any]]] = {
    "verdict": {"verdicts": ()},
    "status": {"statuses": ()},
    "environment": {"environments": None},
    "proposal": {"proposals": ()},
}
"""What is counted by, and the filter that is left out for it."""


@dataclass(frozen=True, slots=True)
class MismatchFilter:
    """Which mismatches.

    ``readable`` are the environments that the person may see, None for all: nothing, no count either, ever comes from
    another. ``environments`` are those chosen of them. ``ids`` None for all. What is empty otherwise leaves out nothing.
    ``text`` and ``by_name`` as in page_queries.matching; the ``…_before`` are moments with a zone, None for any.
    """

    readable: Collection[str] | None = None
    environments: Collection[str] | None = None
    verdicts: Collection[str] = ()
    statuses: Collection[str] = ()
    proposals: Collection[str] = ()
    text: str = ""
    by_name: bool = True
    first_seen_before: dt.datetime | None = None
    seen_before: dt.datetime | None = None
    ids: Collection[int] | None = None


def mismatch_page(
    ledger: Ledger,
    chosen: MismatchFilter,
    *,
    sort: str = "last_seen",
    descending: bool = True,
    offset: int = 0,
    limit: int | None = 50,
) -> Page:
    """Give some mismatches with the latest decision on each (COLUMNS); ``limit`` None for all the rest.

    ``sort`` is one of SORTS; rows that are equal are in the order of their ids. Raises ValueError for another.
    """
    order = in_order(sort_key(SORTS, sort), _MISMATCHES.c.id, descending=descending)
    with ledger.reading() as connection, _conditions(connection, chosen) as where:
        total = connection.execute(select(func.count()).select_from(_MISMATCHES).where(*where)).scalar_one()
        query = _with_decisions().where(*where).order_by(*order).offset(offset).limit(limit)
        return Page(frame_of(connection.execute(query).all(), COLUMNS), total)


def mismatch_counts(ledger: Ledger, chosen: MismatchFilter) -> dict[str, dict[str, int]]:
    """Count by verdict, by status, by environment and by proposal, each as if nothing was chosen of that kind itself."""
    counts: dict[str, dict[str, int]] = {}
    with ledger.reading() as connection:
        for facet, unchosen in _FACETS.items():
            column = _MISMATCHES.c[facet]
            with _conditions(connection, replace(chosen, **unchosen)) as where:
                query = select(column, func.count()).where(*where).group_by(column).order_by(column)
                counts[facet] = {row[0]: row[1] for row in connection.execute(query)}
    return counts


def mismatch_versions(ledger: Ledger, chosen: MismatchFilter) -> list[tuple[int, int]]:
    """Give id and version of every mismatch that is chosen, for a decision on exactly these (decide_many)."""
    columns = (_MISMATCHES.c.id, _MISMATCHES.c.version)
    with ledger.reading() as connection, _conditions(connection, chosen) as where:
        rows = connection.execute(select(*columns).where(*where).order_by(_MISMATCHES.c.id))
        return [(row[0], row[1]) for row in rows]


def get_mismatch(ledger: Ledger, mismatch: int) -> Mapping[str, Any]:
    """Give one mismatch with the latest decision on it (COLUMNS; None where there is none); raises NotInLedger."""
    with ledger.reading() as connection:
        row = connection.execute(_with_decisions().where(_MISMATCHES.c.id == mismatch)).mappings().one_or_none()
    if row is None:
        raise NotInLedger(
            f"There is no mismatch {mismatch}. It may have been purged; see [moodle_coupling] ledger_days."
        )
    return dict(row)


def _with_decisions() -> Any:
    latest = select(func.max(_DECISIONS.c.id)).where(_DECISIONS.c.mismatch == _MISMATCHES.c.id)
    joined = _DECISIONS.c.id == latest.correlate(_MISMATCHES).scalar_subquery()
    return select(*COLUMNS).outerjoin_from(_MISMATCHES, _DECISIONS, joined)


@contextlib.contextmanager
def _conditions(connection: Connection, chosen: MismatchFilter) -> Iterator[list[Any]]:
    where = [
        _MISMATCHES.c.environment.in_(list(names))
        for names in (chosen.readable, chosen.environments)
        if names is not None
    ]
    for column, values in (
        ("verdict", chosen.verdicts),
        ("status", chosen.statuses),
        ("proposal", chosen.proposals),
    ):
        if values:
            where.append(_MISMATCHES.c[column].in_([str(value) for value in values]))
    for column, moment in (("first_seen", chosen.first_seen_before), ("last_seen", chosen.seen_before)):
        if moment is not None:
            where.append(_MISMATCHES.c[column] < moment)
    where += matching(_MISMATCHES, chosen.text, by_name=chosen.by_name)
    if chosen.ids is None:
        yield where
        return
    # Too many for one statement's parameters, perhaps.
    with staged(connection, {"id": (BigId, sorted({int(number) for number in chosen.ids}))}, key=["id"]) as stage:
        yield [*where, _MISMATCHES.c.id.in_(select(stage.c.id))]
