"""Decisions of analysts, obeyed by the next run, and protections: accounts that nobody may write to."""

from __future__ import annotations

import contextlib
import datetime as dt  # noqa: TC003  # a public dataclass: its hints are looked up
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, delete, exists, func, insert, literal, or_, select, update

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import cells
from moodle_coupling.ledger.activity import note_with
from moodle_coupling.ledger.bulk import TEXT, Staged, staged
from moodle_coupling.ledger.cells import BigId, frame_of
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged, NotInLedger, NotItsAccount
from moodle_coupling.ledger.mismatches import IDENTITY, identity_columns
from moodle_coupling.ledger.models import DecisionRow, MismatchRow, ProtectionRow
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    import pandas as pd
    from sqlalchemy import Connection, Table

    from moodle_coupling.ledger.ledger import Ledger

_DECISIONS: Any = DecisionRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_BECOMES: Final = {
    DecisionKind.LATER: MismatchStatus.OPEN,
    DecisionKind.DO_NOT_TOUCH: MismatchStatus.APPLIED,  # at once: no run has anything to do for it
}
"""What status a decision gives its mismatch; the others wait for a run."""
_STANDS: Final = _DECISIONS.c.lapsed_at.is_(None)
_WAITS: Final = and_(_STANDS, _DECISIONS.c.applied_at.is_(None))
_HOLDS_OFF: Final = and_(_STANDS, _DECISIONS.c.kind == DecisionKind.DO_NOT_TOUCH)
_DECIDABLE: Final = or_(
    _MISMATCHES.c.status.in_([MismatchStatus.OPEN, MismatchStatus.DECIDED]),
    and_(
        _MISMATCHES.c.status == MismatchStatus.APPLIED,
        exists().where(_DECISIONS.c.mismatch == _MISMATCHES.c.id, _HOLDS_OFF).correlate(_MISMATCHES),
    ),
)
_TAKEN_BACK: Final = or_(_WAITS, _HOLDS_OFF)
"""Decisions that can be taken back, or replaced: no run has carried them out."""
_WITHDRAWABLE: Final = and_(
    _MISMATCHES.c.status.in_([MismatchStatus.OPEN, MismatchStatus.DECIDED, MismatchStatus.APPLIED]),
    exists().where(_DECISIONS.c.mismatch == _MISMATCHES.c.id, _TAKEN_BACK).correlate(_MISMATCHES),
)
_OVER: Final = frozenset({None, MismatchStatus.GONE, MismatchStatus.LAPSED})
_PROTECTIONS: Any = ProtectionRow.__table__
_TOLD = ("account_id", "by", "at", "note", "mismatch")


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as it stands in the ledger; ``account_id`` None where the mismatch leaves no choice.

    ``applied_at`` is when a run (``applied_run``) had carried it out; a decision not to touch holds at once, without a run.
    ``lapsed_at`` is when it ceased to count: another took its place, the facts changed, a protection was taken off, or
    ``withdrawn_by`` took it back.
    """

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
    account_print: str = ""
    withdrawn_by: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an analyst chooses, for one mismatch or for many. ``by`` is the name as Airflow knows it.

    ``account_print`` (matching.facts) goes with an account at which the mismatch does not point, and binds the decision to it.
    """

    kind: DecisionKind
    by: str
    note: str = ""
    account_id: int | None = None
    account_print: str = ""


@dataclass(frozen=True, slots=True)
class DecidedMany:
    """``decided``: ids of mismatches; ``refused``: why each other one was not."""

    decided: tuple[int, ...]
    refused: tuple[AlreadyDecided | MismatchChanged, ...]


def decide(ledger: Ledger, mismatch: int, version: int, choice: Choice) -> Decision:
    """Decide on a mismatch as it was in ``version``.

    Not to touch protects its accounts at once, or the one chosen; any later decision on it takes that off again. To
    change a decision, decide on the version it brought; what a run carried out is decided no more.
    Raises AlreadyDecided (says who and when) or MismatchChanged when it is in another version by now, NotInLedger when
    it is not there, NotItsAccount when it does not point at the account chosen; nothing is overwritten then.
    """
    with ledger.writing() as connection:
        if connection.execute(select(_MISMATCHES.c.id).where(_MISMATCHES.c.id == mismatch)).first() is None:
            raise NotInLedger(Sentence("ledger.no_mismatch", mismatch=mismatch))
        for refused in _decide(ledger, connection, {mismatch: version}, choice).refused:
            raise refused
        latest = select(_DECISIONS).where(_DECISIONS.c.mismatch == mismatch).order_by(_DECISIONS.c.id.desc()).limit(1)
        return _decision(connection.execute(latest).mappings().one())


def decide_many(ledger: Ledger, versions: Iterable[tuple[int, int]], choice: Choice) -> DecidedMany:
    """Decide the same on many mismatches, given as (id, version); those that changed meanwhile are left and named.

    Raises NotItsAccount, and then nothing is decided.
    """
    with ledger.writing() as connection:
        return _decide(ledger, connection, {int(mismatch): int(version) for mismatch, version in versions}, choice)


def withdraw(ledger: Ledger, versions: Iterable[tuple[int, int]], *, by: str) -> DecidedMany:
    """Take back what was decided on mismatches, given as (id, version); they are open again, and protections so made are off.

    Gives as ``decided`` those of which it was taken back. Refused is what changed meanwhile, and what a run carried out.
    """
    with ledger.writing() as connection, _staged(connection, dict(versions)) as stage:
        refused = _keep_as_seen(connection, stage, _WITHDRAWABLE, over=_OVER | {MismatchStatus.APPLIED})
        now = ledger.now(connection)
        chosen = _DECISIONS.c.mismatch.in_(select(stage.c.id))
        kinds = (
            select(_MISMATCHES.c.environment, _DECISIONS.c.kind, func.count(), func.min(_MISMATCHES.c.id))
            .join_from(_DECISIONS, _MISMATCHES, _DECISIONS.c.mismatch == _MISMATCHES.c.id)
            .where(chosen, _TAKEN_BACK)
            .group_by(_MISMATCHES.c.environment, _DECISIONS.c.kind)
        )
        for environment, kind, number, first in connection.execute(kinds).all():
            _note(connection, now, kind, number, first, by=by, environment=environment, action="take back")
        taken = {"lapsed_at": now, "withdrawn_by": cells.key_text(by)}
        connection.execute(update(_DECISIONS).where(chosen, _TAKEN_BACK).values(taken))
        take_back(connection, stage)
        _become(connection, stage, MismatchStatus.OPEN, now)
        return DecidedMany(_ids(connection, stage), refused)


def decisions_in_force(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give the decisions to obey: decision, mismatch, subject, person_id, idnumber, verdict, facts_digest, kind,
    account_id (Int64), note, by, at, account_print.

    Obey one only where the comparison finds the same facts again (decisions_on); otherwise record_mismatches lets it
    lapse. What is not to be touched is among the protections.
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
        _DECISIONS.c.account_print,
    )
    query = (
        select(*columns)
        .join_from(_DECISIONS, _MISMATCHES, _DECISIONS.c.mismatch == _MISMATCHES.c.id)
        .where(
            _MISMATCHES.c.environment == environment,
            _MISMATCHES.c.status == MismatchStatus.DECIDED,
            _WAITS,
        )
        .order_by(_DECISIONS.c.id)
    )
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), columns)


def decisions_on(ledger: Ledger, environment: str, found: pd.DataFrame) -> pd.DataFrame:
    """Give the decisions in force on what a comparison found: the same subject, verdict and facts.

    ``found`` is as record_mismatches takes it. Gives row (Int64, missing for an orphan), orphan (Int64 account id,
    missing for a person), decision (id), kind, account_id (Int64), by, at (UTC), note and account_print, in the order they were taken.
    """
    columns = identity_columns(found) | {
        "row": (BigId, cells.integers(found, "row")),
        "account_id": (BigId, cells.integers(found, "account_id")),
    }
    with ledger.reading() as connection, staged(connection, columns, key=IDENTITY) as stage:
        told = (
            stage.c.row,
            case((stage.c.row.is_(None), stage.c.account_id)).label("orphan"),
            _DECISIONS.c.id.label("decision"),
            *(_DECISIONS.c[name] for name in ("kind", "account_id", "by", "at", "note", "account_print")),
        )
        same = and_(
            _MISMATCHES.c.environment == environment,
            _MISMATCHES.c.status == MismatchStatus.DECIDED,
            *(_MISMATCHES.c[name] == stage.c[name] for name in IDENTITY),
        )
        query = (
            select(*told)
            .join_from(stage, _MISMATCHES, same)
            .join(_DECISIONS, and_(_DECISIONS.c.mismatch == _MISMATCHES.c.id, _WAITS))
            .order_by(_DECISIONS.c.id)
        )
        return frame_of(connection.execute(query).all(), told)


def mark_applied(ledger: Ledger, run: str, decisions: Collection[int]) -> int:
    """Note that a run carried these decisions (ids) out; gives how many mismatches became 'applied' by it.

    Only for what is done once and was done (link, re-key, create separate, suspend): ignore stays in force, and so does
    what failed. A decision that was changed or lapsed while the run was under way is noted as carried out too, as it
    was; its mismatch stays as it is.
    """
    with (
        ledger.writing() as connection,
        staged(connection, {"id": (BigId, sorted(set(decisions)))}, key=["id"]) as done,
    ):
        now = ledger.now(connection)
        mine = (_DECISIONS.c.id.in_(select(done.c.id)), _DECISIONS.c.applied_at.is_(None))
        live = select(_DECISIONS.c.mismatch).where(*mine, _STANDS)
        applied = {"status": MismatchStatus.APPLIED, "version": _MISMATCHES.c.version + 1, "since": now}
        changed = update(_MISMATCHES).where(_MISMATCHES.c.status == MismatchStatus.DECIDED, _MISMATCHES.c.id.in_(live))
        count = connection.execute(changed.values(applied)).rowcount
        connection.execute(update(_DECISIONS).where(*mine).values(applied_run=run, applied_at=now))
    return count


def lapse_choices(ledger: Ledger, decisions: Collection[int]) -> int:
    """Let decisions (ids) lapse whose chosen account is no longer what it was; their mismatches are open again. Gives how many."""
    if not decisions:
        return 0
    with (
        ledger.writing() as connection,
        staged(connection, {"id": (BigId, sorted(set(decisions)))}, key=["id"]) as stage,
    ):
        now = ledger.now(connection)
        mine = (_DECISIONS.c.id.in_(select(stage.c.id)), _WAITS)
        again = {"status": MismatchStatus.OPEN, "version": _MISMATCHES.c.version + 1, "since": now}
        reopened = update(_MISMATCHES).where(
            _MISMATCHES.c.status == MismatchStatus.DECIDED,
            _MISMATCHES.c.id.in_(select(_DECISIONS.c.mismatch).where(*mine)),
        )
        count = connection.execute(reopened.values(again)).rowcount
        connection.execute(update(_DECISIONS).where(*mine).values(lapsed_at=now))
    return count


def is_decidable(record: Mapping[str, Any]) -> bool:
    """Tell whether a (further) decision is taken on a mismatch, a row of a page: what a run carried out is decided no more."""
    held_off = record["kind"] == DecisionKind.DO_NOT_TOUCH and record["lapsed_at"] is None
    status = record["status"]
    return status in {MismatchStatus.OPEN, MismatchStatus.DECIDED} or (status == MismatchStatus.APPLIED and held_off)


def decision_history(ledger: Ledger, mismatch: int) -> list[Decision]:
    """Give every decision ever taken on a mismatch, oldest first."""
    query = select(_DECISIONS).where(_DECISIONS.c.mismatch == mismatch).order_by(_DECISIONS.c.id)
    with ledger.reading() as connection:
        return [_decision(row) for row in connection.execute(query).mappings()]


def _decide(ledger: Ledger, connection: Connection, versions: Mapping[int, int], choice: Choice) -> DecidedMany:
    with _staged(connection, versions) as stage:
        refused = _keep_as_seen(connection, stage, _DECIDABLE, over=_OVER)
        _check_account(connection, stage, choice)
        _write(connection, stage, choice, ledger.now(connection))
        return DecidedMany(_ids(connection, stage), refused)


@contextlib.contextmanager
def _staged(connection: Connection, versions: Mapping[int, int]) -> Iterator[Table]:
    """Bring ids and versions of mismatches into a temporary table, and lock those mismatches."""
    numbers = sorted(versions)
    columns = {"id": (BigId, numbers), "version": (BigId, [versions[number] for number in numbers])}
    with staged(connection, columns, key=["id"]) as stage:
        # In the order of their ids: two analysts with overlapping lists wait for each other, never in a circle.
        mine = select(_MISMATCHES.c.id).where(_MISMATCHES.c.id.in_(select(stage.c.id))).order_by(_MISMATCHES.c.id)
        connection.execute(mine.with_for_update()).all()
        yield stage


def _keep_as_seen(
    connection: Connection, stage: Table, possible: Any, *, over: Collection[str | None]
) -> tuple[AlreadyDecided | MismatchChanged, ...]:
    """Leave in ``stage`` what is in the version that was seen and ``possible``; gives why each other one is not."""
    same = (_MISMATCHES.c.id == stage.c.id, _MISMATCHES.c.version == stage.c.version)
    as_seen = exists().where(*same, possible).correlate(stage)
    refused = _refused(connection, stage, as_seen, over)
    connection.execute(delete(stage).where(~as_seen))
    return refused


def _ids(connection: Connection, stage: Table) -> tuple[int, ...]:
    return tuple(connection.execute(select(stage.c.id).order_by(stage.c.id)).scalars())


def _become(connection: Connection, stage: Table, status: MismatchStatus, now: dt.datetime) -> None:
    """Give mismatches a status, and their next version."""
    since = case((_MISMATCHES.c.status == status, _MISMATCHES.c.since), else_=literal(now, _DECISIONS.c.at.type))
    new = {"status": status, "version": _MISMATCHES.c.version + 1, "since": since}
    connection.execute(update(_MISMATCHES).where(_MISMATCHES.c.id.in_(select(stage.c.id))).values(new))


def _write(connection: Connection, stage: Table, choice: Choice, now: dt.datetime) -> None:
    chosen = _MISMATCHES.c.id.in_(select(stage.c.id))
    status = _BECOMES.get(choice.kind, MismatchStatus.DECIDED)
    _become(connection, stage, status, now)
    # The former decision, if this one replaces it, is no longer to be obeyed; it stays on record.
    former = (_DECISIONS.c.mismatch.in_(select(stage.c.id)), _TAKEN_BACK)
    connection.execute(update(_DECISIONS).where(*former).values(lapsed_at=now))
    take_back(connection, stage)
    at = literal(now, _DECISIONS.c.at.type)
    values = {
        "mismatch": _MISMATCHES.c.id,
        "kind": literal(choice.kind.value),
        "account_id": literal(choice.account_id, BigId),
        "account_print": literal(choice.account_print),
        "note": literal(cells.clean(choice.note)),
        "by": literal(cells.key_text(choice.by)),
        "at": at,
        "facts_digest": _MISMATCHES.c.facts_digest,
        "applied_run": literal(""),
        "applied_at": at if status is MismatchStatus.APPLIED else literal(None, _DECISIONS.c.at.type),
    }
    source = select(*values.values()).where(chosen).order_by(_MISMATCHES.c.id)
    connection.execute(insert(_DECISIONS).from_select(list(values), source))
    if choice.kind is DecisionKind.DO_NOT_TOUCH:
        protect_by_decision(connection, stage, choice, now)
    here = select(_MISMATCHES.c.environment, func.count(), func.min(_MISMATCHES.c.id)).where(chosen)
    for environment, number, first in connection.execute(here.group_by(_MISMATCHES.c.environment)).all():
        _note(connection, now, choice.kind, number, first, by=choice.by, environment=environment, action="decide")


def _note(connection: Connection, now: dt.datetime, kind: str, number: int, first: int, **keys: str) -> None:
    """Note in an environment's activity what was done to decisions of a kind: one line however many there were."""
    subject, detail = (f"mismatch {first}", kind) if number == 1 else ("", f"{kind}: {number} mismatches")
    note_with(connection, now, detail=detail, subject=subject, **keys)


def _check_account(connection: Connection, stage: Table, choice: Choice) -> None:
    if choice.account_id is None or choice.account_print:
        return
    for mismatch, (_environment, accounts) in accounts_of(connection, stage).items():
        if choice.account_id not in accounts:
            raise NotItsAccount(mismatch, accounts, choice.account_id)


def _refused(
    connection: Connection, stage: Table, as_seen: Any, over: Collection[str | None]
) -> tuple[AlreadyDecided | MismatchChanged, ...]:
    """Say of each mismatch that is not as it was seen why not: another's decision stands, or it changed by itself."""
    latest = (
        select(func.max(_DECISIONS.c.id))
        .where(_DECISIONS.c.mismatch == stage.c.id, _STANDS)
        .correlate(stage)
        .scalar_subquery()
    )
    query = (
        select(stage.c.id, _MISMATCHES.c.status, _DECISIONS.c.by, _DECISIONS.c.at, _DECISIONS.c.kind)
        .outerjoin_from(stage, _MISMATCHES, _MISMATCHES.c.id == stage.c.id)
        .outerjoin(_DECISIONS, _DECISIONS.c.id == latest)
        .where(~as_seen)
        .order_by(stage.c.id)
    )
    return tuple(
        MismatchChanged(mismatch, status=status or MismatchStatus.GONE)
        if status in over or by is None
        else AlreadyDecided(mismatch, by=by, at=at, kind=kind)
        for mismatch, status, by, at, kind in connection.execute(query)
    )


def _decision(row: Any) -> Decision:
    return Decision(**{**row, "kind": DecisionKind(row["kind"])})


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
