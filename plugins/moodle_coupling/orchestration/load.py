"""Loading a part of a run's plan, or one person's: every intention and outcome in the ledger, and what was made so remembered."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.contract.columns import ACCESS_WRITES
from moodle_coupling.ledger import cells
from moodle_coupling.ledger.accounts import fingerprints, record_links
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.intentions import is_begun, mark_sent, mark_unsent, plan_intentions, unsettled
from moodle_coupling.ledger.outcomes import refused_before, run_outcomes, settle
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import FINAL, IntentionState, RunState
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.matching.selection import links_to_forget, which_to_remember
from moodle_coupling.orchestration.decisions import carried_out
from moodle_coupling.orchestration.figures import count_outcomes
from moodle_coupling.orchestration.pause import who
from moodle_coupling.orchestration.run import held, let_go
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.provisioning.load.loader import LoadResult, load
from moodle_coupling.provisioning.load.rows import (
    NOT_WHOLE,
    NOTHING_TO_DO,
    OUTCOME_COLUMNS,
    OutcomeStatus,
    sort_rows,
)
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.ledger.leases import Lease
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.run import Run
    from moodle_coupling.provisioning.load.job import Pace
    from moodle_coupling.provisioning.load.rows import Outcome
    from moodle_coupling.provisioning.wire import Moodle


_PERSON: Final = ("firstname", "lastname", "email")
"""Of the plan, beside OUTCOME_COLUMNS: people are found by them in the ledger."""
_PLANNED: Final = tuple(
    name for name in OUTCOME_COLUMNS if name not in ("row", "account_id", "status", "code", "message", "at")
)
_STOP_RULE: Final = StopRule()


class LedgerJournal:
    """The journal of a load of ``plan`` (PLAN_COLUMNS, or some of its rows) within a run of the ledger.

    With ``lease`` nothing is sent once another run has taken the environment over.
    """

    def __init__(self, ledger: Ledger, run: str, plan: pd.DataFrame, lease: Lease | None = None) -> None:
        self._ledger = ledger
        self._run = run
        self._lease = lease
        self._keys = cells.row_keys(plan)
        self._plan = plan

    # Lists once, not a frame for every batch: that cost as much as a batch's call on a fast site. Made while the first is under way.
    @cached_property
    def _numbers(self) -> dict[str, list[int | None]]:
        return {name: cells.integers(self._plan, name) for name in ("row", "account_id")}

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        return {name: cells.texts(self._plan, name) for name in (*_PLANNED, *_PERSON)}

    def sending(self, indexes: Sequence[int], batch: str) -> None:
        """Record that these rows go out now; raises LedgerUnavailable, LeaseLost, NotPlanned."""
        mark_sent(self._ledger, self._run, [self._keys[index] for index in indexes], batch, lease=self._lease)

    def withdrawn(self, indexes: Sequence[int]) -> None:
        """Record that these rows did not go out after all; raises LedgerUnavailable."""
        mark_unsent(self._ledger, self._run, [self._keys[index] for index in indexes])

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes; raises LedgerUnavailable.

        Of whom there was nothing to do nothing is recorded: a school would fill the ledger with them every half hour.
        """
        outcomes = [outcome for outcome in outcomes if outcome.code != NOTHING_TO_DO]
        if not outcomes:
            return
        chosen = [outcome.index for outcome in outcomes]
        planned = self._numbers["account_id"]
        accounts = [planned[one.index] if one.account_id is None else one.account_id for one in outcomes]
        rows: dict[str, Sequence[Any]] = {
            **{name: [texts[index] for index in chosen] for name, texts in self._texts.items()},
            "row": [self._numbers["row"][index] for index in chosen],
            "account_id": accounts,
            "status": [str(one.status) for one in outcomes],
            "code": [one.code for one in outcomes],
            "message": [one.written for one in outcomes],
            "at": [one.at for one in outcomes],
        }
        settle(self._ledger, self._run, rows)
        count_outcomes(self._lease.environment if self._lease else "", rows["action"], rows["status"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is with some rows of its plan.

    ``settled``: final outcomes (OUTCOME_COLUMNS) of earlier tries. ``waiting``: the rows of the plan that have none, in
    order. ``in_doubt``: positions in ``waiting`` of rows that were sent and of which nobody knows what became.
    """

    settled: pd.DataFrame
    waiting: pd.DataFrame
    in_doubt: frozenset[int]


def progress(ledger: Ledger, run: str, plan: pd.DataFrame) -> Progress:
    """Ask the ledger how far a run is with these rows; ask after ``plan_intentions``, which says which plan it is."""
    keys = cells.row_keys(plan)
    asked = keys if is_begun(ledger, run) else []
    outcomes = run_outcomes(ledger, run, keys=asked)
    final = outcomes["status"].isin(FINAL)
    done = set(outcomes.loc[final, "key"])
    states = unsettled(ledger, run, keys=asked)
    doubtful = set(states.loc[states["state"] == IntentionState.SENT, "key"])
    doubtful |= set(outcomes.loc[outcomes["status"] == OutcomeStatus.UNKNOWN, "key"])
    waiting = [key for key in keys if key not in done]
    return Progress(
        settled=outcomes.loc[final, list(OUTCOME_COLUMNS)].reset_index(drop=True),
        waiting=plan[[key not in done for key in keys]].reset_index(drop=True),
        in_doubt=frozenset(position for position, key in enumerate(waiting) if key in doubtful),
    )


def open_rows(ledger: Ledger, run: str, plan: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of the plan that have no final outcome in this run yet: what a retry must load."""
    return progress(ledger, run, plan).waiting


def load_with_ledger(  # noqa: PLR0913 - each is the run's own, and given by name
    part: pd.DataFrame,
    hook: Moodle,
    ledger: Ledger,
    run: str,
    *,
    digest: str,
    lease: Lease | None = None,
    stop: StopRule | None = _STOP_RULE,
    pace: Pace | None = None,
) -> LoadResult:
    """Load a part of a run's plan, or what earlier tries left of it; gives one outcome for every row of ``part``.

    ``digest`` names the whole plan (digests.plan_digest). Rows with a final outcome are not sent again; rows that were
    sent and not settled are looked up in Moodle first. Loaded to its end once, loading it again sends nothing.

    Raises LedgerUnavailable, NotInLedger and PlanInFlight when the ledger cannot be asked at the start; nothing was sent
    then. Whatever comes later, the ledger's failures included, is the result's ``stopped``.
    """
    work = sort_rows(part)
    keys = cells.row_keys(part)
    to_write = [item.index for item in work.changes] + [item.index for item in work.creates]
    plan_intentions(ledger, run, [keys[index] for index in to_write], digest=digest)
    found = progress(ledger, run, part)
    journal = LedgerJournal(ledger, run, found.waiting, lease)
    whole = len(found.waiting) == len(part)
    result = load(
        found.waiting,
        hook,
        work=work if whole else None,
        journal=journal,
        stop=stop,
        in_doubt=found.in_doubt,
        pace=pace,
    )
    return replace(result, outcomes=_in_order(keys, [found.settled, result.outcomes]))


def _in_order(keys: list[str], frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Put outcomes together in the order of the plan's keys."""
    together = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    by_key = {key: position for position, key in enumerate(cells.row_keys(together))}
    return together.iloc[[by_key[key] for key in keys]].reset_index(drop=True)


_OURS: Final = (Action.CREATE, Action.UPDATE, Action.LINK, Action.REACTIVATE, Action.SUSPEND)
_WRITES: Final = [action.value for action in (*WRITING_ACTIONS, *ACCESS_WRITES)]
_LATELY: Final = dt.timedelta(days=8)
"""Where an environment is run once a week, the last run is in it."""
BY_US: Final = "coupling"


def load_part(run: Run, part: pd.DataFrame, digest: str, lease: Lease) -> LoadResult:
    """Load a part (PART) of the plan that ``digest`` names, and write down which accounts are linked by now, and as what.

    A crash between the two costs nothing: the next run finds the accounts linked and writes them down.
    """
    result = load_with_ledger(
        part,
        run.hook(),
        run.ledger,
        run.record.id,
        digest=digest,
        lease=lease,
        stop=stop_rule(run, part, ("idnumber",), refused_before),
    )
    _remember(run, part, result.outcomes)
    carried_out(run, part, result.outcomes)
    return result


def stop_rule(
    run: Run, rows: pd.DataFrame, names: Sequence[str], refused: Callable[..., frozenset[tuple[Any, ...]]]
) -> StopRule:
    """Give when a load of these rows stops itself: of accounts, and of access.

    What Moodle refused in another run of the last days too (``refused``, by the columns ``names``) does not count again.
    """
    limits, known = run.mapping.limits, frozenset[tuple[Any, ...]]()
    if rows["action"].isin(_WRITES).any():
        known = refused(run.ledger, run.record.id, run.mapping.environment, within=_LATELY)
    keys = enumerate(rows[list(names)].itertuples(index=False, name=None))
    return StopRule(limits.stop_share, limits.stop_minimum, frozenset(at for at, key in keys if key in known))


def _remember(run: Run, part: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    environment = run.mapping.environment
    for links in new_links(part, outcomes, part["fingerprint"]):
        if len(links):
            record_links(run.ledger, environment, links)
    known = fingerprints(run.ledger, environment, idnumbers=list(part["idnumber"]))
    stale = links_to_forget(part, outcomes, known)
    if len(stale):
        record_links(run.ledger, environment, stale)


def new_links(part: pd.DataFrame, outcomes: pd.DataFrame, prints: pd.Series[str]) -> list[pd.DataFrame]:
    """Give frames for ``record_links``: who is as the source has it (with fingerprint), whom else we wrote, whom we suspended.

    ``outcomes`` has one row for each of ``part``, in the same order; ``prints`` the fingerprint on the index of ``part``.
    """
    remembered = which_to_remember(part, outcomes)
    done = (outcomes["status"] == "done").set_axis(part.index)
    account = outcomes["account_id"].set_axis(part.index)
    links = pd.DataFrame(
        {
            "idnumber": part["idnumber"],
            "account_id": account.fillna(part["account_id"]),
            "person_id": part["person_id"],
            "username": part["username"],
            "fingerprint": prints.where(remembered, ""),
            "created_by_us": (part["action"] == Action.CREATE.value)
            & outcomes["code"].set_axis(part.index).isin(("", *NOT_WHOLE)),
        }
    )
    ours = links["account_id"].notna() & (links["idnumber"] != "")
    wrote = done & part["action"].isin([action.value for action in _OURS])
    # A frame's columns hold for all its rows: what a link has of 'suspended_by' stays unless this run changed it.
    suspended = wrote & (part["action"] == Action.SUSPEND.value)
    reactivated = wrote & (part["action"] == Action.REACTIVATE.value)
    rest = (remembered | wrote) & ~suspended & ~reactivated
    return [
        _one_each(links[ours & rest]),
        _one_each(links[ours & suspended]).assign(suspended_by=BY_US),
        _one_each(links[ours & reactivated]).assign(suspended_by=""),
    ]


def _one_each(links: pd.DataFrame) -> pd.DataFrame:
    return links.drop_duplicates("idnumber").drop_duplicates("account_id")


COMMAND: Final = "moodle-coupling explain"
"""Stands for the DAG in the ledger's runs."""
_GOOD: Final = (OutcomeStatus.DONE, OutcomeStatus.SKIPPED)


def writer(ledger: Ledger, mapping: Mapping) -> Callable[[pd.DataFrame, MoodleHook], pd.DataFrame]:
    """Give the function that loads one person's plan and gives its outcomes (OUTCOME_COLUMNS).

    It raises EnvironmentBusy while a run writes to the environment, and LedgerUnavailable; then nothing was sent.
    """
    environment = mapping.environment

    def write(plan: pd.DataFrame, hook: MoodleHook) -> pd.DataFrame:
        run_id = f"{who()} {uuid.uuid4()}"
        holder = f"{COMMAND} {run_id}"
        with held(ledger, environment, holder) as lease:
            run = begin_run(ledger, environment, COMMAND, run_id, mode="one person")
            try:
                result = load_with_ledger(plan, hook, ledger, run.id, digest=plan_digest(plan), lease=lease)
                _remember_links(ledger, environment, plan, result.outcomes)
            except BaseException as error:
                end_run(ledger, run.id, RunState.FAILED, reason=type(error).__name__)
                raise
            finally:
                let_go(ledger, environment, holder)
        good = result.outcomes["status"].isin(_GOOD).all()
        counts = {str(status): int(count) for status, count in result.outcomes["status"].value_counts().items()}
        # Not 'done': one person is no load, and the first load of an environment still waits for its approval.
        end_run(
            ledger,
            run.id,
            RunState.STOPPED if good else RunState.FAILED,
            counts=counts,
            reason=Sentence("run.one_person").written(),
        )
        return result.outcomes

    return write


def _remember_links(ledger: Ledger, environment: str, plan: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    # The fingerprint is not known here, so the next run looks at this person itself.
    no_fingerprints = pd.Series("", index=plan.index, dtype="str")
    for links in new_links(plan, outcomes, no_fingerprints):
        if len(links):
            record_links(ledger, environment, links)
