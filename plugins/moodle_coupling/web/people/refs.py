"""Who is meant by the last part of a person's address: a row of the ledger, so that no name and no id stands in it.

``o12`` is whoever outcome 12 is about, ``m12`` whoever mismatch 12 is about, ``a12`` whose account 12 is by the ledger's
links, and ``x…`` an id that somebody typed, sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select

from moodle_coupling.ledger.models import LinkRow, MismatchRow, OutcomeRow
from moodle_coupling.web.mismatches.search import seal, unseal

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

_LINKS: Any = LinkRow.__table__
_TABLES: Final[dict[str, Any]] = {"o": OutcomeRow.__table__, "m": MismatchRow.__table__}
_IDS: Final = ("person_id", "extern_id", "idnumber")
_MOST_DIGITS: Final = 18


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


def sealed(typed: str) -> str:
    """Give the reference for an id that somebody typed."""
    return f"x{seal(typed)}"


def who_is(ledger: Ledger, environment: str, ref: str) -> Who | None:
    """Give who is meant; None for a reference to nothing (any more), or to another environment."""
    kind, rest = ref[:1], ref[1:]
    if kind == "x":
        typed = unseal(rest)
        return Who(person_id=typed, idnumber=typed, typed=True) if typed else None
    if not (rest.isascii() and rest.isdecimal() and len(rest) <= _MOST_DIGITS):
        return None
    if kind == "a":
        return _by_account(ledger, environment, int(rest))
    return _by_row(ledger, environment, _TABLES[kind], int(rest)) if kind in _TABLES else None


def find_ref(ledger: Ledger, environment: str, who: Who) -> str:
    """Give the reference to a person in an environment, by the latest row about the person; '' when there is none."""
    with ledger.reading() as connection:
        for kind, table in _TABLES.items():
            about = _about(table, who)
            query = select(table.c.id).where(table.c.environment == environment, about).order_by(table.c.id.desc())
            number = connection.execute(query.limit(1)).scalar_one_or_none()
            if number is not None:
                return f"{kind}{number}"
    return ""


def _about(table: Any, who: Who) -> Any:
    if who.person_id:
        return table.c.person_id == who.person_id
    ways = [table.c[name] == getattr(who, name) for name in _IDS if getattr(who, name)]
    return or_(*ways) if ways else table.c.account_id == who.account_id


def _by_row(ledger: Ledger, environment: str, table: Any, number: int) -> Who | None:
    columns = [table.c[name] for name in (*_IDS, "account_id")]
    with ledger.reading() as connection:
        query = select(*columns).where(table.c.id == number, table.c.environment == environment)
        row = connection.execute(query).one_or_none()
    return None if row is None else Who(*row)


def _by_account(ledger: Ledger, environment: str, account: int) -> Who | None:
    query = select(_LINKS.c.person_id, _LINKS.c.idnumber).where(
        _LINKS.c.environment == environment, _LINKS.c.account_id == account
    )
    with ledger.reading() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Who(person_id=row[0], idnumber=row[1], account_id=account)
