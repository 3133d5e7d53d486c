"""How an environment is, as its card tells it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.orchestration import names
from moodle_coupling.orchestration.claims import refused
from moodle_coupling.settings import mappings_folder
from moodle_coupling.web.environments import chart
from moodle_coupling.web.environments import starts as starting

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from moodle_coupling.hooks.pause import Pause
    from moodle_coupling.ledger.leases import Busy
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.quarantine import Quarantine
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.web.base.couplings import Coupling
    from moodle_coupling.web.environments.starts import DagState


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
    def is_active(self) -> bool:
        """Tell whether nothing keeps its runs from going on."""
        held = self.quarantine is not None and not self.quarantine_over
        return not (self.coupling.error or self.pause or held or self.waiting or self.is_off)

    @property
    def is_off(self) -> bool:
        """Tell whether Airflow runs neither of its DAGs: both are switched off, or not read yet."""
        return not any(dag is not None and dag.is_on for dag in (self.provision, self.reconcile))


_NONE: Final[Mapping[str, int]] = {}


def states(found: Collection[Coupling], ledger: Ledger | None) -> list[EnvironmentState]:
    """Find out how environments are; two questions to Airflow's database for all, some to the ledger for each."""
    found = _with_refusals(found, ledger)
    ids = [make(one.name) for one in found for make in (names.provision_id, names.reconcile_id)]
    dags = starting.dag_states(ids)
    plain = [
        EnvironmentState(
            one,
            read_pause(one.connection) if one.connection else None,
            dags.get(names.provision_id(one.name)),
            dags.get(names.reconcile_id(one.name)),
        )
        for one in found
    ]
    return plain if ledger is None else _with_ledger(plain, ledger)


def _with_refusals(found: Collection[Coupling], ledger: Ledger | None) -> list[Coupling]:
    """Give the couplings; one whose connection another had first has that for its error."""
    newcomers = refused(ledger, mappings_folder())
    return [
        replace(one, error=newcomers[one.name].said) if one.name in newcomers and not one.error else one
        for one in found
    ]


def _with_ledger(plain: list[EnvironmentState], ledger: Ledger) -> list[EnvironmentState]:
    from moodle_coupling.ledger.mismatches import count_open

    mismatches = count_open(ledger)
    return [_filled(one, ledger, mismatches.get(one.name, _NONE)) for one in plain]


def _filled(state: EnvironmentState, ledger: Ledger, mismatches: Mapping[str, int]) -> EnvironmentState:
    from moodle_coupling.ledger.approvals import waiting
    from moodle_coupling.ledger.leases import holder_of
    from moodle_coupling.ledger.quarantine import in_quarantine
    from moodle_coupling.ledger.runs import get_run, latest_runs

    quarantine = in_quarantine(ledger, state.name)
    asked = waiting(ledger, state.name)
    return replace(
        state,
        quarantine=quarantine,
        quarantine_over=quarantine is not None and quarantine.until <= dt.datetime.now(dt.UTC),
        waiting=tuple(Waiting(get_run(ledger, one.run), one.reasons, one.asked_at) for one in asked),
        busy=holder_of(ledger, state.name),
        runs=tuple(latest_runs(ledger, state.name, limit=chart.RUNS)),
        mismatches=tuple(sorted(mismatches.items(), key=lambda one: (-one[1], one[0]))),
    )
