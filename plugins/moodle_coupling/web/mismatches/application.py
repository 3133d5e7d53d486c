"""Apply now: a run for just the persons and accounts that were decided on, shown before it is started."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response

from moodle_coupling.contract.verdicts import About, Tone, about
from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.matching.obedience import Change, Write, as_plan, foreseen
from moodle_coupling.orchestration import names, safety
from moodle_coupling.web.base.access import FORBIDDEN, MASK, Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import FormDep, Notice
from moodle_coupling.web.base.templating import Addresses, addresses, redirect, render
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.environments import state as starting
from moodle_coupling.web.mismatches.facts import NAMES
from moodle_coupling.web.mismatches.listing import meant, read_filters
from moodle_coupling.web.mismatches.pages import common, list_path
from moodle_coupling.web.mismatches.rows import RUNS_DO, Reader, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from moodle_coupling.matching.safeguards import Tripped
    from moodle_coupling.web.base.couplings import Coupling
    from moodle_coupling.words.sentence import Sentence, Texts


# ---- What a run of decisions will write, and whether it waits for approval, before anybody starts it ----

MOST: Final = 20
"""Persons that are shown of each environment."""


@dataclass(frozen=True, slots=True)
class Line:
    """One mismatch, and what is written for it: each account with its fields, as the user may see them."""

    row: Row
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a run of one environment comes to.

    ``number`` mismatches, of which the first are the ``lines``; ``actions``: how many accounts, by what is done to them.
    ``approval``: why it will wait for somebody's approval; nothing where what is decided gives no cause. ``paused``: it is not
    started; ``off``: the Dag is switched off in Airflow, so it waits.
    """

    coupling: Coupling
    number: int
    lines: tuple[Line, ...]
    actions: Mapping[str, int]
    approval: tuple[Sentence, ...]
    paused: bool
    off: bool

    @property
    def more(self) -> int:
        """Give how many mismatches are not shown."""
        return self.number - len(self.lines)


def foresee(
    access: Access, texts: Texts, environment: str, found: Sequence[Mapping[str, Any]], *, paused: bool
) -> Foresight:
    """Foresee a run for the decided mismatches of an environment; ``found`` as the ledger's pages have them."""
    coupling, reader = access.coupling(environment), Reader(access, texts, deciding=False)
    rows = [reader.row(record) for record in found]
    writes = [_writes(row, coupling) for row in rows]
    tripped: tuple[Tripped, ...] = ()
    if coupling.mapping is not None:
        tripped = safety.foresee(the_ledger(), coupling.mapping, as_plan(one for some in writes for one in some))
    dag = names.provision_id(environment)
    state = starting.dag_states([dag]).get(dag)
    shown = zip(rows[:MOST], writes, strict=False)
    return Foresight(
        coupling,
        len(found),
        tuple(Line(row, _as_seen(row, some)) for row, some in shown),
        Counter(one.action.value for some in writes for one in some),
        tuple(one.said for one in tripped),
        paused=paused,
        off=state is not None and not state.is_on,
    )


def _writes(row: Row, coupling: Coupling) -> tuple[Write, ...]:
    stands = row.holds
    if stands is None:
        return ()
    return foreseen(row.verdict, row.facts.raw, stands.kind, stands.account_id, coupling.mapping)


def _as_seen(row: Row, writes: tuple[Write, ...]) -> tuple[Write, ...]:
    """Leave values out that are not the user's to see."""
    if row.sees_names:
        return writes
    return tuple(
        replace(write, changes={name: _masked(name, pair) for name, pair in write.changes.items()}) for write in writes
    )


def _masked(name: str, pair: Change) -> Change:
    old, new = (MASK if value and name in NAMES else value for value in pair)
    return old, new


# ---- Apply now ----

router = APIRouter()
NOTHING: Final = say("Nothing to apply: none of these is decided and waits for a run. Decide first.")
PAUSED: Final = say("Nothing was started: {environment} is paused. Resume it first.")


@dataclass(slots=True)
class Wanted:
    """Whom a run is for: persons by an id the source knows, and accounts of nobody."""

    persons: list[str] = field(default_factory=list)
    accounts: list[int] = field(default_factory=list)

    def add(self, record: Mapping[str, Any]) -> None:
        """Take in whom a mismatch is about."""
        if about(record["verdict"]) is About.ACCOUNT:
            self.accounts.append(record["account_id"])
        else:
            self.persons.append(record["person_id"] or record["extern_id"] or record["idnumber"])

    @property
    def number(self) -> int:
        """Give how many are wanted."""
        return len(self.persons) + len(self.accounts)


@router.post("/mismatches/apply/preview")
def preview(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Show what a run would write for what is decided of all that is ticked or filtered, and whether it would wait; nothing is started."""
    _require_runner(access)
    texts, filters = texts_for(request), read_filters(form, access)
    found = _decided(access, meant(form, filters, access))
    if not found:
        return redirect(request, list_path(filters), Notice(texts(NOTHING), Tone.WARN))
    runs = [foresee(access, texts, name, some, paused=_paused(access, name)) for name, some in found.items()]
    ready = [record["id"] for run in runs if not run.paused for record in found[run.coupling.name]]
    back = addresses(request).ours + list_path(filters)
    return render(
        request, "mismatches/apply.html", **common(request, access, filters), runs=runs, ready=ready, back=back
    )


@router.post("/mismatches/apply")
def apply(request: Request, access: AccessDep, form: FormDep) -> Response:
    """Start a run, in each environment, for what is decided of all that is ticked or filtered."""
    _require_runner(access)
    texts, filters = texts_for(request), read_filters(form, access)
    wanted = _wanted(access, meant(form, filters, access))
    if not wanted:
        return redirect(request, list_path(filters), Notice(texts(NOTHING), Tone.WARN))
    ready = {name: one for name, one in wanted.items() if not _paused(access, name)}
    if not ready:
        title = access.coupling(next(iter(wanted))).title
        return redirect(request, list_path(filters), Notice(texts(PAUSED, environment=title), Tone.WARN))
    started = [(name, _start(access, name, one)) for name, one in ready.items()]
    names, runs = [name for name, _ in started], [run.run_id for _, run in started]
    paused = [name for name in wanted if name not in ready]
    where = Addresses("", "").url("/mismatches/started", environment=names, run=runs, paused=paused)
    return redirect(request, where)


@router.get("/mismatches/started")
def started(
    request: Request,
    access: AccessDep,
    environment: Annotated[list[str] | None, Query()] = None,
    run: Annotated[list[str] | None, Query()] = None,
    paused: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Say which runs were started, and where to follow them."""
    pairs = list(zip(environment or [], run or [], strict=False))
    if not pairs:
        raise HTTPException(404)
    found = [(access.coupling(name), names.provision_id(name), run_id) for name, run_id in pairs]
    dags = starting.dag_states([dag_id for _, dag_id, _ in found])
    off = [dag_id for _, dag_id, _ in found if dag_id in dags and not dags[dag_id].is_on]
    held = [access.coupling(name).title for name in paused or []]
    return render(request, "mismatches/started.html", runs=found, off=off, paused=held)


def _require_runner(access: Access) -> None:
    if not any(access.may(Right.RUN, name) for name in access.environments()):
        raise HTTPException(403, FORBIDDEN[Right.RUN])


def _wanted(access: Access, chosen: MismatchFilter | None) -> dict[str, Wanted]:
    """Find whom runs are for, by environment."""
    wanted: dict[str, Wanted] = {}
    for name, found in _decided(access, chosen).items():
        wanted[name] = Wanted()
        for record in found:
            wanted[name].add(record)
    return wanted


def _decided(access: Access, chosen: MismatchFilter | None) -> dict[str, list[dict[str, Any]]]:
    """Find by environment what is decided, has something for a run to do, and is where the user may start one."""
    found: dict[str, list[dict[str, Any]]] = {}
    if chosen is None:
        return found
    for record in records(mismatch_page(the_ledger(), chosen, sort="id", descending=False, limit=None).rows):
        name, decided = record["environment"], record["status"] == MismatchStatus.DECIDED
        if decided and record["kind"] in RUNS_DO and access.may(Right.RUN, name):
            found.setdefault(name, []).append(record)
    return found


def _paused(access: Access, environment: str) -> bool:
    connection = access.coupling(environment).connection
    return bool(connection) and read_pause(connection) is not None


def _start(access: Access, environment: str, wanted: Wanted) -> starting.Started:
    conf = {"person_ids": wanted.persons, "account_ids": wanted.accounts}
    run = starting.start(names.provision_id(environment), conf, by=access.name)
    activity.note(
        the_ledger(),
        by=access.name,
        environment=environment,
        action="apply",
        detail=f"{wanted.number} decided: {run.run_id}",
    )
    return run
