"""People: everything that ever happened to one person, in any environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, literal, or_, select, union

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.cells import frame_of
from moodle_coupling.ledger.mismatches import OF_TARGET
from moodle_coupling.ledger.mismatches import SHOWN as MISMATCH_COLUMNS
from moodle_coupling.ledger.models import AccessOutcomeRow, AccessRow, LinkRow, MismatchRow, OutcomeRow
from moodle_coupling.ledger.outcomes import SHOWN as OUTCOME_COLUMNS
from moodle_coupling.ledger.page_queries import begins, is_number, named

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger

_OUTCOMES: Any = OutcomeRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_LINKS: Any = LinkRow.__table__
_ACCESS: Any = AccessRow.__table__
_ACCESS_OUTCOMES: Any = AccessOutcomeRow.__table__
_TABLES: Final[Mapping[str, Any]] = {"outcome": _OUTCOMES, "mismatch": _MISMATCHES}
"""Tables with rows about persons, by what a row is."""
_IDS: Final = ("person_id", "extern_id", "idnumber")
_WHO: Final = ("environment", "person_id", "extern_id", "idnumber", "username", "firstname", "lastname", "email")


@dataclass(frozen=True, slots=True)
class Who:
    """A person by ids ('' unknown); ``account_id`` where an account without a person is meant.

    ``typed``: the ids are what somebody typed, which may be a name or an address, and must be kept nowhere.
    """

    person_id: str = ""
    extern_id: str = ""
    idnumber: str = ""
    account_id: int | None = None
    typed: bool = False

    @property
    def known_as(self) -> str:
        """Give the id by which the source is asked."""
        return self.person_id or self.extern_id or self.idnumber


def who_of_row(ledger: Ledger, environment: str, kind: str, number: int) -> Who | None:
    """Give whom an 'outcome' or a 'mismatch' is about; None where the environment has none of that number."""
    table = _TABLES[kind]
    query = select(*(table.c[name] for name in (*_IDS, "account_id"))).where(
        table.c.id == number, table.c.environment == environment, *_of_people(table)
    )
    with ledger.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Who(*row)


def who_of_account(ledger: Ledger, environment: str, account: int) -> Who | None:
    """Give whose an account is by the ledger's links; None where it is linked to nobody."""
    query = select(_LINKS.c.person_id, _LINKS.c.idnumber).where(
        _LINKS.c.environment == environment, _LINKS.c.account_id == account
    )
    with ledger.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Who(person_id=row[0], idnumber=row[1], account_id=account)


def latest_row(ledger: Ledger, environment: str, who: Who) -> tuple[str, int] | None:
    """Give the latest row about a person in an environment, as who_of_row takes it: of the outcomes, else of the mismatches."""
    with ledger.reading() as connection:
        for kind, table in _TABLES.items():
            mine = (table.c.environment == environment, _of_who(table, who))
            query = select(table.c.id).where(*mine).order_by(table.c.id.desc()).limit(1)
            number = connection.execute(query).scalar_one_or_none()
            if number is not None:
                return kind, int(number)
    return None


def find_linked(ledger: Ledger, text: str, environments: Collection[str], *, limit: int = 50) -> list[dict[str, Any]]:
    """Find persons by a whole id, username or account number among the links: also those for whom nothing ever had to be done.

    Gives environment, person_id, idnumber, username and account_id of each.
    """
    key = cells.key_text(text)
    ways = [_LINKS.c.person_id == key, _LINKS.c.idnumber == key, _LINKS.c.username == key.lower()]
    if is_number(text):
        ways.append(_LINKS.c.account_id == int(text))
    columns = [_LINKS.c[name] for name in ("environment", "person_id", "idnumber", "username", "account_id")]
    query = select(*columns).where(_LINKS.c.environment.in_(list(environments)), or_(*ways)).limit(limit)
    with ledger.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def outcomes_of(ledger: Ledger, environment: str, who: Who, *, limit: int = 500) -> pd.DataFrame:
    """Give every try of every action on a person in any environment, or on an account of this one; latest first."""
    if who.person_id or who.idnumber:
        return person_outcomes(ledger, person_id=who.person_id, idnumber=who.idnumber, limit=limit)
    here = (_OUTCOMES.c.environment == environment) & (_OUTCOMES.c.account_id == who.account_id)
    mine = _OUTCOMES.c.extern_id == who.extern_id if who.extern_id else here
    query = select(*OUTCOME_COLUMNS).where(mine).order_by(_OUTCOMES.c.at.desc(), _OUTCOMES.c.id.desc()).limit(limit)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), OUTCOME_COLUMNS)


def mismatches_of(ledger: Ledger, environment: str, who: Who) -> pd.DataFrame:
    """Give every mismatch that was ever about a person in any environment, or about an account of this one."""
    if who.person_id or who.idnumber:
        return person_mismatches(ledger, person_id=who.person_id, idnumber=who.idnumber)
    here = (_MISMATCHES.c.environment == environment) & (_MISMATCHES.c.subject == f"account {who.account_id}")
    mine = _MISMATCHES.c.extern_id == who.extern_id if who.extern_id else here
    query = select(*MISMATCH_COLUMNS).where(mine).order_by(_MISMATCHES.c.last_seen.desc())
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), MISMATCH_COLUMNS)


def links_of(ledger: Ledger, environments: Collection[str], environment: str, who: Who) -> list[dict[str, Any]]:
    """Give a person's links in these environments, or that of an account of this one; all but the fingerprint."""
    ways = []
    if who.person_id:
        ways.append(_LINKS.c.person_id == who.person_id)
    if who.idnumber:
        nobody_else = _LINKS.c.person_id.in_(["", who.person_id]) if who.person_id else _LINKS.c.person_id.is_not(None)
        ways.append((_LINKS.c.idnumber == who.idnumber) & nobody_else)
    if not ways:
        ways.append((_LINKS.c.environment == environment) & (_LINKS.c.account_id == who.account_id))
    columns = [column for column in _LINKS.columns if column.name != "fingerprint"]
    query = select(*columns).where(_LINKS.c.environment.in_(list(environments)), or_(*ways))
    with ledger.reading() as connection:
        return [dict(row) for row in connection.execute(query.order_by(_LINKS.c.environment)).mappings()]


def access_of(ledger: Ledger, environments: Collection[str], environment: str, who: Who) -> pd.DataFrame:
    """Give the cohorts and courses a person has access to in these environments, or an account of this one, as far as the ledger knows."""
    order = [_ACCESS.c[name] for name in ("environment", "kind", "target")]
    return _of_access(ledger, _ACCESS, environments, environment, who, order)


def access_outcomes_of(
    ledger: Ledger, environments: Collection[str], environment: str, who: Who, *, limit: int = 500
) -> pd.DataFrame:
    """Give what became of each row of access about a person in these environments, or an account of this one; latest first."""
    order = [_ACCESS_OUTCOMES.c.at.desc(), _ACCESS_OUTCOMES.c.id.desc()]
    return _of_access(ledger, _ACCESS_OUTCOMES, environments, environment, who, order, limit)


def _of_access(  # the rows of either table of access
    ledger: Ledger,
    table: Any,
    environments: Collection[str],
    environment: str,
    who: Who,
    order: list[Any],
    limit: int | None = None,
) -> pd.DataFrame:
    if who.person_id or who.idnumber:
        theirs = _about(table, who.person_id, who.idnumber)
    else:
        theirs = (table.c.environment == environment) & (table.c.account_id == who.account_id)
    query = select(table).where(table.c.environment.in_(list(environments)), theirs).order_by(*order).limit(limit)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), list(table.columns))


def find_people(ledger: Ledger, text: str, *, limit: int = 50) -> pd.DataFrame:
    """Find persons by what someone types: an id, a username, an e-mail address, or words with which parts of the name begin.

    Gives environment, person_id, extern_id, idnumber, username, firstname, lastname and email, each combination that
    occurs once, so that a person who changed e-mail shows twice.
    Of a beginning that very many share only some are given: type more of the name. Ids, addresses, the
    beginning of a last name and the words of names come from indexes.
    """
    wanted = cells.key_text(text.strip())
    if not wanted:
        return frame_of([], [_OUTCOMES.c[name] for name in _WHO])
    # One index each: a query with OR over eight columns would read the whole history on SQLite.
    parts = [
        select(*(table.c[name] for name in _WHO))
        .where(condition, *_of_people(table))
        .limit(limit * 20)
        .subquery()
        .select()
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


def _of_people(table: Any) -> list[Any]:
    """Give the condition that a row is about a person or account; a mismatch may be about a target of access."""
    return [~OF_TARGET] if table is _MISMATCHES else []


def _of_who(table: Any, who: Who) -> Any:
    if who.person_id:
        return table.c.person_id == who.person_id
    ways = [table.c[name] == getattr(who, name) for name in _IDS if getattr(who, name)]
    return or_(*ways) if ways else table.c.account_id == who.account_id


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
    small = wanted.lower()
    return [
        table.c.person_id == wanted,
        table.c.extern_id == wanted,
        table.c.idnumber == wanted,
        table.c.username == small,
        table.c.email_key == small,
        begins(table.c.name_key, literal(cells.folded(wanted))),
        *named(table, wanted),
    ]
