"""Decisions: taken by an analyst on one version of a mismatch, obeyed by the next run."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # a public dataclass: its hints are looked up
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged, NotInLedger
from moodle_coupling.ledger.models import DecisionRow, MismatchRow
from moodle_coupling.ledger.result_frames import frame_of
from moodle_coupling.ledger.words import DecisionKind, MismatchStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd
    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

_DECISIONS: Any = DecisionRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_DECIDABLE = (MismatchStatus.OPEN, MismatchStatus.DECIDED)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as it stands in the ledger; ``account_id`` None where the mismatch leaves no choice."""

    id: int
    mismatch: int
    kind: DecisionKind
    account_id: int | None
    note: str
    by: str
    at: dt.datetime
    facts_digest: str
    applied_run: str
    applied_at: dt.datetime | None
    lapsed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What an analyst chooses, for one mismatch or for many. ``by`` is the name as Airflow knows it."""

    kind: DecisionKind
    by: str
    note: str = ""
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class DecidedMany:
    """``decided``: ids of mismatches; ``refused``: why each other one was not."""

    decided: tuple[int, ...]
    refused: tuple[AlreadyDecided | MismatchChanged, ...]


def decide(ledger: Ledger, mismatch: int, version: int, choice: Choice) -> Decision:
    """Decide on a mismatch as it was in ``version``.

    Raises AlreadyDecided (says who and when) or MismatchChanged when it is in another version by now, and NotInLedger
    when it is not there; nothing is overwritten then. To change a decision, decide on the version it brought.
    """
    with ledger.writing() as connection:
        return _decide(ledger, connection, mismatch, version, choice)


def decide_many(ledger: Ledger, versions: Iterable[tuple[int, int]], choice: Choice) -> DecidedMany:
    """Decide the same on many mismatches, given as (id, version); those that changed meanwhile are left and named."""
    decided: list[int] = []
    refused: list[AlreadyDecided | MismatchChanged] = []
    with ledger.writing() as connection:
        # In the order of their ids: two analysts with overlapping lists wait for each other, never in a circle.
        for mismatch, version in sorted(versions):
            try:
                _decide(ledger, connection, mismatch, version, choice)
                decided.append(mismatch)
            except (AlreadyDecided, MismatchChanged) as error:
                refused.append(error)
    return DecidedMany(tuple(decided), tuple(refused))


def decisions_in_force(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give the decisions to obey: decision, mismatch, subject, person_id, idnumber, verdict, facts_digest, kind,
    account_id (Int64), note, by, at.

    Obey one only where the comparison finds the same facts_digest again; otherwise record_mismatches lets it lapse.
    """  # noqa: D205
    columns = (
        _DECISIONS.c.id.label("decision"),
        _DECISIONS.c.mismatch,
        _MISMATCHES.c.subject,
        _MISMATCHES.c.person_id,
        _MISMATCHES.c.idnumber,
        _MISMATCHES.c.verdict,
        _DECISIONS.c.facts_digest,
        _DECISIONS.c.kind,
        _DECISIONS.c.account_id,
        _DECISIONS.c.note,
        _DECISIONS.c.by,
        _DECISIONS.c.at,
    )
    query = (
        select(*columns)
        .join_from(_DECISIONS, _MISMATCHES, _DECISIONS.c.mismatch == _MISMATCHES.c.id)
        .where(
            _MISMATCHES.c.environment == environment,
            _MISMATCHES.c.status == MismatchStatus.DECIDED,
            _DECISIONS.c.lapsed_at.is_(None),
            _DECISIONS.c.applied_run == "",
        )
        .order_by(_DECISIONS.c.id)
    )
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), columns)


def mark_applied(ledger: Ledger, run: str, decisions: Collection[int]) -> int:
    """Note that a run carried these decisions (ids) out; gives how many were still in force.

    Only for what is done once (link, re-key, create separate, suspend); ignore and do not touch stay in force.
    """
    with ledger.writing() as connection:
        applied = 0
        now = ledger.now(connection)
        for decision in sorted(decisions):
            live = (_DECISIONS.c.id == decision, _DECISIONS.c.lapsed_at.is_(None), _DECISIONS.c.applied_run == "")
            done = update(_DECISIONS).where(*live).values(applied_run=run, applied_at=now)
            mismatch = connection.execute(done.returning(_DECISIONS.c.mismatch)).scalar_one_or_none()
            if mismatch is None:
                continue
            applied += 1
            connection.execute(
                update(_MISMATCHES)
                .where(_MISMATCHES.c.id == mismatch)
                .values(status=MismatchStatus.APPLIED, version=_MISMATCHES.c.version + 1)
            )
    return applied


def decision_history(ledger: Ledger, mismatch: int) -> list[Decision]:
    """Give every decision ever taken on a mismatch, oldest first."""
    query = select(_DECISIONS).where(_DECISIONS.c.mismatch == mismatch).order_by(_DECISIONS.c.id)
    with ledger.reading() as connection:
        return [_decision(row) for row in connection.execute(query).mappings()]


def _decide(ledger: Ledger, connection: Connection, mismatch: int, version: int, choice: Choice) -> Decision:
    later = choice.kind is DecisionKind.LATER
    status = MismatchStatus.OPEN if later else MismatchStatus.DECIDED
    taken = (
        update(_MISMATCHES)
        .where(_MISMATCHES.c.id == mismatch, _MISMATCHES.c.version == version, _MISMATCHES.c.status.in_(_DECIDABLE))
        .values(status=status, version=version + 1)
        .returning(_MISMATCHES.c.facts_digest)
    )
    digest = connection.execute(taken).scalar_one_or_none()
    if digest is None:
        raise _refusal(connection, mismatch)
    now = ledger.now(connection)
    # The former decision, if this one replaces it, is no longer to be obeyed; it stays on record.
    connection.execute(
        update(_DECISIONS)
        .where(_DECISIONS.c.mismatch == mismatch, _DECISIONS.c.lapsed_at.is_(None), _DECISIONS.c.applied_run == "")
        .values(lapsed_at=now)
    )
    values = {
        "mismatch": mismatch,
        "kind": choice.kind,
        "account_id": choice.account_id,
        "note": cells.clean(choice.note),
        "by": cells.key_text(choice.by),
        "at": now,
        "facts_digest": digest,
        "applied_run": "",
    }
    row = connection.execute(insert(_DECISIONS).values(values).returning(_DECISIONS)).mappings().one()
    return _decision(row)


def _refusal(connection: Connection, mismatch: int) -> AlreadyDecided | MismatchChanged | NotInLedger:
    status = connection.execute(select(_MISMATCHES.c.status).where(_MISMATCHES.c.id == mismatch)).scalar_one_or_none()
    if status is None:
        return NotInLedger(f"There is no mismatch {mismatch}. It may have been purged; reload the page.")
    latest = (
        select(_DECISIONS.c.by, _DECISIONS.c.at, _DECISIONS.c.kind)
        .where(_DECISIONS.c.mismatch == mismatch)
        .order_by(_DECISIONS.c.id.desc())
        .limit(1)
    )
    row = connection.execute(latest).one_or_none()
    if row is None or status not in {*_DECIDABLE, MismatchStatus.APPLIED}:
        return MismatchChanged(mismatch, status=status)
    return AlreadyDecided(mismatch, by=row[0], at=row[1], kind=row[2])


def _decision(row: Any) -> Decision:
    return Decision(**{**row, "kind": DecisionKind(row["kind"])})
