"""Mismatches: what a comparison found, kept from run to run, and a list to look through."""

from __future__ import annotations

import contextlib
import datetime as dt  # noqa: TC003  # a public dataclass: its hints are looked up
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, exists, func, insert, literal, or_, select, update

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.verdicts import OF_TARGETS, DecisionKind, Verdict
from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, Staged, staged
from moodle_coupling.ledger.cells import BigId, Unindexed, facts_digest, frame_of
from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.models import ASSIGNED, DecisionRow, MismatchRow, ProtectionRow
from moodle_coupling.ledger.page_queries import Page, add_names, after, backwards, before, in_order, searching, sort_key
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.matching.likeness import best_score
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pandas as pd
    from sqlalchemy import Connection, Table

    from moodle_coupling.ledger.ledger import Ledger

_MISMATCHES: Any = MismatchRow.__table__
_DECISIONS: Any = DecisionRow.__table__
_PROTECTIONS: Any = ProtectionRow.__table__
SHOWN: Final = tuple(column for column in _MISMATCHES.columns if column.name not in {"email_key", "name_key"})
_STANDING: Final = (MismatchStatus.OPEN, MismatchStatus.DECIDED, MismatchStatus.APPLIED)
IDENTITY: Final = ("subject", "verdict", "facts_digest")
"""What makes a mismatch the same one, within its environment."""
_LATEST: Final = (
    _DECISIONS.c.id.label("decision"),
    *(func.coalesce(_DECISIONS.c[name], "").label(name) for name in ("kind", "by", "note")),
    *(_DECISIONS.c[name] for name in ("at", "applied_at", "lapsed_at")),
    _DECISIONS.c.account_id.label("chosen"),
)
COLUMNS: Final = (*SHOWN, *_LATEST)
"""Columns of a page: the mismatch's own, then of the latest decision on it, if any: decision (its id), kind, by, note
('' where there is none), at, applied_at, lapsed_at, and chosen (account id)."""
SORTS: Final = {column.name: column for column in COLUMNS} | {
    "name": _MISMATCHES.c.name_key,
    "email": _MISMATCHES.c.email_key,
}
"""What a list can be sorted by; 'name' is last name, first name, in any letter case."""
MARKS: Final = {"note": _DECISIONS.c.note != "", "later": _DECISIONS.c.kind == DecisionKind.LATER}
"""What the decision that stands can be marked by: it has a note, or is that one decides later."""
_FACETS: Final = {
    "verdict": "verdicts",
    "status": "statuses",
    "environment": "environments",
    "proposal": "proposals",
    "assigned_to": "assigned_to",
}
"""What is counted by, and the filter that chooses of it."""
OF_TARGET: Final[Any] = _MISMATCHES.c.verdict.in_([str(verdict) for verdict in OF_TARGETS])
"""The condition that a mismatch is about a cohort or course."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Counts: ``new`` mismatches, found ``again`` (of which ``reopened``), ``lapsed`` decisions, and ``gone``."""

    new: int
    again: int
    reopened: int
    lapsed: int
    gone: int


def record_mismatches(
    ledger: Ledger,
    environment: str,
    run: str,
    frame: pd.DataFrame,
    *,
    full: bool,
    examined: Sequence[str] = (),
) -> Recorded:
    """Record every mismatch a comparison found, before decisions are obeyed; gives counts.

    ``frame`` has rows of the plan (PLAN_COLUMNS) whose verdict is a mismatch, those with a decision too, and
    ``facts``: JSON of what the verdict stands on (the person's and the accounts' ids, names, e-mail). The same subject,
    verdict and facts are the same mismatch. What is not found again is gone: after a ``full`` comparison of whatever
    else the environment has (but for what is asked of targets, which no comparison of persons finds), otherwise of the subjects in the frame and those ``examined`` (as :func:`subjects`
    names them). A decision on other facts of the same subject lapses.
    A run that is tried again may record again: within one run a mismatch is seen once.
    Raises ValueError when a mismatch is in the frame twice.
    """
    with ledger.writing() as connection:
        now = ledger.now(connection)
        columns = _columns(frame)
        looked = list(dict.fromkeys([*columns["subject"][1], *map(cells.clean, examined)]))
        with (
            staged(connection, columns, key=IDENTITY) as found,
            staged(connection, {"subject": (TEXT, looked)}, key=["subject"]) as seen,
        ):
            lapsed = _lapse(connection, environment, found, now)
            gone = _gone(connection, environment, found, None if full else seen, now)
            reopened, again = _see_again(connection, environment, run, found, now)
            new = _add(connection, environment, run, found, now)
    return Recorded(new=new, again=again, reopened=reopened, lapsed=lapsed, gone=gone)


def subjects(frame: pd.DataFrame) -> list[str]:
    """Name whom each row of a plan is about: the person by person_id, else idnumber; an orphan by its account; what has a ``subject``, by that.

    An orphan may name the person whose account it was; that person is none of the source's any more, or out of scope.
    """
    if "subject" in frame:
        return cells.keys(frame, "subject")
    persons, idnumbers = cells.keys(frame, "person_id"), cells.keys(frame, "idnumber")
    rows, accounts = cells.integers(frame, "row"), cells.integers(frame, "account_id")
    named: list[str] = []
    for person, idnumber, row, account in zip(persons, idnumbers, rows, accounts, strict=True):
        if row is None and account is not None:
            named.append(f"account {account}")
        elif person:
            named.append(f"person {person}")
        else:
            named.append(f"idnumber {idnumber}" if idnumber else f"account {account}")
    return named


def mismatches_frame(
    ledger: Ledger, environment: str = "", *, statuses: Collection[MismatchStatus] = (MismatchStatus.OPEN,)
) -> pd.DataFrame:
    """Give the mismatches of an environment ('' for all) in these statuses, latest seen first."""
    query = select(*SHOWN).where(_MISMATCHES.c.status.in_([str(status) for status in statuses]))
    if environment:
        query = query.where(_MISMATCHES.c.environment == environment)
    query = query.order_by(_MISMATCHES.c.last_seen.desc(), _MISMATCHES.c.id)
    with ledger.reading() as connection:
        return frame_of(connection.execute(query).all(), SHOWN)


def count_open(ledger: Ledger, *, since: dt.datetime | None = None) -> dict[str, dict[str, int]]:
    """Count open mismatches: environment → verdict → number; with ``since`` only those first seen after it."""
    query = select(_MISMATCHES.c.environment, _MISMATCHES.c.verdict, func.count()).where(
        _MISMATCHES.c.status == MismatchStatus.OPEN
    )
    if since is not None:
        query = query.where(_MISMATCHES.c.first_seen >= since)
    counts: dict[str, dict[str, int]] = {}
    with ledger.reading() as connection:
        for environment, verdict, number in connection.execute(
            query.group_by(_MISMATCHES.c.environment, _MISMATCHES.c.verdict)
        ):
            counts.setdefault(environment, {})[verdict] = number
    return counts


def identity_columns(frame: pd.DataFrame) -> dict[str, Staged]:
    """Give by what each row of a comparison is the same mismatch as another; raises ValueError when one is there twice."""
    columns: dict[str, Staged] = {
        "subject": (TEXT, subjects(frame)),
        "verdict": (TEXT, cells.keys(frame, "verdict")),
        "facts_digest": (TEXT, [facts_digest(text) for text in cells.texts(frame, "facts", default="{}")]),
    }
    cells.refuse_doubles(list(zip(*(columns[name][1] for name in IDENTITY), strict=True)), "mismatches")
    return columns


def _columns(frame: pd.DataFrame) -> Mapping[str, Staged]:
    first, last = cells.keys(frame, "firstname"), cells.keys(frame, "lastname")
    whole = [called or name for called, name in zip(cells.keys(frame, "called"), last, strict=True)]
    emails, facts = cells.keys(frame, "email"), cells.texts(frame, "facts", default="{}")
    columns: dict[str, Staged] = {
        **identity_columns(frame),
        "facts": (TEXT, facts),
        "account_id": (BigId, cells.integers(frame, "account_id")),
        "other_accounts": (TEXT, cells.texts(frame, "other_accounts", default="[]")),
        "firstname": (TEXT, first),
        "lastname": (TEXT, last),
        "email": (TEXT, emails),
        "email_key": (TEXT, [cells.email_key(email) for email in emails]),
        "name_key": (TEXT, [cells.name_key(*name) for name in zip(whole, first, strict=True)]),
        "evidence": (TEXT, cells.texts(frame, "evidence")),
        "proposal": (TEXT, cells.texts(frame, "proposal")),
        "score": (BigId, _scores(cells.keys(frame, "verdict"), facts)),
    }
    for name in ("person_id", "extern_id", "idnumber", "username"):
        columns[name] = (TEXT, cells.keys(frame, name))
    return columns


def _scores(verdicts: Sequence[str], facts: Sequence[str]) -> list[int | None]:
    """Give how alike both sides are; an orphan has one side only, and its facts name it as a person too."""
    return [
        None if verdict == Verdict.ORPHAN else best_score(MismatchFacts.read(text))
        for verdict, text in zip(verdicts, facts, strict=True)
    ]


def _same(stage: Table) -> tuple[Any, ...]:
    return tuple(_MISMATCHES.c[name] == stage.c[name] for name in IDENTITY)


def _lapse(connection: Connection, environment: str, found: Table, now: dt.datetime) -> int:
    """Let decisions lapse whose subject came back with other facts."""
    here = (_MISMATCHES.c.environment == environment, _MISMATCHES.c.status == MismatchStatus.DECIDED)
    changed = (~exists().where(*_same(found)), _MISMATCHES.c.subject.in_(select(found.c.subject)))
    void_decisions(connection, select(_MISMATCHES.c.id).where(*here, *changed), now)
    lapsed = {"status": MismatchStatus.LAPSED, "version": _MISMATCHES.c.version + 1, "since": now}
    return connection.execute(update(_MISMATCHES).where(*here, *changed).values(lapsed)).rowcount


def _gone(connection: Connection, environment: str, found: Table, seen: Table | None, now: dt.datetime) -> int:
    """Mark what was not found again as gone; a decision that was never carried out lapses with it."""
    away = [
        _MISMATCHES.c.environment == environment,
        _MISMATCHES.c.status.in_(_STANDING),
        ~exists().where(*_same(found)),
    ]
    if seen is None:
        away.append(~OF_TARGET)
    else:
        away.append(_MISMATCHES.c.subject.in_(select(seen.c.subject)))
    void_decisions(connection, select(_MISMATCHES.c.id).where(*away), now)
    gone = {"status": MismatchStatus.GONE, "version": _MISMATCHES.c.version + 1, "since": now}
    return connection.execute(update(_MISMATCHES).where(*away).values(gone)).rowcount


def void_decisions(connection: Connection, of: Any, now: Any) -> None:
    """Let the decisions on these mismatches lapse, unless they were carried out."""
    connection.execute(
        update(_DECISIONS)
        .where(_DECISIONS.c.mismatch.in_(of), _DECISIONS.c.applied_at.is_(None), _DECISIONS.c.lapsed_at.is_(None))
        .values(lapsed_at=now)
    )


def _see_again(connection: Connection, environment: str, run: str, found: Table, now: dt.datetime) -> tuple[int, int]:
    """Note that known mismatches were found again; gives how many were opened anew, and how many in all.

    One that was applied, gone or lapsed and is there once more is open again: what was decided did not help, or
    something undid it. One that is not to be touched stays so for as long as its protection does.
    """
    again = (_MISMATCHES.c.environment == environment, exists().where(*_same(found)))
    past = _MISMATCHES.c.status.in_([MismatchStatus.GONE, MismatchStatus.LAPSED])
    # A run that compared before someone said not to touch finds it still.
    protected = exists().where(_PROTECTIONS.c.mismatch == _MISMATCHES.c.id)
    undone = (_MISMATCHES.c.status == MismatchStatus.APPLIED) & (_MISMATCHES.c.last_run != run) & ~protected
    reopen = {"status": MismatchStatus.OPEN, "version": _MISMATCHES.c.version + 1, "since": now}
    reopened = connection.execute(update(_MISMATCHES).where(*again, or_(past, undone)).values(reopen)).rowcount
    latest = {
        name: found.c[name] for name in ("account_id", "other_accounts", "username", "evidence", "proposal", "score")
    }
    once_a_run = case((_MISMATCHES.c.last_run == run, _MISMATCHES.c.times_seen), else_=_MISMATCHES.c.times_seen + 1)
    seen = {"last_seen": now, "last_run": run, "times_seen": once_a_run, **latest}
    same = update(_MISMATCHES).where(_MISMATCHES.c.environment == environment, *_same(found)).values(seen)
    return reopened, connection.execute(same).rowcount


def _add(connection: Connection, environment: str, run: str, found: Table, now: dt.datetime) -> int:
    known = exists().where(_MISMATCHES.c.environment == environment, *_same(found))
    fixed = {
        "environment": literal(environment),
        "status": literal(MismatchStatus.OPEN.value),
        "version": literal(1),
        "since": literal(now, _MISMATCHES.c.since.type),
        "first_seen": literal(now, _MISMATCHES.c.first_seen.type),
        "last_seen": literal(now, _MISMATCHES.c.last_seen.type),
        "times_seen": literal(1),
        "last_run": literal(run),
    }
    names = [column.name for column in found.columns]
    values: list[Any] = [*fixed.values(), *found.columns]
    source = select(*values).where(~known)
    added = insert(_MISMATCHES).from_select([*fixed, *names], source).execution_options(preserve_rowcount=True)
    add_names(connection, found)
    return connection.execute(added).rowcount


@dataclass(frozen=True, slots=True)
class MismatchFilter:
    """Which mismatches.

    ``readable`` are the environments that the person may see, None for all: nothing, no count either, ever comes from
    another. ``environments`` are those chosen of them. ``ids`` None for all. What is empty otherwise leaves out nothing.
    ``proposed``: only where something is proposed; ``least_score``: only what is at least so alike (of 100).
    ``decided_by``: only where one of these decided what stands; ``marks``: only where what stands has one of these (MARKS).
    ``assigned_to``: only of these people, '' for what is nobody's. ``due_before``: only what is due before that day
    (YYYY-MM-DD); ``undated``: only what is due on no day.
    ``text`` and ``by_name`` as in page_queries.matching; the ``…seen_before`` are moments with a zone, None for any.
    """

    readable: Collection[str] | None = None
    environments: Collection[str] | None = None
    verdicts: Collection[str] = ()
    statuses: Collection[str] = ()
    proposals: Collection[str] = ()
    text: str = ""
    by_name: bool = True
    first_seen_before: dt.datetime | None = None
    seen_before: dt.datetime | None = None
    ids: Collection[int] | None = None
    least_score: int | None = None
    proposed: bool = False
    decided_by: Collection[str] = ()
    marks: Collection[str] = ()
    assigned_to: Collection[str] = ()
    due_before: str = ""
    undated: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mismatch stands in a list: the ids before and after it (None at an end), and its number of ``total`` (0: not in it)."""

    previous: int | None
    following: int | None
    number: int
    total: int


def mismatch_page(
    ledger: Ledger,
    chosen: MismatchFilter,
    *,
    sort: str = "last_seen",
    descending: bool = True,
    offset: int = 0,
    limit: int | None = 50,
) -> Page:
    """Give some mismatches with the latest decision on each (COLUMNS); ``limit`` None for all the rest.

    ``sort`` is one of SORTS; rows that are equal are in the order of their ids. Raises ValueError for another.
    """
    key = sort_key(SORTS, sort)
    order = in_order(key, _MISMATCHES.c.id, descending=descending)
    with ledger.reading() as connection, _conditions(connection, chosen) as where:
        total = connection.execute(select(func.count()).select_from(_MISMATCHES).where(*where)).scalar_one()
        # The rows of the page first: the latest decision is looked for on these only, and not on all that are sorted.
        some = _ordered_by(key, _MISMATCHES.c.id).where(*where).order_by(*order).offset(offset).limit(limit)
        query = _with_decisions().where(_MISMATCHES.c.id.in_(some)).order_by(*order)
        return Page(frame_of(connection.execute(query).all(), COLUMNS), total)


def mismatch_place(
    ledger: Ledger, mismatch: int, chosen: MismatchFilter, *, sort: str = "last_seen", descending: bool = True
) -> Place:
    """Tell where a mismatch stands in the list that mismatch_page gives; one that is not in it (any more) where it would stand.

    Raises ValueError for another sort, NotInLedger.
    """
    key, tie = sort_key(SORTS, sort), _MISMATCHES.c.id
    with ledger.reading() as connection, _conditions(connection, chosen) as where:
        here = connection.execute(_ordered_by(key, key.label("key")).where(tie == mismatch)).first()
        if here is None:
            raise NotInLedger(Sentence("ledger.no_mismatch", mismatch=mismatch))
        at: dict[str, Any] = {"value": here[0], "number": mismatch, "descending": descending}
        ahead = before(key, tie, **at)
        figures = (func.count(), func.count(case((ahead, 1))), func.count(case((tie == mismatch, 1))))
        total, earlier, within = connection.execute(_ordered_by(key, *figures).where(*where)).one()
        back = _ordered_by(key, tie).where(*where, ahead).order_by(*backwards(key, tie, descending=descending))
        on = _ordered_by(key, tie).where(*where, after(key, tie, **at))
        on = on.order_by(*in_order(key, tie, descending=descending))
        return Place(
            connection.execute(back.limit(1)).scalar(),
            connection.execute(on.limit(1)).scalar(),
            earlier + 1 if within else 0,
            total,
        )


def mismatch_counts(ledger: Ledger, chosen: MismatchFilter) -> dict[str, dict[str, int]]:
    """Count by verdict, status, environment, proposal and whose it is to judge, each as if nothing was chosen of that kind itself."""
    asked = {facet: getattr(chosen, name) for facet, name in _FACETS.items()}
    columns = [_MISMATCHES.c[facet] for facet in _FACETS]
    # One look for all of them: how many have the same of each. These are few; what was chosen is left out of them afterwards.
    every = replace(chosen, verdicts=(), statuses=(), environments=None, proposals=(), assigned_to=())
    with ledger.reading() as connection, _conditions(connection, every) as where:
        groups = connection.execute(select(func.count(), *columns).where(*where).group_by(*columns)).all()
    counts: dict[str, dict[str, int]] = {facet: {} for facet in _FACETS}
    for number, *values in groups:
        missed = [facet for facet, value in zip(_FACETS, values, strict=True) if not _is_asked(facet, value, asked)]
        for facet, value in zip(_FACETS, values, strict=True):
            if missed in ([], [facet]):
                counts[facet][value] = counts[facet].get(value, 0) + number
    return {facet: dict(sorted(found.items())) for facet, found in counts.items()}


def _is_asked(facet: str, value: str, asked: Mapping[str, Collection[str] | None]) -> bool:
    wanted = asked[facet]
    if facet == "environment":  # none chosen is no list; an empty one is no environment
        return wanted is None or value in wanted
    return not wanted or value in wanted


def decision_counts(ledger: Ledger, chosen: MismatchFilter) -> dict[str, dict[str, int]]:
    """Count by who decided what stands ('by') and by its MARKS ('mark'), each as if nothing was chosen of that kind itself."""
    columns = [_DECISIONS.c.by, *(condition.label(mark) for mark, condition in MARKS.items())]
    query = select(func.count(), *columns).join_from(_DECISIONS, _MISMATCHES, _DECISIONS.c.mismatch == _MISMATCHES.c.id)
    every = replace(chosen, decided_by=(), marks=())
    with ledger.reading() as connection, _conditions(connection, every, by_index=False) as where:
        # Of decisions that did not lapse a mismatch has one at most.
        standing = query.where(*where, _DECISIONS.c.lapsed_at.is_(None)).group_by(*columns)
        groups = connection.execute(standing).all()
    by, marks = dict[str, int](), dict.fromkeys(MARKS, 0)
    for number, name, *marked in groups:
        has = [mark for mark, is_so in zip(MARKS, marked, strict=True) if is_so]
        if not chosen.marks or set(has) & set(chosen.marks):
            by[name] = by.get(name, 0) + number
        if not chosen.decided_by or name in chosen.decided_by:
            marks |= {mark: marks[mark] + number for mark in has}
    return {"by": dict(sorted(by.items())), "mark": marks}


def _standing(condition: Any) -> Any:
    """Give the condition that what stands on a mismatch is such a decision; of those that did not lapse there is one at most."""
    mine = (_DECISIONS.c.mismatch == _MISMATCHES.c.id, _DECISIONS.c.lapsed_at.is_(None))
    return exists().where(*mine, condition).correlate(_MISMATCHES)


def mismatch_versions(ledger: Ledger, chosen: MismatchFilter) -> list[tuple[int, int]]:
    """Give id and version of every mismatch that is chosen, for a decision on exactly these (decide_many)."""
    columns = (_MISMATCHES.c.id, _MISMATCHES.c.version)
    with ledger.reading() as connection, _conditions(connection, chosen) as where:
        rows = connection.execute(select(*columns).where(*where).order_by(_MISMATCHES.c.id))
        return [(row[0], row[1]) for row in rows]


def get_mismatch(ledger: Ledger, mismatch: int) -> Mapping[str, Any]:
    """Give one mismatch with the latest decision on it (COLUMNS; None where there is none); raises NotInLedger."""
    with ledger.reading() as connection:
        row = connection.execute(_with_decisions().where(_MISMATCHES.c.id == mismatch)).mappings().one_or_none()
    if row is None:
        raise NotInLedger(Sentence("ledger.no_mismatch", mismatch=mismatch))
    return dict(row)


def _ordered_by(key: Any, *columns: Any) -> Any:
    """Select columns of mismatches; decisions are joined only where the order is by something of theirs."""
    return select(*columns).select_from(_MISMATCHES) if key.table is _MISMATCHES else _with_decisions(*columns)


def _with_decisions(*columns: Any) -> Any:
    """Select columns (by default COLUMNS) of mismatches and the latest decision on each."""
    latest = select(func.max(_DECISIONS.c.id)).where(_DECISIONS.c.mismatch == _MISMATCHES.c.id)
    joined = _DECISIONS.c.id == latest.correlate(_MISMATCHES).scalar_subquery()
    return select(*(columns or COLUMNS)).outerjoin_from(_MISMATCHES, _DECISIONS, joined)


@contextlib.contextmanager
def _conditions(connection: Connection, chosen: MismatchFilter, *, by_index: bool = True) -> Iterator[list[Any]]:
    """Give the conditions; ``by_index`` False where rows are looked up otherwise than by what was chosen, as they are for a text."""
    where = [
        *_chosen_values(chosen, by_index=by_index and not chosen.text.strip()),
        *_limits(chosen),
        *searching(connection, _MISMATCHES, chosen.text, by_name=chosen.by_name),
    ]
    if chosen.ids is None:
        yield where
        return
    # Too many for one statement's parameters, perhaps.
    with staged(connection, {"id": (BigId, sorted({int(number) for number in chosen.ids}))}, key=["id"]) as stage:
        yield [*where, _MISMATCHES.c.id.in_(select(stage.c.id))]


def _chosen_values(chosen: MismatchFilter, *, by_index: bool) -> Iterator[Any]:
    """Give the conditions by which something is one of those chosen."""

    def column(name: str) -> Any:
        return _MISMATCHES.c[name] if by_index else Unindexed(_MISMATCHES.c[name])

    for names in (chosen.readable, chosen.environments):
        if names is not None:
            yield column("environment").in_(list(names))
    for name, values in (
        ("verdict", chosen.verdicts),
        ("status", chosen.statuses),
        ("proposal", chosen.proposals),
        ("assigned_to", chosen.assigned_to),
    ):
        if values:
            yield column(name).in_([str(value) for value in values])
    if chosen.assigned_to and "" not in chosen.assigned_to:
        yield ASSIGNED
    if chosen.decided_by:
        yield _standing(_DECISIONS.c.by.in_(list(chosen.decided_by)))
    if chosen.marks:
        yield _standing(or_(*(MARKS[mark] for mark in chosen.marks)))


def _limits(chosen: MismatchFilter) -> Iterator[Any]:
    """Give the conditions by which something is before, at least, or there at all."""
    for column, moment in (("first_seen", chosen.first_seen_before), ("last_seen", chosen.seen_before)):
        if moment is not None:
            yield _MISMATCHES.c[column] < moment
    if chosen.due_before:
        yield _MISMATCHES.c.due < chosen.due_before
    if chosen.undated:
        yield _MISMATCHES.c.due.is_(None)
    if chosen.least_score is not None:
        yield _MISMATCHES.c.score >= chosen.least_score
    if chosen.proposed:
        yield _MISMATCHES.c.proposal != ""
