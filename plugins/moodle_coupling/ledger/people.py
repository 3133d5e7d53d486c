"""People: everything that ever happened to one person, in any environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, literal, or_, select, union

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.mismatches import SHOWN as MISMATCH_COLUMNS
from moodle_coupling.ledger.models import MismatchRow, OutcomeRow
from moodle_coupling.ledger.outcomes import SHOWN as OUTCOME_COLUMNS
from moodle_coupling.ledger.result_frames import frame_of

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger

_OUTCOMES: Any = OutcomeRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_AFTER_EVERY_LETTER: Final = "\U0010ffff"
_WHO: Final = ("environment", "person_id", "extern_id", "idnumber", "username", "firstname", "lastname", "email")


def find_people(ledger: Ledger, text: str, *, limit: int = 50) -> pd.DataFrame:
    """Find persons by what someone types: an id, a username, an e-mail address, or how a last name begins.

    Gives environment, person_id, extern_id, idnumber, username, firstname, lastname and email, each combination that
    occurs once, so that a person who changed e-mail shows twice.
    Of a beginning that very many share only some are given: type more of the name. Answers come from indexes, however long the history.
    """
    wanted = cells.key_text(text.strip())
    if not wanted:
        return frame_of([], [_OUTCOMES.c[name] for name in _WHO])
    # One index each: a query with OR over eight columns would read the whole history on SQLite.
    parts = [
        select(*(table.c[name] for name in _WHO)).where(condition).limit(limit * 20).subquery().select()
        for table in (_OUTCOMES, _MISMATCHES)
        for condition in _conditions(table, wanted)
    ]
    every = union(*parts).subquery()
    query = select(every).order_by(every.c.lastname, every.c.firstname, every.c.environment).limit(limit)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), [_OUTCOMES.c[name] for name in _WHO])


def person_outcomes(
    ledger: Ledger, *, person_id: str = "", idnumber: str = "", environment: str = "", limit: int = 500
) -> pd.DataFrame:
    """Give every try of every action on a person, latest first; of one environment or ('') of all.

    Of ``person_id`` and ``idnumber`` one may be ''. Rows of somebody else who had the same idnumber (two persons
    shared it) are left out where the row names a person.
    """
    query = select(*OUTCOME_COLUMNS).where(_about(_OUTCOMES, person_id, idnumber))
    if environment:
        query = query.where(_OUTCOMES.c.environment == environment)
    query = query.order_by(_OUTCOMES.c.at.desc(), _OUTCOMES.c.id.desc()).limit(limit)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), OUTCOME_COLUMNS)


def person_mismatches(
    ledger: Ledger, *, person_id: str = "", idnumber: str = "", environment: str = ""
) -> pd.DataFrame:
    """Give every mismatch that was ever about a person, latest seen first; see :func:`person_outcomes`."""
    query = select(*MISMATCH_COLUMNS).where(_about(_MISMATCHES, person_id, idnumber))
    if environment:
        query = query.where(_MISMATCHES.c.environment == environment)
    query = query.order_by(_MISMATCHES.c.last_seen.desc(), _MISMATCHES.c.id)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), MISMATCH_COLUMNS)


def _about(table: Any, person_id: str, idnumber: str) -> Any:
    person, key = cells.key_text(person_id), cells.key_text(idnumber)
    if not person and not key:
        msg = "a person is looked up by person_id, by idnumber, or by both"
        raise ValueError(msg)
    by_person = table.c.person_id == person
    if not key:
        return by_person
    nobody_else = table.c.person_id.in_(["", person]) if person else literal(value=True)
    by_key = and_(table.c.idnumber == key, nobody_else)
    return or_(by_person, by_key) if person else by_key


def _conditions(table: Any, wanted: str) -> list[Any]:
    begins = wanted.lower()
    return [
        table.c.person_id == wanted,
        table.c.extern_id == wanted,
        table.c.idnumber == wanted,
        table.c.username == begins,
        table.c.email_key == begins,
        and_(table.c.name_key >= begins, table.c.name_key < begins + _AFTER_EVERY_LETTER),
    ]
