"""Access to cohorts and courses in the ledger: what was given, and what became of each row of a plan."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, and_, case, delete, exists, func, literal, or_, select

from moodle_coupling.contract.access import ACCESS_GIVES, AccessAction, TargetKind
from moodle_coupling.contract.frames import ACCESS_GIVEN
from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, Staged, insert_into, staged
from moodle_coupling.ledger.cells import BigId, UtcTime, frame_of
from moodle_coupling.ledger.intentions import settle_intentions
from moodle_coupling.ledger.models import AccessOutcomeRow, AccessRow, RunRow
from moodle_coupling.ledger.outcomes import refused_lately
from moodle_coupling.ledger.page_queries import Page, matching
from moodle_coupling.ledger.runs import locked
from moodle_coupling.ledger.words import FINAL

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    import pandas as pd
    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

_ACCESS: Any = AccessRow.__table__
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
