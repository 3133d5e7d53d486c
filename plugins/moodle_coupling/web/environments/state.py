"""How an environment is: what holds it, its last runs as a chart, and what people did there lately."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.airflow_internals import count_queued, known_dags, trigger_by_hand
from moodle_coupling.contract.facts import RunCounts
from moodle_coupling.errors import SettingError
from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.orchestration import names
from moodle_coupling.orchestration.notices import TOLD
from moodle_coupling.orchestration.outages import outages_of, said
from moodle_coupling.orchestration.run import refused
from moodle_coupling.orchestration.status import ended
from moodle_coupling.settings import mappings_folder
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import MASK
from moodle_coupling.web.base.words import say
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from moodle_coupling.contract.facts import AccessFigures
    from moodle_coupling.hooks.pause import Pause
    from moodle_coupling.ledger.activity import Activity
    from moodle_coupling.ledger.leases import Busy, Quarantine
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.ledger.shared_documents import Outage
    from moodle_coupling.web.base.couplings import Coupling
    from moodle_coupling.words.sentence import Texts


# ---- Starting a run on behalf of the person at the page, through Airflow's own machinery, in the API server's process.


class CannotStart(SettingError):
    """Airflow does not have the DAG, or cannot run it; nothing was started."""


@dataclass(frozen=True, slots=True)
class DagState:
    """What Airflow knows of a DAG.

    ``is_on``: it may run; ``next_run``: when it runs next by its schedule (UTC; None: by hand only), which may be past when
    Airflow is about to begin; ``queued``: how many runs wait to begin.
    """

    dag_id: str
    is_on: bool
    next_run: dt.datetime | None
    queued: int = 0

    @property
    def is_due(self) -> bool:
        """Tell whether the next run should have begun already."""
        return self.next_run is not None and self.next_run <= dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was asked for; with ``is_on`` False it waits until somebody switches the DAG on in Airflow."""

    dag_id: str
    run_id: str
    is_on: bool


def start(dag_id: str, conf: dict[str, Any], *, by: str) -> Started:
    """Ask for a run of a DAG; ``conf`` holds its Params. Raises CannotStart."""
    from airflow.sdk.exceptions import AirflowException, ParamValidationError

    model = known_dags([dag_id]).get(dag_id)
    if model is None:
        raise CannotStart(Sentence("starting.no_dag"))
    if model.has_import_errors:
        raise CannotStart(Sentence("starting.broken_dag"))
    try:
        run = trigger_by_hand(dag_id, conf, by=by)
    except (AirflowException, ParamValidationError, ValueError) as error:
        raise CannotStart(Sentence("starting.refused")) from error
    if run is None:
        raise CannotStart(Sentence("starting.refused"))
    return Started(dag_id, str(run.run_id), not model.is_paused)


def dag_states(dag_ids: Collection[str]) -> dict[str, DagState]:
    """Give what Airflow knows of DAGs, by id; one it does not have (any more) is left out."""
    models = known_dags(dag_ids)
    queued = count_queued(models)
    return {
        dag_id: DagState(dag_id, not model.is_paused, model.next_dagrun_create_after, queued.get(dag_id, 0))
        for dag_id, model in models.items()
    }


# ---- How an environment is ----

RUNS: Final = 30
WIDTH: Final = 300
HEIGHT: Final = 56
"""Of the drawing, in its own units; a bar takes WIDTH / RUNS, so that a bar stays as wide whatever the number of runs."""
_LEAST: Final = 2.0
"""Height of a part that is not nothing: one person among thousands must still be seen."""
_GROUND: Final = 1.0
"""Height of the line for a run that wrote nothing."""
SEGMENTS: Final = ("created", "updated", "rejected", "failed")
LIMIT: Final = 30
ACTIONS: Final = {
    "pause": say("paused"),
    "resume": say("resumed"),
    "check": say("tested the connection"),
    "dry run": say("asked for a dry run"),
    "reconcile": say("asked for a reconciliation"),
    "lift quarantine": say("lifted the quarantine"),
    "decide": say("decided on mismatches"),
    "take back": say("took decisions back"),
    "assign": say("assigned mismatches to"),
    "protect": say("protected"),
    "unprotect": say("took a protection off"),
    "apply": say("asked for a run of what was decided"),
    "export": say("exported mismatches"),
    "explain": say("followed a person from source to Moodle:"),
    "provision": say("asked for a run of one person:"),
    "forget": say("forgot a person"),
    "mismatches told": say("told the number of new mismatches"),
    "told failed": say("told that a run failed"),
    "told wrong_file": say("told that the mapping file is wrong"),
    "told away": say("told that a site does not answer"),
    "told no_good_run": say("told that no run ended well"),
    "told approval": say("told that a plan waits for an approval"),
    "told quarantine": say("told of the quarantine"),
}
"""What the pages and the commands note, in words."""
FREE_TEXT: Final = frozenset({"protect"})
"""Those of them whose detail an analyst wrote, and which may name a person; the others hold counts, kinds and run ids."""
_SUBJECTS: Final = {"mismatch": say("Mismatch {n}"), "account": say("Account {account}")}
PERSONS: Final = frozenset({"explain", "provision"})
"""Those whose subject is one person."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that waits for an approval: why, since when, and in which run."""

    run: Run
    reasons: tuple[str, ...]
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """Everything a card shows of one environment; without a ledger what only the ledger knows is empty."""

    coupling: Coupling
    pause: Pause | None
    provision: DagState | None
    reconcile: DagState | None
    quarantine: Quarantine | None = None
    quarantine_over: bool = False
    waiting: tuple[Waiting, ...] = ()
    busy: Busy | None = None
    runs: tuple[Run, ...] = ()
    mismatches: tuple[tuple[str, int], ...] = ()
    outage: Outage | None = None
    last_good: Run | None = None

    @property
    def name(self) -> str:
        """Give the environment's name."""
        return self.coupling.name

    @property
    def last_run(self) -> Run | None:
        """Give the latest run that the ledger knows."""
        return self.runs[0] if self.runs else None

    @property
    def open_mismatches(self) -> int:
        """Give how many mismatches wait for a decision."""
        return sum(number for _, number in self.mismatches)

    @property
    def away(self) -> Sentence | None:
        """Say what does not answer, since when, and when it is tried next; None when no run waits for anything."""
        return said(self.name, self.outage) if self.outage is not None else None

    @property
    def next_run(self) -> dt.datetime | None:
        """Give when Airflow begins the next run by itself; None when it does not."""
        on = [dag for dag in (self.provision, self.reconcile) if dag is not None and dag.is_on]
        return min((dag.next_run for dag in on if dag.next_run is not None), default=None)

    @property
    def urgency(self) -> int:
        """Give the place among others, the most urgent 0: what stands still until somebody comes, then what is in trouble."""
        held = self.quarantine is not None and not self.quarantine_over
        failed = self.last_run is not None and self.last_run.state == "failed"
        order = (held, self.coupling.error, self.waiting, self.outage, failed, self.pause)
        return next((place for place, holds in enumerate(order) if holds), len(order))

    @property
    def is_active(self) -> bool:
        """Tell whether nothing keeps its runs from going on."""
        held = self.quarantine is not None and not self.quarantine_over
        return not (self.coupling.error or self.pause or held or self.waiting or self.outage or self.is_off)

    @property
    def is_off(self) -> bool:
        """Tell whether Airflow runs neither of its DAGs: both are switched off, or not read yet."""
        return not any(dag is not None and dag.is_on for dag in (self.provision, self.reconcile))


_NONE: Final[Mapping[str, int]] = {}


def states(found: Collection[Coupling], ledger: Ledger | None) -> list[EnvironmentState]:
    """Find out how environments are, the most urgent first; the ledger is asked no more for fifty than for one; Airflow is, by each, whether it is paused."""
    found = _with_refusals(found, ledger)
    ids = [make(one.name) for one in found for make in (names.provision_id, names.reconcile_id)]
    dags = dag_states(ids)
    plain = [
        EnvironmentState(
            one,
            read_pause(one.connection) if one.connection else None,
            dags.get(names.provision_id(one.name)),
            dags.get(names.reconcile_id(one.name)),
        )
        for one in found
    ]
    return sorted(plain if ledger is None else _with_ledger(plain, ledger), key=lambda one: one.urgency)


def _with_refusals(found: Collection[Coupling], ledger: Ledger | None) -> list[Coupling]:
    """Give the couplings; one whose connection another had first has that for its error."""
    newcomers = refused(ledger, mappings_folder())
    return [
        replace(one, error=newcomers[one.name].said) if one.name in newcomers and not one.error else one
        for one in found
    ]


def _with_ledger(plain: list[EnvironmentState], ledger: Ledger) -> list[EnvironmentState]:
    from moodle_coupling.ledger.approvals import waiting
    from moodle_coupling.ledger.leases import holder_of, holders, quarantines
    from moodle_coupling.ledger.mismatches import count_open
    from moodle_coupling.ledger.runs import last_good_run_of_each, latest_runs_of_each, runs_of_ids

    every = [one.name for one in plain]
    held, mismatches, away = quarantines(ledger), count_open(ledger), outages_of(ledger)
    runs, good = latest_runs_of_each(ledger, every, limit=RUNS), last_good_run_of_each(ledger, every)
    asked = waiting(ledger)
    their = runs_of_ids(ledger, {one.run for one in asked})
    now, leases = holders(ledger)
    at_work = {lease.environment for lease in leases if lease.expires > now}
    filled = [
        replace(
            one,
            quarantine=held.get(one.name),
            quarantine_over=one.name in held and held[one.name].until <= dt.datetime.now(dt.UTC),
            waiting=tuple(
                Waiting(their[ask.run], ask.reasons, ask.asked_at)
                for ask in asked
                if their[ask.run].environment == one.name
            ),
            busy=holder_of(ledger, one.name) if one.name in at_work else None,
            runs=tuple(runs[one.name]),
            mismatches=tuple(sorted(mismatches.get(one.name, _NONE).items(), key=lambda kind: (-kind[1], kind[0]))),
            outage=away.get(one.name),
            last_good=good.get(one.name),
        )
        for one in plain
    ]
    over = ended(run for one in filled for run in (*one.runs, *(wait.run for wait in one.waiting)))
    return [_without(one, over) for one in filled] if over else filled


def _without(state: EnvironmentState, over: Mapping[str, Run]) -> EnvironmentState:
    """Give an environment in which runs that are over in Airflow wait for nothing any more."""
    return replace(
        state,
        runs=tuple(over.get(run.id, run) for run in state.runs),
        waiting=tuple(wait for wait in state.waiting if wait.run.id not in over),
        outage=state.outage if state.outage is not None and state.outage.run not in over else None,
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run did, or on a dry run would do, in numbers of persons."""

    created: int
    updated: int
    rejected: int
    failed: int

    @property
    def total(self) -> int:
        """Give all of them together."""
        return self.created + self.updated + self.rejected + self.failed


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar: ``kind`` is one of SEGMENTS or 'nothing'."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One run: where its bar stands and what it is made of; ``run`` for its link and title."""

    run: Run
    figures: Figures
    x: float
    width: float
    parts: tuple[Part, ...]

    @property
    def is_written(self) -> bool:
        """Tell whether its figures were written; of a dry run and a rejected plan they were only planned."""
        counts = RunCounts(dict(self.run.counts))
        return counts.loaded or not counts.root


def figures_of(run: Run) -> Figures:
    """Count what a run did; where nothing was to be written (a dry run), what it would have done."""
    counts = RunCounts(dict(run.counts))
    number = counts.done if counts.loaded else counts.planned
    updated = sum(map(number, ("update", "link", "suspend", "reactivate")))
    rejected = counts.ended("rejected") if counts.loaded else counts.planned("reject")
    return Figures(number("create"), updated, rejected, counts.ended("failed") + counts.ended("unknown"))


def access_of(run: Run) -> AccessFigures | None:
    """Count what a run did with access to cohorts and courses; None where its mapping gives none."""
    return RunCounts(dict(run.counts)).access


def bars(runs: Sequence[Run]) -> list[Bar]:
    """Lay out the runs (latest first) from right to left; at most RUNS, the highest bar is as high as the chart."""
    shown = [(run, figures_of(run)) for run in runs[:RUNS]]
    highest = max((figures.total for _, figures in shown), default=0)
    step = WIDTH / RUNS
    return [
        Bar(run, figures, WIDTH - (number + 1) * step + 1, step - 2, tuple(_stack(figures, highest)))
        for number, (run, figures) in enumerate(shown)
    ][::-1]


def totals(runs: Sequence[Run]) -> Mapping[str, int]:
    """Add the figures of the runs shown, by segment; what was written, and not what a dry run or a rejected plan would have."""
    shown = [figures_of(run) for run in runs[:RUNS] if RunCounts(dict(run.counts)).loaded]
    return {kind: sum(getattr(figures, kind) for figures in shown) for kind in SEGMENTS}


def _stack(figures: Figures, highest: int) -> list[Part]:
    if not figures.total:
        return [Part("nothing", HEIGHT - _GROUND, _GROUND)]
    numbers = {kind: getattr(figures, kind) for kind in SEGMENTS if getattr(figures, kind)}
    heights = {kind: max(_LEAST, number / highest * HEIGHT) for kind, number in numbers.items()}
    squeeze = min(1.0, HEIGHT / sum(heights.values()))
    parts, top = [], float(HEIGHT)
    for kind, height in heights.items():
        top -= height * squeeze
        parts.append(Part(kind, round(top, 2), round(height * squeeze, 2)))
    return parts


@dataclass(frozen=True, slots=True)
class Done:
    """One thing someone did."""

    at: dt.datetime
    by: str
    what: str
    subject: str
    detail: str


def recent(ledger: Ledger, environment: str, texts: Texts, *, details: bool) -> list[Done]:
    """Give what was done lately, latest first; without ``details`` free text that may name a person is masked."""
    from moodle_coupling.ledger import activity

    return [
        Done(
            at=one.at,
            by=one.by,
            what=texts(ACTIONS[one.action]) if one.action in ACTIONS else one.action,
            subject=_subject(one, texts) if details or not _may_be_typed(one) else MASK,
            detail=_detail(one, texts) if details or _names_nobody(one.action) or not one.detail else MASK,
        )
        for one in activity.recent(ledger, environment, limit=LIMIT)
    ]


def _subject(one: Activity, texts: Texts) -> str:
    """Name what it was done to: 'mismatch 12' and 'account 5' in the reader's language."""
    if one.action.startswith(TOLD):
        return ""  # a digest, that the same thing is told once
    kind, _, number = one.subject.partition(" ")
    named = _SUBJECTS.get(kind) if number.isdecimal() else None
    return texts(named, n=number, account=number) if named else one.subject


def _detail(one: Activity, texts: Texts) -> str:
    """Give the detail in the reader's language: of 'link: 3 mismatches', 'CSV: 3 mismatches' and '3 decided: <run>' too."""
    first, _, rest = one.detail.partition(": ")
    if one.action == "assign":
        to, _, said = one.detail.rpartition(": ")
        return f"{to or '–'}: {_mismatches(said.partition(' ')[0], texts)}" if not one.subject else one.detail or "–"
    if one.action in {"decide", "export", "take back"}:
        what = texts(words.DECISIONS[first].text) if first in words.DECISIONS else first
        number = rest.partition(" ")[0]
        return f"{what}: {_mismatches(number, texts)}" if number.isdecimal() else what
    if one.action == "apply" and first.partition(" ")[0].isdecimal():
        return f"{_mismatches(first.partition(' ')[0], texts)}: {rest}"
    return texts.say(one.detail)


def _mismatches(number: str, texts: Texts) -> str:
    return texts.plural("{n} mismatch", "{n} mismatches", int(number))


def _may_be_typed(one: Activity) -> bool:
    """Tell whether the subject may be a name or an address that somebody typed, as earlier versions kept it."""
    return one.action in PERSONS and any(char in one.subject for char in "@ ")


def _names_nobody(action: str) -> bool:
    return action in ACTIONS and action not in FREE_TEXT
