"""Cohorts and courses that Moodle has under another name: what was asked of them, and what somebody decided."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, exists, func, literal, or_, select, update

from moodle_coupling.access.questions import Answer, Question, Target, by_number, mismatches, subject
from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.bulk import staged
from moodle_coupling.ledger.mismatches import IDENTITY, OF_TARGET, identity_columns
from moodle_coupling.ledger.models import AccessRow, DecisionRow, MismatchRow
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from moodle_coupling.ledger.ledger import Ledger

_ACCESS: Any = AccessRow.__table__
_DECISIONS: Any = DecisionRow.__table__
_MISMATCHES: Any = MismatchRow.__table__


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a target that Moodle does not have by its name.

    ``mismatch``: in which it is asked or decided; None while it is not. ``is_asked``: somebody must decide. ``number``: what it stands for by a decision in force, with the
    ``values`` it had then and ``by`` whom; None where it stands for nothing. ``stood``: the same, also where the facts changed since.
    """

    mismatch: int | None = None
    number: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""
    stood: int | None = None
    is_asked: bool = False


def known_targets(ledger: Ledger, environment: str) -> dict[Target, Known]:
    """Give the targets of an environment that were ever asked about, as they are named."""
    decided = and_(_DECISIONS.c.mismatch == _MISMATCHES.c.id, _DECISIONS.c.kind != DecisionKind.LATER)
    columns = [_MISMATCHES.c[name] for name in ("id", "status", "facts")]
    columns += [_DECISIONS.c[name] for name in ("kind", "account_id", "by", "lapsed_at", "withdrawn_by")]
    query = select(*columns).outerjoin_from(_MISMATCHES, _DECISIONS, decided)
    query = query.where(_MISMATCHES.c.environment == environment, OF_TARGET)
    found: dict[Target, Known] = {}
    with ledger.reading() as connection:
        for row in connection.execute(query.order_by(_DECISIONS.c.id.nulls_first(), _MISMATCHES.c.id)):
            facts = MismatchFacts.read(row.facts)
            target = str(facts.target.get("kind", "")), str(facts.target.get("name", ""))
            found[target] = _with(found.get(target, Known()), row, facts)
    return found


def _with(known: Known, row: Any, facts: MismatchFacts) -> Known:
    """Add what one mismatch, with one decision on it or none, tells of its target."""
    if row.status in {MismatchStatus.OPEN, MismatchStatus.DECIDED}:
        known = replace(known, mismatch=row.id, is_asked=row.status == MismatchStatus.OPEN)
    if row.kind is None:
        return known
    stands_for = row.kind == DecisionKind.STANDS_FOR and not row.withdrawn_by
    known = replace(known, stood=row.account_id if stands_for else None)
    if not stands_for or row.lapsed_at is not None:
        return known
    return replace(known, number=row.account_id, by=row.by, values=facts.accounts.get(str(row.account_id)) or {})


def answers(ledger: Ledger, environment: str, questions: Sequence[Question]) -> dict[Target, Answer]:
    """Give what somebody decided on exactly these questions: the same names with the same facts.

    One that is put off, or new, is asked; one that says 'none of these' is not, nor one of which 'it is this one' was taken back.
    """
    found = {question.target: Answer() for question in questions}
    latest = select(func.max(_DECISIONS.c.id)).where(
        _DECISIONS.c.mismatch == _MISMATCHES.c.id, _DECISIONS.c.kind != DecisionKind.LATER
    )
    names = {subject(question.target): question.target for question in questions}
    with (
        ledger.reading() as connection,
        staged(connection, identity_columns(mismatches(questions, {})), key=IDENTITY) as stage,
    ):
        same = and_(
            _MISMATCHES.c.environment == environment, *(_MISMATCHES.c[name] == stage.c[name] for name in IDENTITY)
        )
        decision = _DECISIONS.c.id == latest.correlate(_MISMATCHES).scalar_subquery()
        columns = [_DECISIONS.c[name] for name in ("kind", "account_id", "lapsed_at", "withdrawn_by")]
        query = select(stage.c.subject, *columns).join_from(stage, _MISMATCHES, same).join(_DECISIONS, decision)
        for name, kind, number, lapsed, withdrawn_by in connection.execute(query):
            stands_for = kind == DecisionKind.STANDS_FOR
            if lapsed is None:
                found[names[name]] = Answer(number if stands_for else None, asked=False)
            elif withdrawn_by and stands_for:
                found[names[name]] = Answer(asked=False)
    return found


def keep_as(ledger: Ledger, environment: str, kept: Iterable[tuple[str, int, str]]) -> None:
    """Keep what was given in cohorts and courses, each by (kind, number, name), under that name; nothing is lost or doubled by it."""
    with ledger.writing() as connection:
        for kind, number, name in kept:
            of_it = (_ACCESS.c.environment == environment, _ACCESS.c.kind == kind, _ACCESS.c.target_id == number)
            other = _ACCESS.alias("other")
            beside = (
                other.c.environment == environment,
                other.c.kind == kind,
                other.c.target_id == number,
                other.c.account_id == _ACCESS.c.account_id,
                other.c.target != _ACCESS.c.target,
            )
            # Of several rows of somebody that stays which is ours, and else the one of the name.
            rank = case((_ACCESS.c.ours, 2), else_=0) + case((_ACCESS.c.target == name, 1), else_=0)
            theirs = case((other.c.ours, 2), else_=0) + case((other.c.target == name, 1), else_=0)
            first = or_(theirs > rank, and_(theirs == rank, other.c.target < _ACCESS.c.target))
            connection.execute(delete(_ACCESS).where(*of_it, exists(select(literal(1)).where(*beside, first))))
            taken = (
                other.c.environment == environment,
                other.c.kind == kind,
                other.c.target == name,
                other.c.account_id == _ACCESS.c.account_id,
            )
            free = ~exists(select(literal(1)).where(*taken))
            connection.execute(update(_ACCESS).where(*of_it, _ACCESS.c.target != name, free).values(target=name))


def name_kept(number: int, kind: str, given: Iterable[tuple[str, str, int]]) -> str:
    """Give the name under which a cohort or course is kept by what was given there: (kind, name, number); else by its number."""
    return next((name for some, name, other in given if (some, other) == (kind, number)), by_number(number))
