"""The outcomes of one run as a list to look through: a page at a time, filtered, sorted, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal, select

from moodle_coupling.ledger.models import OutcomeRow
from moodle_coupling.ledger.outcomes import SHOWN, standing
from moodle_coupling.ledger.page_queries import Page, in_order, matching, sort_key
from moodle_coupling.ledger.result_frames import frame_of

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger

_OUTCOMES: Any = OutcomeRow.__table__
_GROUPS: Final = tuple(_OUTCOMES.c[name] for name in ("verdict", "action", "status", "code"))
SORTS: Final = {column.name: column for column in SHOWN} | {
    "name": _OUTCOMES.c.name_key,
    "email": _OUTCOMES.c.email_key,
}
"""What a list can be sorted by; 'name' is last name, first name, in any letter case."""


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """Which outcomes of a run; what is empty leaves out nobody. ``text`` as in page_queries.matching."""

    statuses: Collection[str] = ()
    actions: Collection[str] = ()
    verdicts: Collection[str] = ()
    codes: Collection[str] = ()
    text: str = ""


def outcome_page(
    ledger: Ledger,
    run: str,
    chosen: OutcomeFilter,
    *,
    sort: str = "id",
    descending: bool = False,
    offset: int = 0,
    limit: int | None = 50,
) -> Page:
    """Give some of the outcomes that stand, one for each row of the run's plan of whom there was something to do.

    Rows have the columns of run_outcomes. ``sort`` is one of SORTS; rows that are equal keep the order in which they
    were written. ``limit`` None for all the rest. Raises ValueError for another sort.
    """
    key = sort_key(SORTS, sort).label("key")
    # A table of its own: by an index on the sorted column PostgreSQL would walk through the history of all runs.
    hits = (
        select(_OUTCOMES.c.id, key).where(*standing(run), *_conditions(chosen)).cte("hits").prefix_with("MATERIALIZED")
    )
    order = in_order(hits.c.key, hits.c.id, descending=descending)
    some = select(hits).order_by(*order).offset(offset).limit(limit).subquery("some")
    number = select(func.count().label("total")).select_from(hits).subquery("number")
    query = (
        select(number.c.total, *SHOWN)
        .select_from(number)
        .outerjoin(some, literal(value=True))
        .outerjoin(_OUTCOMES, _OUTCOMES.c.id == some.c.id)
        .order_by(*in_order(some.c.key, some.c.id, descending=descending))
    )
    with ledger.reading() as connection:
        rows = connection.execute(query).all()
    # Beyond the end of the list there is the total and no row.
    return Page(frame_of([row[1:] for row in rows if row[1] is not None], SHOWN), rows[0][0])


def outcome_table(ledger: Ledger, run: str) -> pd.DataFrame:
    """Count the outcomes that stand by what they have in common: verdict, action, status, code, number (Int64)."""
    number = func.count().label("number")
    query = select(*_GROUPS, number).where(*standing(run)).group_by(*_GROUPS).order_by(*_GROUPS)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), (*_GROUPS, number))


def _conditions(chosen: OutcomeFilter) -> list[Any]:
    wanted = {
        "status": chosen.statuses,
        "action": chosen.actions,
        "verdict": chosen.verdicts,
        "code": chosen.codes,
    }
    of = [_OUTCOMES.c[name].in_([str(value) for value in values]) for name, values in wanted.items() if values]
    return [*of, *matching(_OUTCOMES, chosen.text)]
