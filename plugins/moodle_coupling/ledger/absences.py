"""Absences: since when accounts belong to no person of the source, so that days of grace can be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, Staged, staged
from moodle_coupling.ledger.column_types import BigId
from moodle_coupling.ledger.models import AbsenceRow
from moodle_coupling.ledger.result_frames import frame_of

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger

_ABSENCES: Any = AbsenceRow.__table__


def note_absences(ledger: Ledger, environment: str, orphans: pd.DataFrame, *, complete: bool) -> pd.DataFrame:
    """Note which accounts are orphans now; gives account_id (Int64) and since (UTC) of each of them.

    ``orphans`` has account_id and idnumber, each account once. ``since`` is when it was first told so, with this idnumber
    and without a break. ``complete`` says that the frame holds every orphan there is: whoever is not in it is absent no
    longer, and begins anew when it is an orphan again. Told again nothing changes. Raises ValueError for doubles.
    """
    accounts = cells.integers(orphans, "account_id")
    cells.refuse_doubles(accounts, "orphans")
    columns: dict[str, Staged] = {"account_id": (BigId, accounts), "idnumber": (TEXT, cells.keys(orphans, "idnumber"))}
    answer = (_ABSENCES.c.account_id, _ABSENCES.c.since)
    with ledger.writing() as connection, staged(connection, columns, key=["account_id"]) as stage:
        here = _ABSENCES.c.environment == environment
        told = _ABSENCES.c.account_id.in_(select(stage.c.account_id))
        if complete:
            connection.execute(delete(_ABSENCES).where(here, ~told))
        now = literal(ledger.now(connection), _ABSENCES.c.since.type)
        source = select(literal(environment), *stage.columns, now).where(literal(value=True))  # WHERE: SQLite's grammar
        dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(_ABSENCES).from_select(["environment", *columns, "since"], source)
        new = insert.excluded
        since = case((_ABSENCES.c.idnumber == new.idnumber, _ABSENCES.c.since), else_=new.since)
        changes = {"idnumber": new.idnumber, "since": since}
        connection.execute(insert.on_conflict_do_update(index_elements=["environment", "account_id"], set_=changes))
        rows = connection.execute(select(*answer).where(and_(here, told)).order_by(_ABSENCES.c.account_id)).all()
    return frame_of(rows, answer)


def absences(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give the accounts that are orphans, as last told: account_id (Int64), idnumber, since (UTC)."""
    columns = (_ABSENCES.c.account_id, _ABSENCES.c.idnumber, _ABSENCES.c.since)
    query = select(*columns).where(_ABSENCES.c.environment == environment).order_by(_ABSENCES.c.account_id)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), columns)
