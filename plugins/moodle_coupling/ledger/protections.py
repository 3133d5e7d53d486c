"""Protections: accounts that nobody may write to, because someone said so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, exists, func, insert, literal, or_, select, update

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import cells
from moodle_coupling.ledger.activity import note_with
from moodle_coupling.ledger.bulk import TEXT, Staged, staged
from moodle_coupling.ledger.column_types import BigId
from moodle_coupling.ledger.errors import NotItsAccount
from moodle_coupling.ledger.models import DecisionRow, MismatchRow, ProtectionRow
from moodle_coupling.ledger.result_frames import frame_of
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    import pandas as pd
    from sqlalchemy import Connection, Table

    from moodle_coupling.ledger.decisions import Choice
    from moodle_coupling.ledger.ledger import Ledger

_DECISIONS: Any = DecisionRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_PROTECTIONS: Any = ProtectionRow.__table__
_TOLD = ("account_id", "by", "at", "note", "mismatch")


def protections(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give the accounts not to be touched, each once with the first who said so: account_id (Int64), by, at, note, and
    mismatch (Int64): the one on which it was decided, missing where it was said of the account itself.
    """  # noqa: D205
    columns = [_PROTECTIONS.c[name] for name in _TOLD]
    here = _PROTECTIONS.c.environment == environment
    first = select(func.min(_PROTECTIONS.c.id)).where(here).group_by(_PROTECTIONS.c.account_id)
    query = select(*columns).where(_PROTECTIONS.c.id.in_(first)).order_by(_PROTECTIONS.c.account_id)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), columns)


def protections_on(ledger: Ledger, accounts: Collection[tuple[str, int]]) -> list[dict[str, Any]]:
    """Give every protection of these accounts, each by environment and number, in the order they were said."""
    if not accounts:
        return []
    mine = or_(*(and_(*_of(name, number)) for name, number in accounts))
    with ledger.reading() as connection:
        rows = connection.execute(select(_PROTECTIONS).where(mine).order_by(_PROTECTIONS.c.id)).mappings()
        return [dict(row) for row in rows]


def protect(ledger: Ledger, environment: str, account_id: int, *, by: str, note: str = "") -> bool:
    """Say of an account itself that it must not be touched; False when somebody said so already, whose word stands."""
    with ledger.writing() as connection:
        now = ledger.now(connection)
        mine = (*_of(environment, account_id), _PROTECTIONS.c.mismatch.is_(None))
        if connection.execute(select(_PROTECTIONS.c.id).where(*mine)).first() is not None:
            return False
        word = {"by": cells.key_text(by), "at": now, "note": cells.clean(note)}
        connection.execute(insert(_PROTECTIONS).values(environment=environment, account_id=account_id, **word))
        subject = f"account {account_id}"
        note_with(connection, now, by=by, environment=environment, action="protect", subject=subject, detail=note)
    return True


def unprotect(ledger: Ledger, environment: str, account_id: int, *, by: str) -> bool:
    """Take every protection off an account; False when it had none.

    A decision not to touch of which nothing is left lapses, and where its mismatch was not found gone yet it is open
    again: somebody must judge it.
    """
    with ledger.writing() as connection:
        now = ledger.now(connection)
        taken = delete(_PROTECTIONS).where(*_of(environment, account_id)).returning(_PROTECTIONS.c.mismatch)
        mismatches = list(connection.execute(taken).scalars())
        if not mismatches:
            return False
        _reopen(connection, [number for number in mismatches if number is not None], now)
        note_with(connection, now, by=by, environment=environment, action="unprotect", subject=f"account {account_id}")
    return True


def protect_by_decision(connection: Connection, decided: Table, choice: Choice, now: dt.datetime) -> None:
    """Protect the accounts of the mismatches in ``decided`` (column id), or the one that was chosen.

    Raises NotItsAccount where a mismatch points at none.
    """
    meant = accounts_of(connection, decided)
    words = [
        (environment, account, mismatch)
        for mismatch, (environment, accounts) in meant.items()
        for account in ([choice.account_id] if choice.account_id is not None else accounts)
    ]
    for mismatch, (_environment, accounts) in meant.items():
        if not accounts:
            raise NotItsAccount(mismatch, accounts, None)
    columns: dict[str, Staged] = {
        "environment": (TEXT, [word[0] for word in words]),
        "account_id": (BigId, [word[1] for word in words]),
        "mismatch": (BigId, [word[2] for word in words]),
    }
    said = {
        "by": literal(cells.key_text(choice.by)),
        "at": literal(now, _PROTECTIONS.c.at.type),
        "note": literal(cells.clean(choice.note)),
    }
    with staged(connection, columns, key=["mismatch", "account_id"]) as stage:
        source = select(*stage.columns, *said.values())
        connection.execute(insert(_PROTECTIONS).from_select([*columns, *said], source))


def take_back(connection: Connection, decided: Table) -> None:
    """Take off the protections that stand on the mismatches in ``decided`` (column id)."""
    connection.execute(delete(_PROTECTIONS).where(_PROTECTIONS.c.mismatch.in_(select(decided.c.id))))


def accounts_of(connection: Connection, stage: Table) -> dict[int, tuple[str, list[int]]]:
    """Give the environment and the accounts of each mismatch in ``stage`` (column id)."""
    columns = (_MISMATCHES.c.id, _MISMATCHES.c.environment, _MISMATCHES.c.account_id, _MISMATCHES.c.other_accounts)
    rows = connection.execute(select(*columns).where(_MISMATCHES.c.id.in_(select(stage.c.id))).order_by(columns[0]))
    return {
        row[0]: (row[1], sorted({*json.loads(row[3] or "[]"), *([] if row[2] is None else [row[2]])})) for row in rows
    }


def _of(environment: str, account_id: int) -> tuple[Any, ...]:
    return (_PROTECTIONS.c.environment == environment, _PROTECTIONS.c.account_id == account_id)


def _reopen(connection: Connection, mismatches: list[int], now: dt.datetime) -> None:
    bare = (
        _MISMATCHES.c.id.in_(mismatches),
        ~exists().where(_PROTECTIONS.c.mismatch == _MISMATCHES.c.id),
    )
    standing = (_DECISIONS.c.kind == DecisionKind.DO_NOT_TOUCH, _DECISIONS.c.lapsed_at.is_(None))
    connection.execute(
        update(_DECISIONS)
        .where(*standing, _DECISIONS.c.mismatch.in_(select(_MISMATCHES.c.id).where(*bare)))
        .values(lapsed_at=now)
    )
    again = {"status": MismatchStatus.OPEN, "version": _MISMATCHES.c.version + 1, "since": now}
    connection.execute(update(_MISMATCHES).where(*bare, _MISMATCHES.c.status == MismatchStatus.APPLIED).values(again))
