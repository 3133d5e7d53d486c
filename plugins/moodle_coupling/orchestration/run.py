"""One run of one coupling: its mapping, its parameters, its folder and its place in the ledger; made anew in every task."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from moodle_coupling import settings
from moodle_coupling.contract.facts import SourceFacts
from moodle_coupling.errors import EnvironmentBusy, SettingError
from moodle_coupling.mapping.file import SUFFIX, load_mapping
from moodle_coupling.mapping.folder import load_all, shared_connections
from moodle_coupling.orchestration.staging import find_facts, run_folder
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Mapping as AbcMapping

    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.hooks.moodle.connection import MoodleSettings
    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.ledger.leases import Lease
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run as Record
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.mapping.file import MappingFileError
    from moodle_coupling.words.sentence import Texts


# ---- The mapping files of a folder: checked beforehand, and whose connection it is where two of them name one ----


def refuse_newcomer(ledger: Ledger, mapping: Mapping, folder: Path) -> None:
    """Note whose connection it is; raises MappingFileError where that is another mapping file of this folder."""
    from moodle_coupling.ledger.leases import claim

    shared = next(iter(shared_connections(folder, mapping.connection)), None)
    owner = claim(ledger, mapping.connection, shared.environments if shared else (mapping.environment,))
    if shared and owner != mapping.environment:
        raise shared.error(folder, mapping.environment, owner)


def refused(ledger: Ledger | None, folder: Path) -> dict[str, MappingFileError]:
    """Give the environments that are refused, each with its error; without a ledger the first by name counts as the owner."""
    from moodle_coupling.ledger.leases import owner_of

    found: dict[str, MappingFileError] = {}
    for shared in shared_connections(folder):
        names = shared.environments
        owner = owner_of(ledger, shared.connection, names) if ledger is not None else min(names)
        found |= {name: shared.error(folder, name, owner) for name in names if name != owner}
    return found


def validated(given: Path, ledger: Ledger | None, texts: Texts) -> tuple[list[str], bool]:
    """Give a table of the mapping files with what is wrong below it, and whether all is right.

    ``given`` is a folder, or one mapping file of it. Whose connection it is where two files name one is known from the
    ledger; without one the first by name counts.
    """
    folder = given if given.is_dir() else given.parent
    mappings, errors = load_all(folder)
    wrong = {error.path.name if error.path else "": texts.say(error.said) for error in errors}
    for name, refusal in refused(ledger, folder).items():
        wrong[f"{name}{SUFFIX}"] = "\n".join(filter(None, (wrong.get(f"{name}{SUFFIX}"), texts.say(refusal.said))))
    known = {f"{one.environment}{SUFFIX}": one for one in mappings}
    files = sorted(wrong.keys() | known.keys())
    if not given.is_dir():
        files = [name for name in files if name == given.name]
    if not files:
        return [texts.say(Sentence("commands.no_mappings", folder=str(given)))], given.is_dir()
    return _table(files, known, wrong, texts), not wrong.keys() & set(files)


def _table(files: list[str], known: dict[str, Mapping], wrong: dict[str, str], texts: Texts) -> list[str]:
    word = {
        name: texts.say(Sentence(f"validate.{name}"))
        for name in ("file", "connection", "provision", "reconcile", "is", "right", "wrong", "by_hand")
    }
    rows = [tuple(word[name] for name in ("file", "connection", "provision", "reconcile", "is"))]
    for name in files:
        one = known.get(name)
        is_right = word["wrong" if name in wrong else "right"]
        schedules = (one.schedule.provision, one.schedule.reconcile) if one else ("", "")
        times = (schedule or word["by_hand"] for schedule in schedules) if one else schedules
        rows.append((name, one.connection if one else "", *times, is_right))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    bad = [name for name in files if name in wrong]
    told = [line for name in bad for line in wrong[name].splitlines()]
    count = texts.say(Sentence("validate.count", n=len(files), wrong=len(bad)))
    return [*lines, "", *told, *([""] if told else []), count]


# ---- One run of one coupling ----

LEASE: Final = dt.timedelta(minutes=10)
"""How long an environment stays taken after the run that holds it was last heard of."""


def the_ledger() -> Ledger:
    """Open the configured ledger; raises LedgerSchemaError when ``moodle-coupling db upgrade`` must be run first."""
    from moodle_coupling.ledger.ledger import open_ledger

    return open_ledger(settings.ledger_url())


@contextlib.contextmanager
def held(ledger: Ledger, environment: str, holder: str) -> Iterator[Lease]:
    """Hold an environment for one run, and go on saying so while the block runs.

    ``holder`` names the run: its tasks share the lease, and it stays theirs after the block, until :func:`let_go` or
    until it runs out. Raises EnvironmentBusy when another run has it.
    """
    from moodle_coupling.ledger.errors import LedgerConflict, LedgerUnavailable
    from moodle_coupling.ledger.leases import Busy, acquire, heartbeat

    lease = acquire(ledger, environment, holder, ttl=LEASE)
    if isinstance(lease, Busy):
        since = f"{lease.since:%Y-%m-%d %H:%M}"
        raise EnvironmentBusy(Sentence("run.busy", environment=environment, run=lease.holder, since=since))
    done = threading.Event()

    def beat() -> None:
        while not done.wait(LEASE.total_seconds() / 4):
            # A lost lease is noticed where it matters: by the journal, before the next batch is sent.
            with contextlib.suppress(LedgerConflict, LedgerUnavailable):
                heartbeat(ledger, lease, ttl=LEASE)

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        done.set()
        thread.join()


def let_go(ledger: Ledger, environment: str, holder: str) -> None:
    """Let the next run have the environment, if this run holds it."""
    from moodle_coupling.ledger.leases import Busy, acquire, release

    found = acquire(ledger, environment, holder, ttl=LEASE)
    if not isinstance(found, Busy):
        release(ledger, found)


class State(Protocol):
    """The asset state store of one asset."""

    def get(self, key: str) -> Any:
        """Give what is kept under a key; None when nothing is."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What every step of a run needs.

    ``person_ids`` and ``account_ids`` (orphans) are empty for everyone; ``full`` compares every account of the Moodle, so
    that orphans show; ``dry_run`` stops after the plan; ``scheduled`` is False when a person started it. ``holder`` is the
    run's name in messages and leases. ``source_state`` is the state store of the source's asset, in the tasks that have it.
    ``series`` tells tries of a task that follow each other by themselves from those after somebody cleared it.
    """

    mapping: Mapping
    mapping_path: Path
    folder: ObjectStoragePath
    ledger: Ledger
    record: Record
    holder: str
    person_ids: tuple[str, ...] = ()
    account_ids: tuple[int, ...] = ()
    full: bool = False
    dry_run: bool = False
    scheduled: bool = False
    started_by: str = ""
    series: int = 0
    source_state: State | None = None

    @property
    def partial(self) -> bool:
        """Whether it is for some persons or accounts only."""
        return bool(self.person_ids or self.account_ids)

    def hook(self) -> MoodleHook:
        """Give the hook of this environment: it outlasts a short outage, and refuses every request during a pause."""
        from moodle_coupling.hooks.moodle.hook import MoodleHook

        return MoodleHook(self.mapping.connection, patient=True)


def open_run(mapping_path: str, context: AbcMapping[str, Any]) -> Run:
    """Make the run from the task's context, with the connection's defaults where the mapping says nothing.

    Raises MappingError when the mapping file is wrong by now or another had its connection first, SettingError when the connection is, LedgerSchemaError when
    the ledger is not of this version.
    """
    from moodle_coupling.hooks.moodle.connection import read_settings
    from moodle_coupling.ledger.runs import begin_run, find_run
    from moodle_coupling.ledger.words import DRY_RUN

    path = Path(mapping_path)
    mapping = load_mapping(path)
    mapping = with_defaults(mapping, read_settings(mapping.connection))
    dag_run, params = context["dag_run"], context["params"]
    persons = tuple(params.get("person_ids") or ())
    accounts = _numbers(params.get("account_ids") or ())
    ledger = the_ledger()
    refuse_newcomer(ledger, mapping, path.parent)
    folder = run_folder(mapping.environment, dag_run.run_after, dag_run.dag_id, dag_run.run_id)
    mode = DRY_RUN if params.get("dry_run") else str(params.get("mode") or "changed")
    found = find_run(ledger, mapping.environment, dag_run.dag_id, dag_run.run_id)
    return Run(
        mapping=mapping.leaving_alone(left_alone(folder)),
        mapping_path=path,
        folder=folder,
        ledger=ledger,
        record=found or begin_run(ledger, mapping.environment, dag_run.dag_id, dag_run.run_id, mode=mode),
        holder=f"{dag_run.dag_id} {dag_run.run_id}",
        person_ids=persons,
        account_ids=accounts,
        full=params.get("mode") == "full" and not persons and not accounts,
        dry_run=bool(params.get("dry_run")),
        scheduled=str(dag_run.run_type) in {"scheduled", "DagRunType.SCHEDULED", "backfill"},
        source_state=_source_state(context, mapping.environment),
        series=int(context["ti"].max_tries or 0),  # clearing a task raises it, and nothing else does
        started_by=str(getattr(dag_run, "triggering_user_name", None) or "a manual run"),
    )


def _source_state(context: AbcMapping[str, Any], environment: str) -> State | None:
    from moodle_coupling.orchestration.names import persons_asset

    asset = persons_asset(environment)
    if not any(getattr(inlet, "name", "") == asset.name for inlet in context["task"].inlets):
        return None
    found: State = context["asset_state_store"][asset]
    return found


def _numbers(values: Iterable[object]) -> tuple[int, ...]:
    wrong = [value for value in values if not str(value).strip().isdecimal()]
    if wrong:
        raise SettingError(Sentence("run.no_account_id", value=str(wrong[0])))
    return tuple(int(str(value)) for value in values)


def left_alone(folder: ObjectStoragePath) -> tuple[str, ...]:
    """Give the columns that the source of this run does not bring, whose fields stay as they are; none before it was read."""
    facts = find_facts(folder, SourceFacts)
    return facts.left_alone if facts else ()


def with_defaults(mapping: Mapping, settings: MoodleSettings) -> Mapping:
    """Give the mapping with the connection's defaults for new accounts, where the file names no such field."""
    return mapping.with_defaults(
        auth=settings.default_auth, lang=settings.default_lang, country=settings.default_country
    )
