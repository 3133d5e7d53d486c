"""How an environment is, for whoever asks on the command line: in sentences, and as data for machines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.airflow_internals import states_of_runs
from moodle_coupling.contract.facts import RunCounts
from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.ledger.words import UNDERWAY, RunState
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.words.sentence import Sentence, as_sentence, in_turn

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from moodle_coupling.hooks.pause import Pause
    from moodle_coupling.ledger.leases import Busy, Quarantine
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.runs import Run
    from moodle_coupling.ledger.shared_documents import Outage
    from moodle_coupling.orchestration.pause import Switch


# ---- Runs that the ledger takes for under way and Airflow does not: somebody marked or deleted them there, or their
# last task never ran.
#
# Whoever ends a run in Airflow ends its tasks, so that none is left to tell the ledger. Pages and commands show it as
# it is; the next run goes on from there.

_GONE: Final = "gone"
_OVER: Final = {
    "failed": (RunState.FAILED, "run.ended_in_airflow"),
    "success": (RunState.STOPPED, "run.ended_in_airflow"),
    _GONE: (RunState.STOPPED, "run.not_in_airflow"),
}


def ended(runs: Iterable[Run]) -> dict[str, Run]:
    """Give those of ``runs`` that are over in Airflow or no longer there, by id, with the state and the reason that they should have; one question for all.

    A run is recorded by one of its own tasks, so Airflow has had it: one that it does not have was deleted.
    """
    open_ = {(run.dag_id, run.run_id): run for run in runs if run.state in UNDERWAY}
    found = states_of_runs(open_) if open_ else {}
    over: dict[str, Run] = {}
    for key, run in open_.items():
        if (state := found.get(key, _GONE)) in _OVER:
            new, reason = _OVER[state]
            over[run.id] = replace(run, state=new, reason=Sentence(reason).written())
    return over


# ---- How an environment is ----

RUNS: Final = 5
_TIME: Final = "%Y-%m-%d %H:%M UTC"
_MODES: Final = {"changed": "changed", "full": "full", "dry run": "dry", "one person": "one_person"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that waits for an approval: of which run, since when, and why."""

    run: str
    since: dt.datetime
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """How one environment is; without a ledger (``known`` is False) only whether it is paused or its file is wrong.

    ``last_good`` is the latest run for everyone that ended well, ``runs`` the latest of all, latest first.
    """

    environment: str
    connection: str
    pause: Pause | None = None
    error: Sentence | None = None
    known: bool = False
    quarantine: Quarantine | None = None
    waiting: tuple[Waiting, ...] = ()
    busy: Busy | None = None
    outage: Outage | None = None
    mismatches: dict[str, int] = field(default_factory=dict)
    last_good: Run | None = None
    runs: tuple[Run, ...] = ()

    @property
    def state(self) -> str:
        """What stands first: wrong_mapping, paused, quarantined, waiting_approval, or active."""
        states = {
            "wrong_mapping": self.error,
            "paused": self.pause,
            "quarantined": self.quarantine,
            "waiting_approval": self.waiting,
        }
        return next((name for name, holds in states.items() if holds), "active")

    def lines(self) -> list[Sentence]:
        """Say it in sentences: the environment, and below it a line for each thing that is to be known."""
        state = Sentence("state.paused", pause=self.pause.said) if self.pause else Sentence(f"state.{self._head}")
        head = Sentence("state.environment", environment=self.environment, connection=self.connection, state=state)
        if not self.connection:  # of a file that is so wrong that it does not name one
            head = Sentence("state.nameless", environment=self.environment, state=state)
        below = [Sentence("state.wrong_mapping", error=self.error)] if self.error else []
        below += self._of_ledger() if self.known else []
        return [head, *(Sentence("state.line", said=line) for line in below)]

    @property
    def _head(self) -> str:
        return "active" if self.state == "active" else "held"

    def _of_ledger(self) -> list[Sentence]:
        from moodle_coupling.orchestration.outages import said

        lines = []
        if self.quarantine is not None:
            until, why = f"{self.quarantine.until:{_TIME}}", as_sentence(self.quarantine.reason)
            lines.append(Sentence("state.quarantined", until=until, level=self.quarantine.level, why=why))
        for one in self.waiting:
            why = in_turn(map(as_sentence, one.reasons))
            lines.append(Sentence("state.waiting", since=f"{one.since:{_TIME}}", run=one.run, why=why))
        if self.busy is not None:
            lines.append(Sentence("state.busy", run=self.busy.holder, since=f"{self.busy.since:{_TIME}}"))
        if self.outage is not None:
            lines.append(said(self.environment, self.outage))
        counts = [
            Sentence("report.number_of", number=number, what=Sentence(f"verdict.{kind}"))
            for kind, number in sorted(self.mismatches.items())
        ]
        number = sum(self.mismatches.values())
        lines.append(
            Sentence("state.mismatches", n=number, counts=counts) if counts else Sentence("state.no_mismatches")
        )
        if not self.runs:
            return [*lines, Sentence("state.no_run")]
        if self.last_good is None:
            lines.append(Sentence("state.no_good_run"))
        elif self.last_good.id not in {run.id for run in self.runs}:
            lines.append(Sentence("state.last_good", at=f"{self.last_good.started:{_TIME}}"))
        return [*lines, *map(_run_line, self.runs)]

    def data(self) -> dict[str, Any]:
        """Give it as JSON holds it: states and codes as the ledger has them, times in ISO 8601 (UTC), texts in English."""
        quarantine, pause, busy = self.quarantine, self.pause, self.busy
        return {
            "environment": self.environment,
            "connection": self.connection,
            "state": self.state,
            "error": str(self.error) if self.error else None,
            "pause": {"reason": str(pause.reason), "by": pause.by, "since": pause.since} if pause else None,
            "quarantine": {
                "since": quarantine.since.isoformat(),
                "until": quarantine.until.isoformat(),
                "level": quarantine.level,
                "reason": str(as_sentence(quarantine.reason)),
            }
            if quarantine
            else None,
            "waiting": [
                {
                    "run_id": one.run,
                    "since": one.since.isoformat(),
                    "reasons": [str(as_sentence(why)) for why in one.reasons],
                }
                for one in self.waiting
            ],
            "busy": {"run": busy.holder, "since": busy.since.isoformat(), "until": busy.expires.isoformat()}
            if busy
            else None,
            "outage": self.outage.model_dump(mode="json", exclude={"run"}) if self.outage else None,
            "mismatches": self.mismatches if self.known else None,
            "last_good": self.last_good.started.isoformat() if self.last_good else None,
            "runs": [_run_data(run) for run in self.runs],
        }


def status_of(switch: Switch, ledger: Ledger | None, error: Sentence | None = None) -> Status:
    """Find out how an environment is; ``error`` is what is wrong with its mapping file. Raises LedgerUnavailable."""
    pause = read_pause(switch.connection)
    if ledger is None:
        return Status(switch.environment, switch.connection, pause, error)
    from moodle_coupling.ledger.approvals import waiting
    from moodle_coupling.ledger.leases import holder_of, in_quarantine
    from moodle_coupling.ledger.mismatches import count_open
    from moodle_coupling.ledger.runs import get_run, last_good_run, latest_runs
    from moodle_coupling.orchestration.outages import outages_of
    from moodle_coupling.orchestration.status import ended

    name = switch.environment
    runs = latest_runs(ledger, name, limit=RUNS)
    asked = [(get_run(ledger, one.run), one) for one in waiting(ledger, name)]
    over = ended([*runs, *(run for run, _ in asked)])
    outage = outages_of(ledger).get(name)
    return Status(
        name,
        switch.connection,
        pause,
        error,
        known=True,
        quarantine=in_quarantine(ledger, name),
        waiting=tuple(
            Waiting(run.run_id, one.asked_at, tuple(one.reasons)) for run, one in asked if run.id not in over
        ),
        busy=holder_of(ledger, name),
        outage=outage if outage is not None and outage.run not in over else None,
        mismatches=count_open(ledger).get(name, {}),
        last_good=last_good_run(ledger, name),
        runs=tuple(over.get(run.id, run) for run in runs),
    )


def _run_line(run: Run) -> Sentence:
    known = _MODES.get(run.mode)
    why = as_sentence(run.reason) if run.reason else Sentence("state.unsaid")
    return Sentence(
        "state.run.dry" if why.code == "run.dry" else f"state.run.{run.state}",
        at=f"{run.started:{_TIME}}",
        mode=Sentence(f"state.mode.{known}") if known else run.mode,
        what=_what_it_did(RunCounts(dict(run.counts))),
        why=why,
        run=run.run_id,
    )


def _what_it_did(counts: RunCounts) -> list[Sentence]:
    done = {str(action): counts.done(action) for action in Action if action in WRITING_ACTIONS}
    if not any(done.values()) and counts.ended("done"):
        done = {"done": counts.ended("done")}
    figures = {**done, "rejected": counts.ended("rejected"), "failed": counts.ended("failed")}
    told = [Sentence(f"state.figure.{name}", n=number) for name, number in figures.items() if number]
    return told or [Sentence("state.figure.nothing")]


def _run_data(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "dag_id": run.dag_id,
        "mode": run.mode,
        "state": str(run.state),
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "counts": dict(run.counts),
        "reason": str(as_sentence(run.reason)) if run.reason else None,
    }
