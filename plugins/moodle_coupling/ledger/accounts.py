"""What the ledger knows of accounts: links, since when they are nobody's, and keys that no exact look-up would find."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, and_, case, delete, exists, func, literal, or_, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, UTC_TIME, Staged, chosen_keys, insert_into, staged
from moodle_coupling.ledger.cells import BigId, frame_of
from moodle_coupling.ledger.models import AbsenceRow, AccountKeyRow, LinkRow, ReadingRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from sqlalchemy import Connection, Table

    from moodle_coupling.ledger.ledger import Ledger

LINK_COLUMNS: Final = ("person_id", "username", "fingerprint", "created_by_us", "suspended_by", "seen_at")
"""Columns that a frame for :func:`record_links` may bring besides ``idnumber`` and ``account_id``."""
_LINKS: Any = LinkRow.__table__
_ABSENCES: Any = AbsenceRow.__table__
HOLDS_FOR: Final = dt.timedelta(days=7)
"""A reading older than this counts no more: where no full run comes, a run for what changed reads everyone once a week."""
_KEYS: Any = AccountKeyRow.__table__
_READINGS: Any = ReadingRow.__table__


def links_frame(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give the links for matching: account_id (int64), idnumber (str), suspended_by_us (bool), username, person_id ('' unknown)."""
    columns = ("account_id", "idnumber", "suspended_by", "username", "person_id")
    frame = _known(ledger, environment, columns)
    frame["suspended_by"] = frame["suspended_by"] != ""
    return frame.rename(columns={"suspended_by": "suspended_by_us"})


def fingerprints(ledger: Ledger, environment: str, *, idnumbers: Sequence[str] | None = None) -> pd.DataFrame:
    """Give what was last written to each account: idnumber, account_id (int64), fingerprint and username ('' if unknown).

    ``idnumbers`` asks for those only.
    """
    return _known(ledger, environment, ("idnumber", "account_id", "fingerprint", "username"), idnumbers)


def _known(
    ledger: Ledger, environment: str, names: Sequence[str], idnumbers: Sequence[str] | None = None
) -> pd.DataFrame:
    columns = [_LINKS.c[name] for name in names]
    query = select(*columns).where(_LINKS.c.environment == environment)
    wanted = None if idnumbers is None else sorted(set(map(cells.key_text, idnumbers)))
    with ledger.reading() as connection, chosen_keys(connection, _LINKS.c.idnumber, wanted) as chosen:
        rows = connection.execute(query.where(*chosen)).all()
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
        "suspended_at": (UTC_TIME, [now if who else None for who in suspended_by]),
        "linked_at": (UTC_TIME, [now] * len(frame)),
        "seen_at": (UTC_TIME, cells.moments(frame, "seen_at", default=now)),
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
    insert = insert_into(connection, _LINKS).from_select(["environment", *names], source)
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
        insert = insert_into(connection, _ABSENCES).from_select(["environment", *columns, "since"], source)
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


class AccountKeys:
    """The kept keys of one environment; every method is one transaction and raises LedgerUnavailable.

    A key is a text that names its field too (``idnumber sp-mixed``); keys frames have ``account_id`` and ``key``.
    """

    def __init__(self, ledger: Ledger, environment: str) -> None:
        self._ledger = ledger
        self._environment = environment

    def highest(self) -> int | None:
        """Give the highest account id that is known; None when everyone must be read: never done, or too long ago."""
        query = select(_READINGS.c.at, _READINGS.c.highest).where(_READINGS.c.environment == self._environment)
        with self._ledger.reading() as connection:
            row = connection.execute(query).one_or_none()
            now = self._ledger.now(connection)
        return None if row is None or now - row.at > HOLDS_FOR else int(row.highest)

    def accounts_with(self, keys: Iterable[str]) -> list[int]:
        """Give the ids of the accounts that had one of these keys, in order."""
        digests = sorted({key_digest(self._environment, key) for key in keys})
        if not digests:
            return []
        with self._ledger.reading() as connection, staged(connection, {"key": (TEXT, digests)}, key=["key"]) as stage:
            query = select(_KEYS.c.account_id).distinct().order_by(_KEYS.c.account_id)
            found = connection.execute(
                query.where(_KEYS.c.environment == self._environment, _KEYS.c.key.in_(select(stage.c.key)))
            )
            return [int(id_) for id_ in found.scalars()]

    def keep_everyone(self, keys: pd.DataFrame, highest: int) -> None:
        """Keep the keys that a reading of everyone found, and none of what was kept before."""
        with self._ledger.writing() as connection:
            connection.execute(delete(_KEYS).where(_KEYS.c.environment == self._environment))
            self._add(connection, keys)
            connection.execute(delete(_READINGS).where(_READINGS.c.environment == self._environment))
            row = {"environment": self._environment, "at": self._ledger.now(connection), "highest": highest}
            connection.execute(_READINGS.insert().values(row))

    def keep_more(self, keys: pd.DataFrame, highest: int) -> None:
        """Keep the keys of accounts that came since; does nothing to the others, and nothing before everyone was read."""
        here = _READINGS.c.environment == self._environment
        with self._ledger.writing() as connection:
            newer = {"highest": func.greatest(_READINGS.c.highest, highest)}
            if connection.dialect.name == "sqlite":
                newer = {"highest": func.max(_READINGS.c.highest, highest)}
            if connection.execute(_READINGS.update().where(here).values(newer)).rowcount:
                self._add(connection, keys)

    def _add(self, connection: Connection, keys: pd.DataFrame) -> None:
        if keys.empty:
            return
        pairs = {
            (key_digest(self._environment, key), int(id_))
            for key, id_ in zip(keys["key"].tolist(), keys["account_id"].tolist(), strict=True)
        }
        digests, ids = zip(*sorted(pairs), strict=True)
        columns: dict[str, Staged] = {"key": (TEXT, digests), "account_id": (BigId, ids)}
        with staged(connection, columns, key=["key", "account_id"]) as stage:
            source = select(literal(self._environment), *stage.columns).where(literal(value=True))  # SQLite's grammar
            insert = insert_into(connection, _KEYS).from_select(["environment", *columns], source)
            connection.execute(insert.on_conflict_do_nothing())


def key_digest(environment: str, key: str) -> str:
    """Give what stands in the ledger for a key; the same key has another digest in another environment."""
    text = f"{environment}\0{key}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
