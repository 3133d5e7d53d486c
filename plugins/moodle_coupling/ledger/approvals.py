"""Approvals: a plan that tripped a safeguard waits for a yes, which holds for exactly that plan of that run."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # a public dataclass: its hints are looked up
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.errors import LedgerConflict, NotInLedger
from moodle_coupling.ledger.models import ApprovalRow, RunRow
from moodle_coupling.ledger.runs import locked
from moodle_coupling.ledger.words import ApprovalAnswer
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import RowMapping

    from moodle_coupling.ledger.ledger import Ledger

_APPROVALS: Any = ApprovalRow.__table__
_RUNS: Any = RunRow.__table__


@dataclass(frozen=True, slots=True)
class Approval:
    """One question and, once given, its answer; ``decision`` None and ``at`` None while it is open."""

    id: int
    run: str
    plan_digest: str
    reasons: tuple[str, ...]
    asked_at: dt.datetime
    decision: ApprovalAnswer | None
    decided_by: str
    at: dt.datetime | None


def ask(ledger: Ledger, run: str, plan_digest: str, reasons: Sequence[str]) -> Approval:
    """Ask whether a plan may be loaded; gives the question, or the answer that somebody gave already: yes or no, it stands.

    A question that lapsed, because nobody answered in time, is put anew, as another one. Raises NotInLedger.
    """
    with ledger.writing() as connection:
        locked(connection, run)
        row = connection.execute(_latest(run, plan_digest)).mappings().one_or_none()
        if row is None or row["decision"] == ApprovalAnswer.LAPSED:
            values = {
                "run": run,
                "plan_digest": plan_digest,
                "reasons": json.dumps([cells.clean(reason) for reason in reasons], ensure_ascii=False),
                "asked_at": ledger.now(connection),
                "decision": "",
                "decided_by": "",
            }
            row = connection.execute(insert(_APPROVALS).values(values).returning(_APPROVALS)).mappings().one()
        return _approval(row)


def answer(ledger: Ledger, approval: int, decision: ApprovalAnswer, *, by: str) -> Approval:
    """Answer a question by its id. The same answer again changes nothing.

    Raises NotInLedger, and LedgerConflict when it was answered otherwise before.
    """
    mine = _APPROVALS.c.id == approval
    with ledger.writing() as connection:
        given = {"decision": decision, "decided_by": cells.key_text(by), "at": ledger.now(connection)}
        statement = update(_APPROVALS).where(mine, _APPROVALS.c.decision == "").values(given).returning(_APPROVALS)
        row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            row = connection.execute(select(_APPROVALS).where(mine)).mappings().one_or_none()
        if row is None:
            raise NotInLedger(Sentence("ledger.no_question", approval=approval))
        if row["decision"] != decision:
            at = f"{row['at']:%Y-%m-%d %H:%M:%S}"
            raise LedgerConflict(Sentence("ledger.answered", decision=row["decision"], by=row["decided_by"], at=at))
        return _approval(row)


def asked_about(ledger: Ledger, run: str, plan_digest: str) -> Approval | None:
    """Give the latest question about exactly this plan of this run, with its answer; None when it was never asked."""
    with ledger.reading() as connection:
        row = connection.execute(_latest(run, plan_digest)).mappings().one_or_none()
    return None if row is None else _approval(row)


def is_approved(ledger: Ledger, run: str, plan_digest: str) -> bool:
    """Tell whether exactly this plan of this run was approved, and that is the latest word on it."""
    found = asked_about(ledger, run, plan_digest)
    return found is not None and found.decision is ApprovalAnswer.APPROVED


def waiting(ledger: Ledger, environment: str = "") -> list[Approval]:
    """Give the questions that nobody has answered, oldest first; of one environment, or of all ('')."""
    query = select(_APPROVALS).where(_APPROVALS.c.decision == "").order_by(_APPROVALS.c.id)
    if environment:
        query = query.where(_APPROVALS.c.run.in_(select(_RUNS.c.id).where(_RUNS.c.environment == environment)))
    with ledger.reading() as connection:
        return [_approval(row) for row in connection.execute(query).mappings()]


def _latest(run: str, plan_digest: str) -> Any:
    return (
        select(_APPROVALS)
        .where(_APPROVALS.c.run == run, _APPROVALS.c.plan_digest == plan_digest)
        .order_by(_APPROVALS.c.id.desc())
        .limit(1)
    )


def _approval(row: RowMapping) -> Approval:
    return Approval(
        **{
            **row,
            "reasons": tuple(json.loads(row["reasons"])),
            "decision": ApprovalAnswer(row["decision"]) if row["decision"] else None,
        }
    )
