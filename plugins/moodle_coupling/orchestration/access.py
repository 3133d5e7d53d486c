"""Access in a run: its list read, its targets looked at, its plan made, weighed and loaded, and told of at the end.

Each function is one step's part of it, and does nothing where the mapping does not say ``access:``. Frames and facts stand in
the run's folder, like those of the accounts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling import settings
from moodle_coupling.access.plan import Circumstances, access_body, evaluate_access, plan_access, unlooked
from moodle_coupling.access.questions import kept_in
from moodle_coupling.access.wanted import targets_of, utc_text, wanted_access
from moodle_coupling.contract.columns import ACCESS_WRITES, WAITING, AccessAction, AccessCode, TargetKind
from moodle_coupling.contract.facts import ACCESS, DONE, PLANNED, AccessFacts, AccessListFacts, SourceFacts
from moodle_coupling.contract.frames import (
    ACCESS_LIST,
    ACCESS_MEMBERS,
    ACCESS_OUTCOMES,
    ACCESS_PLAN,
    ACCESS_TARGETS,
    ACCESS_WANTED,
    BYSTANDERS,
    CANDIDATES,
    PERSONS,
    SNAPSHOT,
)
from moodle_coupling.contract.safe_text import as_csv, plain
from moodle_coupling.hooks.moodle.probes import AccessWants
from moodle_coupling.ledger.access import (
    REFUSED_KEY,
    access_digest,
    access_outcomes,
    ever_gave,
    given_access,
    intention_key,
    keep_as,
    known_targets,
    note_found,
    refused_access,
    settle_access,
)
from moodle_coupling.ledger.accounts import absences, links_frame
from moodle_coupling.ledger.decisions import protections
from moodle_coupling.ledger.intentions import mark_sent, mark_unsent, plan_intentions, unsettled
from moodle_coupling.ledger.outcomes import run_outcomes
from moodle_coupling.ledger.words import FINAL, IntentionState
from moodle_coupling.mapping import MissingTargets
from moodle_coupling.mapping.access import STUDENT
from moodle_coupling.mapping.file import source_base
from moodle_coupling.matching.view import protected_accounts
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.access_questions import Asking, with_names
from moodle_coupling.orchestration.coachview_sharing import through_the_ledger
from moodle_coupling.orchestration.load import stop_rule
from moodle_coupling.orchestration.run import held
from moodle_coupling.people.cleaning import clean_text
from moodle_coupling.people.table import empty
from moodle_coupling.provisioning.access.loader import load_access
from moodle_coupling.provisioning.access.targets import COURSE_FIELD, TargetsRead, read_targets
from moodle_coupling.provisioning.load.rows import OutcomeStatus
from moodle_coupling.sources.access_list import ListRead, read_list
from moodle_coupling.words.meanings import in_words
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Mapping as AbcMapping
    from pathlib import Path

    from moodle_coupling.access.questions import Target
    from moodle_coupling.ledger.leases import Lease
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.matching.safeguards import Tripped
    from moodle_coupling.orchestration.run import Run
    from moodle_coupling.words.sentence import Texts

log = logging.getLogger(__name__)

CSV_FILE: Final = "access_plan.csv"
_KEY: Final = ["account_id", "kind", "target"]
_COHORT, _COURSE = TargetKind.COHORT.value, TargetKind.COURSE.value
_WRITES: Final = [action.value for action in ACCESS_WRITES]
_WAITING: Final = [code.value for code in WAITING]


# ---- reading ---------------------------------------------------------------------------------------------------------


def extract(run: Run) -> None:
    """Read the mapping's list of access, where it has one."""
    if _waits_for_a_full_run(run):
        # Without a row of it the list is not whole, so that nothing is taken back.
        found: ListRead | None = ListRead(empty(ACCESS_LIST), whole=False)
        log.info("The list of access is read by full runs only: nothing is given or taken back by it.")
    else:
        found = listed(run.mapping, run.mapping_path)
    if found is None:
        return
    staging.write_frame(run.folder, ACCESS_LIST.name, found.rows)
    facts = AccessListFacts(whole=found.whole, warnings=tuple(one.written() for one in found.warnings))
    staging.write_facts(run.folder, facts)
    for warning in found.warnings:
        log.warning("%s", warning)


def _waits_for_a_full_run(run: Run) -> bool:
    source = run.mapping.access.source if run.mapping.access is not None else None
    return source is not None and source.of_full_runs and not run.full and not run.partial


def listed(mapping: Mapping, mapping_path: Path, *, ids: Collection[str] = ()) -> ListRead | None:
    """Give the mapping's list of access, cleaned, or one person's rows by his ``ids``; None where it has none.

    Raises SourceError, SourceUnavailable, CoachviewError.
    """
    if mapping.access is None or mapping.access.source is None:
        return None
    found = read_list(mapping.access.source, source_base(mapping_path), through_the_ledger(), ids=ids)
    return replace(found, rows=found.rows.assign(**{name: clean_text(found.rows[name]) for name in ACCESS_LIST.texts}))


def look(run: Run) -> dict[str, int]:
    """Say who belongs where, and read the cohorts and courses that matter: on a run for what changed only where something did."""
    access = run.mapping.access
    if access is None:
        return {}
    everyone = _everyone(run)
    rows = _read(run, ACCESS_LIST) if staging.has_frame(run.folder, ACCESS_LIST.name) else None
    belong = partial(wanted_access, staging.read_frame(run.folder, PERSONS.name), everyone, run.mapping, rows)
    named, given = belong(), given_access(run.ledger, run.mapping.environment)
    asking = Asking(run, named, given)
    names = asking.names
    wanted = belong(names=names) if names else named
    targets = _targets(run, wanted, given, everyone, names)
    read = TargetsRead(empty(ACCESS_TARGETS), empty(ACCESS_MEMBERS))
    if targets:
        asked = asking.names_of(targets)
        kept = {
            target: number for target, number in _numbers(given).items() if target in targets and target not in asked
        }
        with held(run.ledger, run.mapping.environment, run.holder):
            read = read_targets(run.hook(), asked, access, kept=kept, stood=asking.stood, decide=asking.decide)
            asking.record(asked, read)
        names = {target: name for target, name in names.items() if target not in asked} | read.names
        wanted = belong(names=names) if names else named
    staging.write_frame(run.folder, ACCESS_WANTED.name, wanted)
    staging.write_frame(run.folder, ACCESS_TARGETS.name, read.targets)
    staging.write_frame(run.folder, ACCESS_MEMBERS.name, read.members)
    facts = AccessFacts(
        roles=read.roles,
        names=tuple((*target, name) for target, name in sorted(names.items())),
        kept=tuple((kind, number, name) for (kind, name), number in sorted(read.kept.items())),
        asked=asking.asked(read.questions),
    )
    staging.write_facts(run.folder, facts)
    return {f"{ACCESS}targets": len(targets), f"{ACCESS}members": len(read.members)}


def _numbers(given: pd.DataFrame) -> dict[Target, int]:
    """Give the cohorts and courses in which we gave something, as they are kept, with their numbers."""
    ours = given[given["ours"]].drop_duplicates(["kind", "target"])
    return {
        (kind, name): int(number)
        for kind, name, number in ours[["kind", "target", "target_id"]].itertuples(index=False)
    }


def _everyone(run: Run) -> pd.DataFrame:
    parts = [staging.read_frame(run.folder, frame.name) for frame in (CANDIDATES, BYSTANDERS)]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _read(run: Run, frame: Any) -> pd.DataFrame:
    return staging.read_frame(run.folder, frame.name)


def _targets(
    run: Run, wanted: pd.DataFrame, given: pd.DataFrame, everyone: pd.DataFrame, names: AbcMapping[Target, str]
) -> list[Target]:
    """Give the targets that matter, as they are kept."""
    access = run.mapping.access
    if access is None:
        return []
    access = with_names(access, names)
    ours = given[given["ours"]]
    if run.partial:
        asked = _read(run, CANDIDATES)
        wanted, ours = wanted[wanted["row"].isin(asked["row"])], ours[ours["idnumber"].isin(asked["idnumber"])]
    pairs = targets_of([wanted, ours])
    if run.full:
        owned = pd.DataFrame({"kind": TargetKind.COHORT.value, "target": pd.Series(access.owned, dtype="str")})
        pairs = targets_of([pairs, owned])
    elif not run.partial:
        here = everyone.loc[everyone["in_scope"], "idnumber"]
        links = links_frame(run.ledger, run.mapping.environment)
        links = links[links["idnumber"].isin(here)]
        accounts = dict(zip(links["idnumber"], links["account_id"].astype("int64").tolist(), strict=True))
        looked = unlooked(wanted, given, accounts, access, _now(), list_read=not _waits_for_a_full_run(run))
        quiet = set(looked.itertuples(index=False, name=None))
        # Targets of leavers alone are for the next full run.
        stay = ours["account_id"].isin(list(accounts.values()))
        quiet |= _pairs(ours[~stay]) - _pairs(wanted) - _pairs(ours[stay])
        pairs = pairs[[pair not in quiet for pair in pairs.itertuples(index=False, name=None)]]
    return list(pairs.itertuples(index=False, name=None))


def _pairs(frame: pd.DataFrame) -> set[tuple[str, str]]:
    return set(targets_of([frame]).itertuples(index=False, name=None))


def _now() -> int:
    return int(dt.datetime.now(dt.UTC).timestamp())


# ---- planning --------------------------------------------------------------------------------------------------------


def make(run: Run, accounts: pd.DataFrame) -> dict[str, int]:
    """Make the plan of access after that of the accounts (PLAN), and put it into the run's folder, as a spreadsheet too."""
    access = run.mapping.access
    if access is None:
        return {}
    facts = staging.read_facts(run.folder, AccessFacts)
    access = with_names(access, {(kind, named): name for kind, named, name in facts.names})
    if not run.dry_run:
        keep_as(run.ledger, run.mapping.environment, facts.kept)
    given = kept_in(given_access(run.ledger, run.mapping.environment), facts.kept)
    plan = plan_access(
        _read(run, ACCESS_WANTED),
        accounts,
        _read(run, ACCESS_TARGETS),
        _read(run, ACCESS_MEMBERS),
        given,
        access,
        _circumstances(run, accounts, facts),
    )
    staging.write_frame(run.folder, ACCESS_PLAN.name, plan)
    staging.write_text(run.folder, CSV_FILE, spreadsheet(plan, settings.texts()))
    staging.write_facts(run.folder, facts.model_copy(update={"digest": access_digest(plan)}))
    return {f"{ACCESS}{action}": int((plan["action"] == action).sum()) for action in AccessAction}


def _circumstances(run: Run, accounts: pd.DataFrame, facts: AccessFacts) -> Circumstances:
    seen = _read(run, SNAPSHOT)
    everyone = _everyone(run)
    marked = protections(run.ledger, run.mapping.environment)
    by = dict(zip(marked["account_id"].astype("int64").tolist(), marked["by"], strict=True))
    why = protected_accounts(seen, run.mapping, service_user_in(seen), by)
    matching = run.mapping.matching
    named = accounts["idnumber"].isin(matching.protected_idnumbers)
    named |= accounts["username"].isin(matching.protected_usernames)
    protected = {*by, *seen["id"].iloc[list(why)].tolist()}
    protected |= set(accounts.loc[named, "account_id"].dropna().astype("int64").tolist())
    told = staging.find_facts(run.folder, AccessListFacts)
    return Circumstances(
        now=_now(),
        full=run.full,
        partial=run.partial,
        gone=_gone(run.ledger, run.mapping),
        everyone_known=staging.read_facts(run.folder, SourceFacts).everyone,
        explained=frozenset(everyone.loc[~everyone["in_scope"], "idnumber"]) - {""},
        list_whole=told is None or told.whole,
        protected=frozenset(int(account) for account in protected),
        known=frozenset(seen["id"].tolist()),
        idnumbers=dict(zip(seen["id"].tolist(), seen["idnumber"].tolist(), strict=True)),
        roles=facts.roles,
        asked={(kind, name): frozenset(numbers) for kind, name, numbers in facts.asked},
    )


def service_user_in(seen: pd.DataFrame) -> int | None:
    """Give the account of the service user among those read (SNAPSHOT), None where it is not among them."""
    service = seen.loc[seen["is_service_user"], "id"]
    return int(service.iloc[0]) if len(service) else None


def _gone(ledger: Ledger, mapping: Mapping) -> frozenset[str]:
    """Give the idnumbers of accounts that are nobody's for as long as the mapping's leavers have."""
    found, now = absences(ledger, mapping.environment), pd.Timestamp.now(tz="UTC")
    over = (now - found["since"]).dt.days >= mapping.leavers.grace_days
    return frozenset(found.loc[over, "idnumber"]) - {""}


def weigh(run: Run) -> tuple[tuple[Tripped, ...], str]:
    """Give the safeguards that the plan of access goes beyond, and what a person reads of them (Markdown, no names)."""
    access = run.mapping.access
    if access is None or not staging.has_frame(run.folder, ACCESS_PLAN.name):
        return (), ""
    plan, environment = _read(run, ACCESS_PLAN), run.mapping.environment
    given = given_access(run.ledger, environment)
    ever = ever_gave(run.ledger, environment)
    tripped = evaluate_access(
        plan, _read(run, ACCESS_MEMBERS), given, access.safeguards, ever_given=ever, partial=run.partial
    )
    writes = bool(plan["action"].isin(_WRITES).any())
    return tripped, access_body(plan, tripped, settings.texts()) if writes else ""


def whole_digest(run: Run, digest: str) -> str:
    """Name the whole of what a run would write: the plan of accounts of that digest, and the plan of access where there is one."""
    facts = staging.find_facts(run.folder, AccessFacts) if run.mapping.access is not None else None
    if facts is None or not facts.digest:
        return digest
    return hashlib.sha256(f"{digest} {facts.digest}".encode()).hexdigest()


def writes(run: Run) -> bool:
    """Tell whether the run's plan of access writes anything."""
    return (
        run.mapping.access is not None
        and staging.has_frame(run.folder, ACCESS_PLAN.name)
        and bool(_read(run, ACCESS_PLAN)["action"].isin(_WRITES).any())
    )


# ---- loading ---------------------------------------------------------------------------------------------------------


class LedgerAccessJournal:
    """The journal of a load of access in a run's ledger; nothing is sent once another run has taken the environment over."""

    def __init__(self, run: Run, plan: str, lease: Lease) -> None:
        self._run, self._plan, self._lease = run, plan, lease

    def sending(self, positions: Sequence[int], batch: str) -> None:
        """Record that these rows go out now; raises LedgerUnavailable, LeaseLost, NotPlanned."""
        keys = [intention_key(self._plan, at) for at in positions]
        mark_sent(self._run.ledger, self._run.record.id, keys, batch, lease=self._lease)

    def withdrawn(self, positions: Sequence[int]) -> None:
        """Record that these rows did not go out after all; raises LedgerUnavailable."""
        mark_unsent(self._run.ledger, self._run.record.id, [intention_key(self._plan, at) for at in positions])

    def settled(self, outcomes: pd.DataFrame) -> None:
        """Record outcomes; raises LedgerUnavailable."""
        settle_access(self._run.ledger, self._run.record.id, self._plan, outcomes)


def load(run: Run, digest: str) -> dict[str, int]:
    """Load the plan of access, after the accounts; ``digest`` names the plan of accounts (cells.plan_digest).

    What an earlier try settled is on record in the ledger and not sent again. Raises what stopped the load, after its outcomes
    so far are written down.
    """
    if run.mapping.access is None:
        return {}
    plan, ledger, record = _read(run, ACCESS_PLAN), run.ledger, run.record.id
    name = staging.read_facts(run.folder, AccessFacts).digest
    writing = [int(at) for at in plan.index[plan["action"].isin(_WRITES)]]
    plan_intentions(ledger, record, [intention_key(name, at) for at in writing], digest=digest)
    earlier = access_outcomes(ledger, record, name)
    doubtful = set(earlier.loc[earlier["status"] == OutcomeStatus.UNKNOWN, "position"].astype("int64"))
    states = unsettled(ledger, record)
    sent = set(states.loc[states["state"] == IntentionState.SENT, "key"])
    doubtful |= {at for at in writing if intention_key(name, at) in sent}
    final = _with_windows(earlier[earlier["status"].isin(FINAL)], plan)
    rows = _with_accounts(run, plan)
    with held(ledger, run.mapping.environment, run.holder) as lease:
        journal = LedgerAccessJournal(run, name, lease)
        result = load_access(
            rows,
            run.hook(),
            journal,
            settled=final,
            in_doubt=doubtful,
            stop=stop_rule(run, rows, REFUSED_KEY, refused_access),
        )
    staging.write_frame(run.folder, ACCESS_OUTCOMES.name, result.outcomes)
    if result.stopped is not None:
        raise result.stopped
    _remember(run, plan, result.outcomes)
    return {str(status): int(count) for status, count in result.outcomes["status"].value_counts().items()}


def _with_accounts(run: Run, plan: pd.DataFrame) -> pd.DataFrame:
    """Give the plan with the accounts that this run made."""
    done = run_outcomes(run.ledger, run.record.id, statuses=[OutcomeStatus.DONE.value]).dropna(
        subset=["row", "account_id"]
    )
    made_now = done.drop_duplicates("row").set_index("row")["account_id"]
    return plan.assign(account_id=plan["account_id"].fillna(plan["row"].map(made_now).astype("Int64")))


def _with_windows(outcomes: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """Give outcomes of the ledger in the columns of the frame: the windows stand in the plan."""
    rows = plan.iloc[outcomes["position"].astype("int64").tolist()].reset_index(drop=True)
    told = outcomes.reset_index(drop=True)
    for column in ("timestart", "timeend", "suspended", "target_id"):
        told[column] = rows[column]
    return told[list(ACCESS_OUTCOMES.names)].astype(ACCESS_OUTCOMES.dtypes)


def _remember(run: Run, plan: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    """Note what was found in Moodle and not written: access that is there without us, and access that is gone."""
    environment = run.mapping.environment
    given = given_access(run.ledger, environment)
    rows = plan.assign(account_id=outcomes["account_id"], found=outcomes["code"], target_id=outcomes["target_id"])
    rows = rows[rows["account_id"].notna() & rows["target_id"].notna()].astype({"account_id": "int64"})
    there = rows["found"] == AccessCode.ALREADY_THERE
    known = given.assign(known=True)[[*_KEY, "timestart", "timeend", "suspended", "known"]]
    seen = rows.merge(known, on=_KEY, how="left", suffixes=("", "_known"))
    same = (seen["timestart"] == seen["timestart_known"]) & (seen["timeend"] == seen["timeend_known"])
    same &= seen["suspended"] == seen["suspended_known"]
    cohort = (seen["kind"] == TargetKind.COHORT.value) & (seen["found"] == AccessCode.GIVEN)
    note = (there.to_numpy() | cohort.to_numpy()) & ~same.fillna(value=False).to_numpy(dtype=bool)
    gone = rows.loc[(rows["found"] == AccessCode.GONE_ALREADY) & (rows["action"] == AccessAction.NONE), _KEY]
    if run.full:
        strange = given.loc[~given["ours"], _KEY].merge(rows[_KEY].assign(told=True), on=_KEY, how="left")
        gone = pd.concat([gone, strange.loc[strange["told"].isna(), _KEY]])
    if note.any() or len(gone):
        note_found(run.ledger, environment, run.record.id, seen[note], gone.drop_duplicates())


# ---- telling ---------------------------------------------------------------------------------------------------------


def report(run: Run) -> tuple[str, dict[str, int]]:
    """Give the part of the run's summary that is about access (Markdown, no names), and its counts; nothing without access."""
    if run.mapping.access is None or not staging.has_frame(run.folder, ACCESS_PLAN.name):
        return "", {}
    plan = _read(run, ACCESS_PLAN)
    outcomes = _read(run, ACCESS_OUTCOMES) if staging.has_frame(run.folder, ACCESS_OUTCOMES.name) else None
    counts = {f"{ACCESS}{PLANNED}{action}": int((plan["action"] == action).sum()) for action in AccessAction}
    counts[f"{ACCESS}waiting"] = int((~plan["action"].isin(_WRITES) & plan["code"].isin(_WAITING)).sum())
    if outcomes is not None:
        done = outcomes[outcomes["status"] == OutcomeStatus.DONE]
        counts |= {f"{ACCESS}{DONE}{action}": int((done["action"] == action).sum()) for action in _WRITES}
        counts |= {f"{ACCESS}{status}": int(number) for status, number in outcomes["status"].value_counts().items()}
    return summary(plan, outcomes, settings.texts()), counts


def summary(plan: pd.DataFrame, outcomes: pd.DataFrame | None, texts: Texts) -> str:
    """Say what was planned with each cohort and course, what came of it, and why the rest was not done; by ids only."""
    say = texts.say
    told = plan if outcomes is None else outcomes
    columns = ["target", "give", "extend", "take_back", "none", "reject"]
    heads = [say(Sentence(f"access.table.{name}")) for name in columns]
    lines = ["", f"## {say(Sentence('access.heading'))}", "", f"| {' | '.join(heads)} |", f"|---|{'---:|' * 5}"]
    by_target: Any = plan.groupby(["kind", "target"])
    for (kind, target), some in by_target:
        numbers = [texts.number(int((some["action"] == action).sum())) for action in columns[1:]]
        name = say(Sentence(f"access.kind.{kind}"))
        lines.append(f"| {plain(f'{name} {target}')} | {' | '.join(numbers)} |")
    if outcomes is not None:
        number = outcomes["status"].value_counts()
        ended = [
            Sentence("report.number_of", number=int(n), what=Sentence(f"status.{status}"))
            for status, n in number.items()
        ]
        lines += ["", say(Sentence("report.outcomes", counts=ended))] if ended else []
    quiet = [AccessCode.GIVEN.value, AccessCode.WANTED.value, ""]
    by_code: Any = told[~told["code"].isin(quiet)].groupby("code")
    for code, some in by_code:
        why = say(Sentence(f"access.why.{code}", value="…")) if code in _CODES else in_words(texts, code)
        ids = [plain(_id(row)) for row in some.head(_MOST_IDS).to_dict("records")]
        more = len(some) - len(ids)
        said = Sentence("report.persons_and_more", ids=ids, n=more) if more else Sentence("report.persons", ids=ids)
        lines += ["", f"### {plain(why)}: {texts.number(len(some))}", "", say(said)]
    return "\n".join(lines) + "\n"


_MOST_IDS: Final = 50
_CODES: Final = frozenset(code.value for code in AccessCode)


def _id(row: Any) -> str:
    return str(row["person_id"] or row["extern_id"] or row["idnumber"] or row["account_id"])


def spreadsheet(plan: pd.DataFrame, texts: Texts) -> str:
    """Give a plan of access as a CSV in a language; no cell of it is a formula."""
    say = texts.say
    names = (
        "person_id",
        "extern_id",
        "idnumber",
        "account_id",
        "kind",
        "target",
        "role",
        "from",
        "until",
        "action",
        "why",
    )
    rows: list[list[Any]] = [[say(Sentence(f"access.column.{name}")) for name in names]]
    for row in plan.to_dict("records"):
        said = {
            "kind": say(Sentence(f"access.kind.{row['kind']}")),
            "from": utc_text(row["timestart"]),
            "until": utc_text(row["timeend"]),
            "action": say(Sentence(f"access.action.{row['action']}")),
            "why": say(Sentence(f"access.why.{row['code']}", value=row["value"])),
            "account_id": "" if pd.isna(row["account_id"]) else str(row["account_id"]),
        }
        rows.append([said.get(name, row.get(name, "")) for name in names])
    return "".join(as_csv(rows, texts("export.separator")))


def wants(mapping: Mapping, ledger: Ledger | None = None) -> AccessWants:
    """Give what a mapping's access asks of its Moodle, for the connection's check; what somebody decided on names is in the ledger."""
    access = mapping.access
    if access is None:
        return AccessWants()
    named = [(rule.kind, rule.targets.name) for rule in access.rules]
    kinds = {kind for kind, _ in named}
    listed = access.source.target_kinds if access.source is not None else frozenset()
    field = COURSE_FIELD[access.courses_by]
    known = known_targets(ledger, mapping.environment) if ledger is not None else {}
    meant = {target: one.number for target, one in known.items() if one.number is not None}
    cohorts = [name for kind, name in named if kind is TargetKind.COHORT and name] + list(access.owned)
    named_courses = [name for kind, name in named if kind is TargetKind.COURSE and name]
    by_number = [("id", str(meant[_COURSE, name])) for name in named_courses if (_COURSE, name) in meant]
    courses = TargetKind.COURSE in kinds | listed
    roles = {rule.role for rule in access.rules if rule.kind is TargetKind.COURSE}
    if TargetKind.COURSE in listed and access.source is not None and "role" not in access.source.columns:
        roles.add(STUDENT)
    return AccessWants(
        cohorts=TargetKind.COHORT in kinds | listed,
        courses=courses,
        cohort_idnumbers=[name for name in cohorts if (_COHORT, name) not in meant],
        named_courses=[*((field, name) for name in named_courses if (_COURSE, name) not in meant), *by_number],
        create_cohorts=access.missing_targets is MissingTargets.CREATE,
        roles=sorted({access.roles.get(role, role) for role in roles}, key=str),
    )
