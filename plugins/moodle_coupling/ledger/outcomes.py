"""Outcomes: settling what was sent, telling what happened, and the list of one run to look through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, exists, func, insert, literal, or_, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, UTC_TIME, Staged, chosen_keys, staged
from moodle_coupling.ledger.cells import BigId, frame_of
from moodle_coupling.ledger.intentions import settle_intentions
from moodle_coupling.ledger.models import OutcomeRow, RunRow
from moodle_coupling.ledger.page_queries import Page, add_names, in_order, matching, sort_key
from moodle_coupling.ledger.runs import locked
from moodle_coupling.ledger.words import FINAL

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence

    import pandas as pd
    from sqlalchemy import Delete, Insert, Table, Update

    from moodle_coupling.ledger.ledger import Ledger

_OUTCOMES: Any = OutcomeRow.__table__
_RUNS: Any = RunRow.__table__
HIDDEN: Final = frozenset({"email_key", "name_key"})
SHOWN: Final = tuple(column for column in _OUTCOMES.columns if column.name not in HIDDEN)
_GROUPS: Final = tuple(_OUTCOMES.c[name] for name in ("verdict", "action", "status", "code"))
SORTS: Final = {column.name: column for column in SHOWN} | {
    "name": _OUTCOMES.c.name_key,
    "email": _OUTCOMES.c.email_key,
}
"""What a list can be sorted by; 'name' is last name, first name, in any letter case."""


@dataclass(frozen=True, slots=True)
class Settled:
    """``recorded``: outcomes written now; ``kept``: rows that had this outcome, or a final one, already."""

    recorded: int
    kept: int


def settle(ledger: Ledger, run: str, outcomes: pd.DataFrame | Mapping[str, Sequence[Any]]) -> Settled:
    """Write outcomes and mark their rows settled, in one transaction; gives what was new.

    ``outcomes`` has OUTCOME_COLUMNS of provisioning/load/rows.py; ``firstname``, ``lastname`` and ``email`` may follow,
    so that people can be found by them later. Rows that were no intention (rejected, skipped) are recorded as well.
    A row with a final outcome (done, rejected, skipped) keeps it, whatever comes after; one that failed or is unknown is
    followed by the later try. Told twice, nothing doubles: the call may be repeated after LedgerUnavailable.
    Lists by column's name do as well as a frame, None for what is absent; a load that tells of a batch at a time need make no frame.
    Raises NotInLedger, and ValueError when a row is there twice.
    """
    count = len(outcomes["status"])
    with ledger.writing() as connection:
        row = locked(connection, run)
        number, now = int(row["plan_no"]), ledger.now(connection)
        rows = outcomes if isinstance(outcomes, Mapping) else _lists(outcomes, now)
        columns = _columns(rows, count, now)
        cells.refuse_doubles(columns["key"][1], "rows of outcomes")
        with staged(connection, columns, key=["key"]) as stage:
            settle_intentions(connection, run, number, stage, now)
            mine = {"of_run": run, "of_plan": number, "of_environment": row["environment"]}
            drop_known, demote, append = _settling(stage)
            connection.execute(drop_known, mine)
            connection.execute(demote, mine)
            add_names(connection, stage)
            recorded = connection.execute(append, mine).rowcount
    return Settled(recorded=recorded, kept=count - recorded)


def standing(run: str) -> tuple[Any, ...]:
    """Give the conditions for the outcomes that stand, of the run's latest plan; part of a query."""
    number = select(_RUNS.c.plan_no).where(_RUNS.c.id == run).scalar_subquery()
    return (_OUTCOMES.c.run == run, _OUTCOMES.c.plan_no == number, _OUTCOMES.c.standing)


def run_outcomes(
    ledger: Ledger,
    run: str,
    *,
    statuses: Collection[str] = (),
    keys: Sequence[str] | None = None,
    after: int = 0,
    limit: int | None = None,
) -> pd.DataFrame:
    """Give the outcomes that stand, one for each row of the run's plan, in the order they were written.

    ``statuses`` empty means all; ``keys`` (each once) asks for these rows only. For a page, ``after`` is the last ``id`` of the page before and ``limit`` its length.
    """
    query = select(*SHOWN).where(*standing(run), _OUTCOMES.c.id > after).order_by(_OUTCOMES.c.id).limit(limit)
    if statuses:
        query = query.where(_OUTCOMES.c.status.in_(list(statuses)))
    with ledger.reading() as connection, chosen_keys(connection, _OUTCOMES.c.key, keys) as chosen:
        return frame_of(connection.execute(query.where(*chosen)).all(), SHOWN)


def count_statuses(ledger: Ledger, run: str) -> dict[str, int]:
    """Count the outcomes that stand by status; statuses that do not occur are not named."""
    query = select(_OUTCOMES.c.status, func.count()).where(*standing(run)).group_by(_OUTCOMES.c.status)
    with ledger.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def environment_outcomes(
    ledger: Ledger, environment: str, *, since: dt.datetime, until: dt.datetime | None = None, limit: int | None = None
) -> pd.DataFrame:
    """Give everything that happened in an environment from ``since`` up to ``until``, latest first, every try of it."""
    query = select(*SHOWN).where(_OUTCOMES.c.environment == environment, _OUTCOMES.c.at >= since)
    if until is not None:
        query = query.where(_OUTCOMES.c.at < until)
    query = query.order_by(_OUTCOMES.c.at.desc(), _OUTCOMES.c.id.desc()).limit(limit)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), SHOWN)


def refused_before(ledger: Ledger, run: str, environment: str, *, within: dt.timedelta) -> frozenset[tuple[Any, ...]]:
    """Give whom (idnumber) Moodle, asked to create or change them, refused in other runs of the time before now."""
    found = refused_lately(ledger, _OUTCOMES, ("idnumber",), run, environment, within=within)
    return found - {("",)}


def refused_lately(  # one query for the outcomes of accounts and those of access
    ledger: Ledger, table: Any, names: Sequence[str], run: str, environment: str, *, within: dt.timedelta
) -> frozenset[tuple[Any, ...]]:
    """Give the values of these columns where Moodle was asked and refused, in other runs of the time before now."""
    query = (
        select(*(table.c[name] for name in names))
        .where(table.c.environment == environment, table.c.run != run)
        .where(table.c.status == "rejected", table.c.action != "reject")
        .distinct()
    )
    if "standing" in table.c:
        query = query.where(table.c.standing)
    with ledger.reading() as connection:
        recent = query.where(table.c.at >= ledger.now(connection) - within)
        return frozenset(tuple(row) for row in connection.execute(recent))


_KEYS: Final = ("person_id", "extern_id", "idnumber", "verdict", "action", "username", "status", "code")
_TEXTS: Final = (*_KEYS, "firstname", "lastname", "email", "message", "changes")


def _lists(frame: pd.DataFrame, now: dt.datetime) -> dict[str, Sequence[Any]]:
    found: dict[str, Sequence[Any]] = {name: cells.texts(frame, name) for name in _TEXTS if name in frame.columns}
    found |= {name: cells.integers(frame, name) for name in ("row", "account_id")}
    return found | {"at": cells.moments(frame, "at", default=now)}


def _columns(rows: Mapping[str, Sequence[Any]], count: int, now: dt.datetime) -> Mapping[str, Staged]:
    # What a database cannot hold is taken out as they are staged.
    def texts(name: str, default: str = "") -> list[str]:
        return [default if value is None else value for value in rows.get(name) or [None] * count]

    def keys(name: str) -> list[str]:
        return [text[: cells.KEY_LENGTH] for text in texts(name)]

    numbers = {name: list(rows.get(name) or [None] * count) for name in ("row", "account_id")}
    first, last, emails = keys("firstname"), keys("lastname"), keys("email")
    columns: dict[str, Staged] = {
        "key": (TEXT, cells.keys_of(numbers["row"], numbers["account_id"])),
        "row": (BigId, numbers["row"]),
        "account_id": (BigId, numbers["account_id"]),
        "firstname": (TEXT, first),
        "lastname": (TEXT, last),
        "email": (TEXT, emails),
        "email_key": (TEXT, [cells.email_key(email) for email in emails]),
        "name_key": (TEXT, [cells.name_key(*name) for name in zip(last, first, strict=True)]),
        "message": (TEXT, texts("message")),
        "changes": (TEXT, texts("changes", "{}")),
        "at": (UTC_TIME, [at or now for at in rows.get("at") or [None] * count]),
    }
    return columns | {name: (TEXT, keys(name)) for name in _KEYS}


@lru_cache(maxsize=64)
def _settling(stage: Table) -> tuple[Delete, Update, Insert]:
    """Give what settles the staged outcomes of a run (of_run, of_plan, of_environment); put together once, as that costs more than to carry it out.

    It takes out what the ledger has already: a final outcome, or this very one (the call is being repeated). The others become the
    latest try of their rows.
    """
    run, number = bindparam("of_run", type_=_OUTCOMES.c.run.type), bindparam("of_plan", type_=_OUTCOMES.c.plan_no.type)
    mine = (_OUTCOMES.c.run == run, _OUTCOMES.c.plan_no == number)
    same = and_(_OUTCOMES.c.status == stage.c.status, _OUTCOMES.c.at == stage.c.at, _OUTCOMES.c.code == stage.c.code)
    known = exists().where(
        *mine, _OUTCOMES.c.key == stage.c.key, _OUTCOMES.c.standing, or_(_OUTCOMES.c.status.in_(FINAL), same)
    )
    earlier = select(func.coalesce(func.max(_OUTCOMES.c.attempt), 0) + 1).where(*mine, _OUTCOMES.c.key == stage.c.key)
    demote = (
        update(_OUTCOMES)
        .where(*mine, _OUTCOMES.c.standing, _OUTCOMES.c.key.in_(select(stage.c.key)))
        .values(standing=False)
    )
    fixed = {
        "run": run,
        "plan_no": number,
        "environment": bindparam("of_environment", type_=_OUTCOMES.c.environment.type),
        "standing": literal(value=True),
        "attempt": earlier.scalar_subquery(),
    }
    names = [column.name for column in stage.columns]
    source = select(*fixed.values(), *stage.columns)
    added = insert(_OUTCOMES).from_select([*fixed, *names], source).execution_options(preserve_rowcount=True)
    return delete(stage).where(known), demote, added


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """Which outcomes of a run; what is empty leaves out nobody. ``text`` as in page_queries.matching."""

    statuses: Collection[str] = ()
    actions: Collection[str] = ()
    verdicts: Collection[str] = ()
    codes: Collection[str] = ()
    text: str = ""


def outcome_page(
    ledger: Ledger,
    run: str,
    chosen: OutcomeFilter,
    *,
    sort: str = "id",
    descending: bool = False,
    offset: int = 0,
    limit: int | None = 50,
) -> Page:
    """Give some of the outcomes that stand, one for each row of the run's plan of whom there was something to do.

    Rows have the columns of run_outcomes. ``sort`` is one of SORTS; rows that are equal keep the order in which they
    were written. ``limit`` None for all the rest. Raises ValueError for another sort.
    """
    key = sort_key(SORTS, sort).label("key")
    # A table of its own: by an index on the sorted column PostgreSQL would walk through the history of all runs.
    hits = (
        select(_OUTCOMES.c.id, key).where(*standing(run), *_conditions(chosen)).cte("hits").prefix_with("MATERIALIZED")
    )
    order = in_order(hits.c.key, hits.c.id, descending=descending)
    some = select(hits).order_by(*order).offset(offset).limit(limit).subquery("some")
    number = select(func.count().label("total")).select_from(hits).subquery("number")
    query = (
        select(number.c.total, *SHOWN)
        .select_from(number)
        .outerjoin(some, literal(value=True))
        .outerjoin(_OUTCOMES, _OUTCOMES.c.id == some.c.id)
        .order_by(*in_order(some.c.key, some.c.id, descending=descending))
    )
    with ledger.reading() as connection:
        rows = connection.execute(query).all()
    # Beyond the end of the list there is the total and no row.
    return Page(frame_of([row[1:] for row in rows if row[1] is not None], SHOWN), rows[0][0])


def outcome_table(ledger: Ledger, run: str) -> pd.DataFrame:
    """Count the outcomes that stand by what they have in common: verdict, action, status, code, number (Int64)."""
    number = func.count().label("number")
    query = select(*_GROUPS, number).where(*standing(run)).group_by(*_GROUPS).order_by(*_GROUPS)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), (*_GROUPS, number))


def _conditions(chosen: OutcomeFilter) -> list[Any]:
    wanted = {
        "status": chosen.statuses,
        "action": chosen.actions,
        "verdict": chosen.verdicts,
        "code": chosen.codes,
    }
    of = [_OUTCOMES.c[name].in_([str(value) for value in values]) for name, values in wanted.items() if values]
    return [*of, *matching(_OUTCOMES, chosen.text)]
