"""The second task of a run: is the site fit, which accounts are there, and what is to be done; nothing is written to Moodle."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.facts import CandidateFacts, SnapshotFacts, SourceFacts
from moodle_coupling.contract.frames import (
    BYSTANDERS,
    CANDIDATES,
    FINGERPRINTS,
    PLAN,
    PROFILE_TYPES,
    REASONS,
    SNAPSHOT,
    UNCHANGED,
    UNREADABLE,
)
from moodle_coupling.errors import MoodleDenied, MoodleUnavailable
from moodle_coupling.hooks.moodle.check import check_site, is_fit, lines_of
from moodle_coupling.ledger.accounts import AccountKeys, links_frame
from moodle_coupling.ledger.accounts import fingerprints as known_fingerprints
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.runs import tell_progress
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import only_asked, with_unchanged
from moodle_coupling.orchestration import access, parts, safety, staging
from moodle_coupling.orchestration import decisions as deciding
from moodle_coupling.orchestration.connection_checks import visibility_of, wants_of
from moodle_coupling.orchestration.once import once
from moodle_coupling.orchestration.run import LEASE, held
from moodle_coupling.orchestration.shared_staging import check_mark
from moodle_coupling.people.arrow import compact_memory
from moodle_coupling.people.table import empty, made
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.words.sentence import Sentence, in_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from moodle_coupling.matching.frames import Remembered
    from moodle_coupling.orchestration.parts import Chunk
    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)

PASSING_TROUBLE: Final = frozenset({"maintenance", "overloaded", "unreachable", "no_answer"})
"""Findings of a check that may be gone at the next try."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan came to: counts by step, whether somebody must approve it, and what tasks of their own load: parts, and access."""

    counts: dict[str, dict[str, int]]
    asks: bool
    chunks: list[Chunk]
    access: bool = False


def plan(run: Run) -> Planned:
    """Check the site, read the accounts, plan, weigh the plan and cut it into parts.

    Where nobody need be asked, what writes nothing is settled at once, so that no task starts for it. Accounts that were read
    are not read again by a later try that follows soon: as long as the environment stays this run's own.
    """
    compact_memory()
    check_mark(run)
    counts = {"check": check(run), "snapshot": once(run, snapshot, lasts=LEASE)}
    frame, counts["plan"] = make(run)
    if run.dry_run:
        return Planned(counts, asks=False, chunks=[])
    asks = counts["plan"]["safeguards"] > 0
    chunks = parts.cut(run, frame, all_load=asks)
    loads_access = run.mapping.access is not None and (asks or access.writes(run))
    if not loads_access:
        access.load(run, plan_digest(frame))  # no call is made for it
    return Planned(counts, asks, chunks, loads_access)


def check(run: Run) -> dict[str, int]:
    """Refuse a site on which a run cannot be right; the log says everything that was found."""
    findings = check_site(run.hook(), wants_of(run.mapping, run.ledger))
    if not is_fit(findings):
        said = in_lines([Sentence("check.unfit.environment", environment=run.mapping.environment), *lines_of(findings)])
        passing = any(finding.code in PASSING_TROUBLE for finding in findings)
        raise (MoodleUnavailable if passing else MoodleDenied)(said)
    log.info("%s", in_lines(lines_of(findings)))
    return dict(Counter(str(finding.level) for finding in findings))


def snapshot(run: Run) -> dict[str, int]:
    """Read the accounts that matter from Moodle; no call at all when nobody is to be looked at.

    On a full run those of everyone, and once before the first full run: what was read before a pause or a crash is not read again. How far it is stands in
    the log and in the ledger.
    """
    return _read_accounts(run) | access.look(run)


def _read_accounts(run: Run) -> dict[str, int]:
    candidates = staging.read_frame(run.folder, CANDIDATES.name)
    account_ids = _account_ids(run)
    staging.write_facts(run.folder, SnapshotFacts())
    if candidates.empty and not run.full and not account_ids:
        staging.write_frame(run.folder, SNAPSHOT.name, empty(SNAPSHOT))
        staging.write_frame(run.folder, PROFILE_TYPES.name, empty(PROFILE_TYPES))
        return {"accounts": 0, "unreadable": 0, "calls": 0}
    hook = run.hook()
    with held(run.ledger, run.mapping.environment, run.holder):
        service_userid = hook.site_info().userid
        read = read_accounts(
            hook,
            candidates,
            full=run.full,
            account_ids=[*account_ids, *deciding.chosen_accounts(run.ledger, run.mapping.environment)],
            settings=run.mapping.snapshot,
            known=links_frame(run.ledger, run.mapping.environment),
            keys=AccountKeys(run.ledger, run.mapping.environment),
            shared_email=run.mapping.matching.shared_email,
            keep=staging.FolderKeeper(run.folder),
            progress=partial(tell_progress, run.ledger, run.record.id, "snapshot"),
            untyped=run.mapping.untyped,
            visibility=visibility_of(run.mapping, run.ledger, own_id=service_userid),
        )
    accounts = read.accounts.assign(is_service_user=read.accounts["id"] == service_userid)
    staging.write_frame(run.folder, SNAPSHOT.name, accounts)
    staging.write_facts(run.folder, SnapshotFacts(unseen=tuple(read.unseen)))
    shown = made(PROFILE_TYPES, ({"shortname": name, "type": type_} for name, type_ in read.profile_types.items()))
    staging.write_frame(run.folder, PROFILE_TYPES.name, shown)
    staging.write_frame(
        run.folder,
        UNREADABLE.name,
        made(UNREADABLE, ({"field": field, "value": value} for field, value in read.unreadable_keys)),
    )
    if read.unreadable:
        log.warning("%d values could not be looked up: one odd account spoils Moodle's answer", len(read.unreadable))
    return {"accounts": len(accounts), "unreadable": len(read.unreadable), "calls": read.calls}


def make(run: Run) -> tuple[pd.DataFrame, dict[str, int]]:
    """Match the candidates with the accounts, plan what to do, and weigh the plan; gives the plan (PLAN) and its counts.

    What is found without anyone's decision goes into the ledger first; decisions on exactly that are then obeyed.
    """
    seen = staging.read_frame(run.folder, SNAPSHOT.name)
    accounts = seen.drop(columns="is_service_user")
    frame = deciding.planned(
        _planner(run, seen, accounts),
        deciding.remembered(run.ledger, run.mapping.environment, as_written=_as_written(run)),
        accounts,
        run.ledger,
        run.mapping.environment,
        note=None if run.dry_run else partial(deciding.record, run, accounts),
    )
    frame = with_unchanged(frame, staging.read_frame(run.folder, UNCHANGED.name))
    staging.write_frame(run.folder, PLAN.name, frame)
    of_access = access.make(run, frame)
    tripped = safety.weigh(run, frame, staging.read_facts(run.folder, CandidateFacts).in_scope)
    counts = {action.value: int((frame["action"] == action).sum()) for action in Action}
    return frame, counts | of_access | {"decided": int(frame["decision"].notna().sum()), "safeguards": len(tripped)}


def _planner(run: Run, seen: pd.DataFrame, accounts: pd.DataFrame) -> Callable[[Remembered], pd.DataFrame]:
    """Give what makes the plan from what is remembered; everything else is read once."""
    make = partial(
        make_plan,
        staging.read_frame(run.folder, CANDIDATES.name),
        staging.read_frame(run.folder, REASONS.name),
        accounts,
        run.mapping,
        service_userid=access.service_user_in(seen),
        full=run.full,
        bystanders=staging.read_frame(run.folder, BYSTANDERS.name),
        account_ids=_account_ids(run),
        profile_types=dict(
            staging.read_frame(run.folder, PROFILE_TYPES.name)[["shortname", "type"]].itertuples(index=False)
        ),
        unreadable=_unreadable(run),
        everyone_known=staging.read_facts(run.folder, SourceFacts).everyone,
    )

    def plan_with(known: Remembered) -> pd.DataFrame:
        frame = make(remembered=known)
        return only_asked(frame, run.person_ids, run.account_ids) if run.partial else frame

    return plan_with


def _unreadable(run: Run) -> list[tuple[str, str]]:
    """Give the keys (field, value) of accounts that Moodle cannot show; none where no account was read."""
    if not staging.has_frame(run.folder, UNREADABLE.name):
        return []
    frame = staging.read_frame(run.folder, UNREADABLE.name)
    return list(zip(frame["field"], frame["value"], strict=True))


def _account_ids(run: Run) -> Sequence[int]:
    """Give the accounts of nobody that are looked at: those asked for, or those on which something was decided."""
    if run.partial or run.full:
        return run.account_ids
    return deciding.decided_orphans(run.ledger, run.mapping.environment)


def _as_written(run: Run) -> list[int]:
    """Give the rows of whom the source says what was last written; what differs in Moodle was changed there."""
    candidates = staging.read_frame(run.folder, CANDIDATES.name)
    prints = staging.read_frame(run.folder, FINGERPRINTS.name).set_index("row")["fingerprint"]
    before = known_fingerprints(run.ledger, run.mapping.environment).set_index("idnumber")["fingerprint"]
    written = candidates["idnumber"].map(before[before != ""])
    return [int(row) for row in candidates.loc[written == candidates["row"].map(prints), "row"]]
