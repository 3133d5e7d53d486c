"""Links: what the ledger knows of the accounts of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, and_, case, delete, exists, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, Staged, staged
from moodle_coupling.ledger.column_types import BigId, UtcTime
from moodle_coupling.ledger.models import LinkRow
from moodle_coupling.ledger.result_frames import frame_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from sqlalchemy import Connection, Table

    from moodle_coupling.ledger.ledger import Ledger

LINK_COLUMNS: Final = ("person_id", "username", "fingerprint", "created_by_us", "suspended_by", "seen_at")
"""Columns that a frame for :func:`record_links` may bring besides ``idnumber`` and ``account_id``."""
_LINKS: Any = LinkRow.__table__


def links_frame(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give the links for matching: account_id (int64), idnumber (str), suspended_by_us (bool), username, person_id ('' unknown)."""
    columns = ("account_id", "idnumber", "suspended_by", "username", "person_id")
    frame = _known(ledger, environment, columns)
    frame["suspended_by"] = frame["suspended_by"] != ""
    return frame.rename(columns={"suspended_by": "suspended_by_us"})


def fingerprints(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give what was last written to each account: idnumber, account_id (int64), fingerprint and username ('' if unknown)."""
    return _known(ledger, environment, ("idnumber", "account_id", "fingerprint", "username"))


def _known(ledger: Ledger, environment: str, names: Sequence[str]) -> pd.DataFrame:
    columns = [_LINKS.c[name] for name in names]
    with ledger.reading() as connection:
        rows = connection.execute(select(*columns).where(_LINKS.c.environment == environment)).all()
    return frame_of(rows, columns).astype({"account_id": "int64"})


def record_links(ledger: Ledger, environment: str, frame: pd.DataFrame) -> int:
    """Add links, and renew those that are there; gives how many rows the frame had.

    ``frame`` has ``idnumber`` and ``account_id``, each once, and any of LINK_COLUMNS. A column it does not bring stays
    as it was. That we made an account is never forgotten as long as it is the same account, also when its idnumber
    changes; a link that is in the way (the account's former idnumber) makes place.
    Raises ValueError for doubles and for an empty idnumber.
    """
    with ledger.writing() as connection:
        now = ledger.now(connection)
        columns = _columns(frame, now)
        idnumbers, accounts = columns["idnumber"][1], columns["account_id"][1]
        cells.refuse_doubles(idnumbers, "idnumbers")
        cells.refuse_doubles(accounts, "account ids")
        if "" in idnumbers or None in accounts:
            msg = "a link needs an idnumber and an account id"
            raise ValueError(msg)
        with staged(connection, columns, key=["idnumber"], also="account_id") as stage:
            _move(connection, environment, stage, given=set(frame.columns))
            _upsert(connection, environment, stage, given=set(frame.columns))
    return len(frame)


def forget(ledger: Ledger, environment: str, idnumbers: Sequence[str]) -> int:
    """Remove links, for instance of accounts that are no longer there; gives how many there were."""
    with ledger.writing() as connection:
        keys = list(dict.fromkeys(cells.key_text(idnumber) for idnumber in idnumbers))
        with staged(connection, {"idnumber": (TEXT, keys)}, key=["idnumber"]) as stage:
            gone = delete(_LINKS).where(
                _LINKS.c.environment == environment, _LINKS.c.idnumber.in_(select(stage.c.idnumber))
            )
            return connection.execute(gone).rowcount


def _columns(frame: pd.DataFrame, now: Any) -> Mapping[str, Staged]:
    suspended_by = cells.texts(frame, "suspended_by")
    return {
        "idnumber": (TEXT, cells.keys(frame, "idnumber")),
        "account_id": (BigId, cells.integers(frame, "account_id")),
        "person_id": (TEXT, cells.keys(frame, "person_id")),
        "username": (TEXT, cells.keys(frame, "username")),
        "fingerprint": (TEXT, cells.texts(frame, "fingerprint")),
        "created_by_us": (Boolean(), cells.booleans(frame, "created_by_us")),
        "suspended_by": (TEXT, suspended_by),
        "suspended_at": (UtcTime(), [now if who else None for who in suspended_by]),
        "linked_at": (UtcTime(), [now] * len(frame)),
        "seen_at": (UtcTime(), cells.moments(frame, "seen_at", default=now)),
    }


def _move(connection: Connection, environment: str, stage: Table, *, given: set[str]) -> None:
    """Make place: an account that goes under another idnumber leaves its old link, and takes along what is known of it."""
    former = and_(
        _LINKS.c.environment == environment,
        _LINKS.c.account_id == stage.c.account_id,
        _LINKS.c.idnumber != stage.c.idnumber,
    )
    # Facts of the account that the frame does not say anew.
    made = update(stage).values(created_by_us=True).where(exists().where(former, _LINKS.c.created_by_us))
    connection.execute(made)
    if "suspended_by" not in given:
        held = exists().where(former, _LINKS.c.suspended_by != "")
        values = {
            name: select(_LINKS.c[name]).where(former).scalar_subquery() for name in ("suspended_by", "suspended_at")
        }
        connection.execute(update(stage).values(values).where(held))
    connection.execute(delete(_LINKS).where(exists().where(former)))


def _upsert(connection: Connection, environment: str, stage: Table, *, given: set[str]) -> None:
    names = [column.name for column in stage.columns]
    source = select(literal(environment), *stage.columns).where(literal(value=True))  # WHERE: SQLite's grammar needs it
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(_LINKS).from_select(["environment", *names], source)
    new, same = insert.excluded, _LINKS.c.account_id == insert.excluded.account_id
    changes: dict[str, Any] = {"account_id": new.account_id, "seen_at": new.seen_at}
    for name in ("person_id", "fingerprint"):
        kept = case((same, _LINKS.c[name]), else_=new[name])
        changes[name] = new[name] if name in given else kept
    # Only a create or a rename gives a username; an empty one says nothing.
    changes["username"] = case((and_(same, new.username == ""), _LINKS.c.username), else_=new.username)
    changes["created_by_us"] = or_(and_(same, _LINKS.c.created_by_us), new.created_by_us)
    changes["linked_at"] = case((same, _LINKS.c.linked_at), else_=new.linked_at)
    told = "suspended_by" in given
    unchanged = and_(same, _LINKS.c.suspended_by == new.suspended_by) if told else same
    changes["suspended_by"] = case((unchanged, _LINKS.c.suspended_by), else_=new.suspended_by)
    changes["suspended_at"] = case((unchanged, _LINKS.c.suspended_at), else_=new.suspended_at)
    connection.execute(insert.on_conflict_do_update(index_elements=["environment", "idnumber"], set_=changes))
