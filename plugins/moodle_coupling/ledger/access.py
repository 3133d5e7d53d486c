"""Access to cohorts and courses in the ledger: what was given, and what became of each row of a plan."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, and_, case, delete, exists, func, literal, or_, select, update

from moodle_coupling.access.questions import Answer, Question, Target, by_number, mismatches, subject
from moodle_coupling.contract.columns import ACCESS_GIVES, AccessAction, TargetKind
from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.frames import ACCESS_GIVEN
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, Staged, insert_into, staged
from moodle_coupling.ledger.cells import BigId, UtcTime, frame_of
from moodle_coupling.ledger.intentions import settle_intentions
from moodle_coupling.ledger.mismatches import IDENTITY, OF_TARGET, identity_columns
from moodle_coupling.ledger.models import AccessOutcomeRow, AccessRow, DecisionRow, MismatchRow, RunRow
from moodle_coupling.ledger.outcomes import refused_lately
from moodle_coupling.ledger.page_queries import Page, matching
from moodle_coupling.ledger.runs import locked
from moodle_coupling.ledger.words import FINAL, MismatchStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pandas as pd
    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger


# ---- Cohorts and courses that Moodle has under another name: what was asked of them, and what somebody decided ----

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


_OUTCOMES: Any = AccessOutcomeRow.__table__
_RUNS: Any = RunRow.__table__
_KEY: Final = ("account_id", "kind", "target")
_SHOWN: Final = tuple(column for column in _OUTCOMES.columns if column.name not in ("environment", "id", "plan"))


def access_digest(plan: pd.DataFrame) -> str:
    """Name a plan of access (ACCESS_PLAN) by all that it would write, to whom and where; '' for one without rows."""
    text = plan.drop(columns=["person_id", "extern_id", "value"]).to_csv(index=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def intention_key(plan: str, position: int) -> str:
    """Give the key of a row of a plan of access among a run's intentions: by the plan's digest, and its place there."""
    return f"access {plan[:16]} {position}"


def given_access(ledger: Ledger, environment: str) -> pd.DataFrame:
    """Give what was given in an environment, and what was found there when it was due (ACCESS_GIVEN)."""
    columns = [_ACCESS.c[name] for name in ACCESS_GIVEN.names]
    query = select(*columns).where(_ACCESS.c.environment == environment).order_by(*(_ACCESS.c[name] for name in _KEY))
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), columns).astype(ACCESS_GIVEN.dtypes)


def ever_gave(ledger: Ledger, environment: str) -> bool:
    """Tell whether access was ever given in an environment."""
    ours = select(_ACCESS.c.account_id).where(_ACCESS.c.environment == environment, _ACCESS.c.ours)
    done = select(_OUTCOMES.c.id).where(_OUTCOMES.c.environment == environment, _OUTCOMES.c.status == "done")
    with ledger.reading() as connection:
        return any(connection.execute(query.limit(1)).first() is not None for query in (ours, done))


def settle_access(ledger: Ledger, run: str, plan: str, outcomes: pd.DataFrame) -> None:
    """Write outcomes (ACCESS_OUTCOMES) of the plan of that digest and, in the same transaction, what was given and taken back by them.

    A row with a final outcome keeps it, whatever comes after; one that failed or is unknown is followed by the later try. Told
    twice, nothing doubles. Raises NotInLedger, and ValueError when a row is there twice.
    """
    with ledger.writing() as connection:
        row = locked(connection, run)
        number, now = int(row["plan_no"]), ledger.now(connection)
        columns = _columns(outcomes, now)
        cells.refuse_doubles(columns["position"][1], "rows of outcomes")
        with staged(connection, columns, key=["position"]) as stage:
            known = exists().where(
                _OUTCOMES.c.run == run,
                _OUTCOMES.c.plan == plan,
                _OUTCOMES.c.position == stage.c.position,
                _OUTCOMES.c.status.in_(FINAL),
            )
            connection.execute(delete(stage).where(known))
            _write(connection, row, plan, stage)
            _remember(connection, row, stage, now)
        keys = {
            "key": (
                TEXT,
                [
                    intention_key(plan, position)
                    for position in cells.integers(outcomes, "position")
                    if position is not None
                ],
            )
        }
        with staged(connection, keys, key=["key"]) as stage:
            settle_intentions(connection, run, number, stage, now)


def _columns(frame: pd.DataFrame, now: Any) -> dict[str, Staged]:
    columns: dict[str, Staged] = {
        name: (BigId, cells.integers(frame, name))
        for name in ("position", "account_id", "target_id", "timestart", "timeend")
    }
    columns |= {
        name: (TEXT, cells.keys(frame, name))
        for name in ("person_id", "extern_id", "idnumber", "kind", "target", "role", "action", "status", "code")
    }
    columns["message"] = (TEXT, cells.texts(frame, "message"))
    columns["suspended"] = (Boolean(), cells.booleans(frame, "suspended"))
    columns["at"] = (UtcTime(), cells.moments(frame, "at", default=now))
    return columns


_TOLD: Final = tuple(
    column.name for column in _OUTCOMES.columns if column.name not in ("id", "run", "plan", "environment")
)


def _write(connection: Connection, run: Any, plan: str, stage: Any) -> None:
    fixed = {"run": run["id"], "plan": plan, "environment": run["environment"]}
    source = select(*(literal(value) for value in fixed.values()), *(stage.c[name] for name in _TOLD)).where(
        literal(value=True)  # WHERE: SQLite's grammar needs it
    )
    added = insert_into(connection, _OUTCOMES).from_select([*fixed, *_TOLD], source)
    changes = {name: added.excluded[name] for name in _TOLD if name != "position"}
    connection.execute(added.on_conflict_do_update(index_elements=["run", "plan", "position"], set_=changes))


def _remember(connection: Connection, run: Any, stage: Any, now: Any) -> None:
    """Note what was given by these outcomes, and forget what was taken back."""
    gives = [action.value for action in ACCESS_GIVES]
    # What was sent and of which nobody knows counts as given: nobody had it before, and only what we gave may be taken back.
    lost = and_(stage.c.status == "unknown", stage.c.action == AccessAction.GIVE.value)
    sent = or_(and_(stage.c.status == "done", stage.c.action.in_(gives)), lost)
    given = and_(sent, stage.c.account_id.is_not(None))
    copied = (
        "account_id",
        "kind",
        "target",
        "target_id",
        "idnumber",
        "person_id",
        "role",
        "timestart",
        "timeend",
        "suspended",
    )
    moment = literal(now, _ACCESS.c.given_at.type)
    source = select(
        literal(run["environment"]),
        *(stage.c[name] for name in copied),
        literal(value=True),
        literal(run["id"]),
        moment,
        moment,
    ).where(given, stage.c.target_id.is_not(None))
    names = ["environment", *copied, "ours", "run", "given_at", "changed_at"]
    added = insert_into(connection, _ACCESS).from_select(names, source)
    new = added.excluded
    changes = {name: new[name] for name in names if name not in ("environment", *_KEY, "given_at")}
    changes["given_at"] = case((_ACCESS.c.ours, _ACCESS.c.given_at), else_=new.given_at)
    connection.execute(added.on_conflict_do_update(index_elements=["environment", *_KEY], set_=changes))
    back = and_(stage.c.status == "done", stage.c.action == AccessAction.TAKE_BACK.value)
    same = [stage.c[name] == _ACCESS.c[name] for name in _KEY]
    connection.execute(delete(_ACCESS).where(_ACCESS.c.environment == run["environment"], exists().where(back, *same)))


def note_found(ledger: Ledger, environment: str, run: str, found: pd.DataFrame, gone: pd.DataFrame) -> None:
    """Note whose access was there without us (rows of ACCESS_PLAN), and forget that of ``gone`` (account_id, kind, target).

    What we gave stays ours; in a cohort only the window by which it is given is noted anew. Told again nothing changes.
    """
    copied = ("account_id", "target_id", "timestart", "timeend")
    columns: dict[str, Staged] = {name: (BigId, cells.integers(found, name)) for name in copied}
    columns |= {name: (TEXT, cells.keys(found, name)) for name in ("kind", "target", "idnumber", "person_id", "role")}
    columns["suspended"] = (Boolean(), cells.booleans(found, "suspended"))
    leaving: dict[str, Staged] = {"account_id": (BigId, cells.integers(gone, "account_id"))}
    leaving |= {name: (TEXT, cells.keys(gone, name)) for name in ("kind", "target")}
    here = _ACCESS.c.environment == environment
    with ledger.writing() as connection:
        now = literal(ledger.now(connection), _ACCESS.c.given_at.type)
        with staged(connection, leaving, key=list(_KEY)) as stage:
            same = [stage.c[name] == _ACCESS.c[name] for name in _KEY]
            connection.execute(delete(_ACCESS).where(here, exists().where(*same)))
        with staged(connection, columns, key=list(_KEY)) as stage:
            names = [column.name for column in stage.columns]
            fixed: list[Any] = [literal(environment), literal(value=False), literal(run), now, now]
            source = select(*fixed, *(stage.c[name] for name in names)).where(
                literal(value=True)
            )  # WHERE: SQLite's grammar needs it
            added = insert_into(connection, _ACCESS).from_select(
                ["environment", "ours", "run", "given_at", "changed_at", *names], source
            )
            new = added.excluded
            # A cohort keeps no window: what is said of it now is all there is to it.
            kept = and_(_ACCESS.c.ours, _ACCESS.c.kind != TargetKind.COHORT.value)
            changes = {name: case((kept, _ACCESS.c[name]), else_=new[name]) for name in names if name not in _KEY}
            connection.execute(added.on_conflict_do_update(index_elements=["environment", *_KEY], set_=changes))


def access_outcomes(ledger: Ledger, run: str, plan: str = "", *, statuses: Collection[str] = ()) -> pd.DataFrame:
    """Give what became of the rows of a run's plan of access, of the latest one when no digest is given, in the plan's order."""
    query = select(*_SHOWN).where(*_of_plan(run, plan))
    if statuses:
        query = query.where(_OUTCOMES.c.status.in_(list(statuses)))
    with ledger.reading() as connection:
        return frame_of(connection.execute(query.order_by(_OUTCOMES.c.position)).all(), _SHOWN)


REFUSED_KEY: Final = ("account_id", "kind", "target", "action")


def refused_access(ledger: Ledger, run: str, environment: str, *, within: dt.timedelta) -> frozenset[tuple[Any, ...]]:
    """Give what (REFUSED_KEY) Moodle refused in other runs of the time before now."""
    return refused_lately(ledger, _OUTCOMES, REFUSED_KEY, run, environment, within=within)


def _of_plan(run: str, plan: str = "") -> tuple[Any, Any]:
    latest = select(_OUTCOMES.c.plan).where(_OUTCOMES.c.run == run).order_by(_OUTCOMES.c.id.desc()).limit(1)
    return _OUTCOMES.c.run == run, _OUTCOMES.c.plan == (plan or latest.scalar_subquery())


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Which outcomes are meant; '' means all. ``text`` is an id, or how one begins, or an account's number."""

    status: str = ""
    action: str = ""
    kind: str = ""
    target: str = ""
    code: str = ""
    text: str = ""


def access_page(
    ledger: Ledger, run: str, chosen: AccessFilter, *, descending: bool = False, offset: int = 0, limit: int = 50
) -> Page:
    """Give some of the outcomes of a run's latest plan of access, in the plan's order, and how many there are in all."""
    said = {name: getattr(chosen, name) for name in ("status", "action", "kind", "target", "code")}
    wanted = [_OUTCOMES.c[name] == value for name, value in said.items() if value]
    wanted += [*_of_plan(run), *matching(_OUTCOMES, chosen.text, by_name=False)]
    order = _OUTCOMES.c.position.desc() if descending else _OUTCOMES.c.position
    query = select(*_SHOWN, _OUTCOMES.c.environment).where(*wanted).order_by(order).offset(offset).limit(limit)
    with ledger.reading() as connection:
        total = connection.execute(select(func.count()).select_from(_OUTCOMES).where(*wanted)).scalar_one()
        rows = connection.execute(query).all()
    return Page(frame_of(rows, (*_SHOWN, _OUTCOMES.c.environment)), total)


def access_table(ledger: Ledger, run: str) -> pd.DataFrame:
    """Count the outcomes of a run's latest plan of access by kind, target, action, status and code; number (Int64)."""
    groups = [_OUTCOMES.c[name] for name in ("kind", "target", "action", "status", "code")]
    number = func.count().label("number")
    query = select(*groups, number).where(*_of_plan(run)).group_by(*groups).order_by(*groups)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), (*groups, number))
