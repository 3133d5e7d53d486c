"""One person, now: the way from the source to Moodle in five steps, and a sixth for access, with or without writing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from moodle_coupling.access.wanted import targets_of, wanted_access
from moodle_coupling.errors import MoodleError
from moodle_coupling.ledger.access import given_access, known_targets
from moodle_coupling.ledger.accounts import AccountKeys, links_frame
from moodle_coupling.ledger.people import Who, access_of
from moodle_coupling.mapping.file import load_mapping, source_base
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import neighbourhood
from moodle_coupling.orchestration import decisions as deciding
from moodle_coupling.orchestration import explanation_steps as steps
from moodle_coupling.orchestration.access import listed
from moodle_coupling.orchestration.access_questions import names_kept
from moodle_coupling.orchestration.connection_checks import visibility_of
from moodle_coupling.orchestration.explanation_sources import History, Record, person_history
from moodle_coupling.orchestration.explanation_steps import Step, Trace
from moodle_coupling.orchestration.extraction import read_around
from moodle_coupling.orchestration.run import with_defaults
from moodle_coupling.people.transform import Transformed, transform
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.sources.contract import Extract

    Writer = Callable[[pd.DataFrame, MoodleHook], pd.DataFrame]
    """Loads a plan and gives its outcomes (OUTCOME_COLUMNS), kept in the ledger where there is one."""

_IDS = ("person_id", "extern_id", "idnumber")


@dataclass(frozen=True)
class _Asked:
    """What was asked, and what answers it."""

    mapping: Mapping
    person: str
    hook: MoodleHook
    history: History
    ledger: Ledger | None
    from_file: frozenset[str]
    writes: bool


def explain_person(
    mapping: Mapping,
    mapping_path: Path,
    person_id: str,
    hook: MoodleHook,
    *,
    ledger: Ledger | None,
    write: Writer | None = None,
) -> Trace:
    """Follow one person (a person id, extern id or idnumber) from the source to Moodle; see :class:`Trace`.

    Without ``write`` Moodle is only read. With it the person's own row of the plan is loaded by it, unless it is not
    clear which person is meant. Whoever shares an idnumber, address or username with the person is judged along, so
    that the verdict and the username are those of a run for everyone. Without ``ledger`` history and links are unknown.

    Raises CouplingPaused while the environment is paused, SourceError and MappingError; a Moodle that does not answer
    is told in step 4.
    """
    mapping = with_defaults(mapping, hook.settings)
    extract = read_around(mapping, source_base(mapping_path), person_id.strip())
    mapping = mapping.leaving_alone(extract.left_alone)
    transformed = transform(extract.persons, mapping)
    person = person_id.strip()
    mine = _meant(transformed.candidates, person)
    found = steps.found(extract, transformed.candidates, mine, person, mapping)
    asked = _Asked(
        mapping=mapping,
        person=person,
        hook=hook,
        history=person_history(ledger, mapping.environment, *_known_as(mine, person)),
        ledger=ledger,
        from_file=frozenset(load_mapping(mapping_path).fields),
        writes=write is not None,
    )
    if mine.empty:
        return _of_nobody(asked, found)
    source = _Source(extract, transformed, mine)
    trace = _of_somebody(asked, found, source, write)
    if mapping.access is not None:
        trace = replace(trace, steps=(*trace.steps, _access(asked, source, mapping_path)))
    return replace(trace, found=str(mine["person_id"].iloc[0]))


def person_id_of(mapping: Mapping, mapping_path: Path, typed: str) -> str:
    """Give the person id, in the source, of a person id, extern id or idnumber that somebody typed; '' for nobody's.

    Raises SourceError and MappingError.
    """
    persons = read_around(mapping, source_base(mapping_path), typed.strip()).persons
    mine = _meant(transform(persons, mapping).candidates, typed.strip())
    return "" if mine.empty else str(mine["person_id"].iloc[0])


@dataclass(frozen=True)
class _Source:
    """What the source gave; ``mine`` are the candidates that may be meant, of whom the first is followed."""

    extract: Extract
    transformed: Transformed
    mine: pd.DataFrame

    @property
    def candidate(self) -> pd.Series[Any]:
        return self.mine.iloc[0]

    def record(self, mapping: Mapping) -> Record:
        persons = self.extract.persons
        one = persons[persons["row"] == self.candidate["row"]].reset_index(drop=True)
        return Record.of(one, mapping, self.extract.headings)


def _meant(candidates: pd.DataFrame, person: str) -> pd.DataFrame:
    """Give the candidates with this id; the person id goes before the extern id, and that before the idnumber."""
    if person:
        for column in _IDS:
            some = candidates[candidates[column] == person]
            if len(some):
                return some
    return candidates.iloc[:0]


def _known_as(mine: pd.DataFrame, person: str) -> tuple[str, str]:
    """Give the person id and the idnumber by which the ledger knows who is followed."""
    if mine.empty:
        return "", person
    return str(mine["person_id"].iloc[0]), str(mine["idnumber"].iloc[0])


def _of_nobody(asked: _Asked, found: Step) -> Trace:
    """Trace an id that the source does not have; an account may have it all the same."""
    accounts: list[Any] | MoodleError
    try:
        accounts = list(asked.hook.accounts_by_field("idnumber", [asked.person]).accounts) if asked.person else []
    except MoodleError as error:
        accounts = error
    rest = (
        steps.not_reached(2, Sentence("explain.not_reached_nobody")),
        steps.not_reached(3, Sentence("explain.not_reached_nobody")),
        steps.account_of_nobody(accounts, asked.person),
        steps.nothing_for_nobody(asked.mapping, asked.history),
    )
    return Trace(asked.mapping.environment, asked.person, (found, *rest))


def _of_somebody(asked: _Asked, found: Step, source: _Source, write: Writer | None) -> Trace:
    candidate, record = source.candidate, source.record(asked.mapping)
    reasons = source.transformed.reasons
    mine = reasons[reasons["row"] == candidate["row"]]
    valid = steps.valid(record, candidate, mine)
    try:
        row, unseen = _planned(asked, source) if candidate["in_scope"] else (None, ())
    except MoodleError as error:
        fields = steps.fields(record, candidate, None, asked.history, from_file=asked.from_file)
        away = (steps.moodle_away(error), steps.not_reached(5, Sentence("explain.not_reached_unknown")))
        return Trace(asked.mapping.environment, asked.person, (found, valid, fields, *away))
    fields = steps.fields(record, candidate, row, asked.history, from_file=asked.from_file)
    if row is None:
        rest = (
            steps.not_reached(4, Sentence("explain.not_reached_outside")),
            steps.nothing_out_of_scope(asked.history),
        )
        return Trace(asked.mapping.environment, asked.person, (found, valid, fields, *rest))
    matched = steps.matched(row.iloc[0], asked.history, everyone_known=_keys(asked) is not None, unseen=unseen)
    outcome = None
    if write is not None and len(source.mine) == 1:
        outcome = write(row, asked.hook).iloc[0]
    last = steps.written(row.iloc[0], outcome, asked.history, asked_to_write=write is not None)
    status = "" if outcome is None else str(outcome["status"])
    return Trace(asked.mapping.environment, asked.person, (found, valid, fields, matched, last), status)


def _access(asked: _Asked, source: _Source, mapping_path: Path) -> Step:
    """Say where the followed person belongs, by rules, list and decisions, and what the ledger says was given; Moodle is not asked."""
    ids = dict.fromkeys(str(source.candidate[name]) for name in _IDS)
    found = listed(asked.mapping, mapping_path, ids=[id_ for id_ in ids if id_])
    rows = None if found is None else found.rows
    belong = partial(wanted_access, source.extract.persons, source.transformed.candidates, asked.mapping, rows)
    row, person_id, idnumber = (source.candidate[name] for name in ("row", "person_id", "idnumber"))
    wanted = belong()
    if asked.ledger is None:
        return steps.access(wanted[wanted["row"] == row], None)
    here, named = asked.mapping.environment, targets_of([wanted[wanted["row"] == row]])
    every = known_targets(asked.ledger, here)
    names = names_kept(every, given_access(asked.ledger, here))
    wanted = belong(names=names) if names else wanted
    given = access_of(asked.ledger, [here], here, Who(person_id=str(person_id), idnumber=str(idnumber)))
    known = {target: every[target] for target in named.itertuples(index=False, name=None) if target in every}
    return steps.access(wanted[wanted["row"] == row], given, known)


def _keys(asked: _Asked) -> AccountKeys | None:
    """Give the kept keys; None where nobody read everyone lately, unless something is to be written.

    Everyone is read then, which may take minutes: too long for who only asks.
    """
    if asked.ledger is None:
        return None
    keys = AccountKeys(asked.ledger, asked.mapping.environment)
    return keys if asked.writes or keys.highest() is not None else None


def _planned(asked: _Asked, source: _Source) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Give the person's own row of the plan, judged beside everyone who has something in common, and the fields not seen.

    Decisions on exactly what is found are obeyed, as a run would.
    """
    environment, ledger = asked.mapping.environment, asked.ledger
    candidates = source.transformed.candidates
    near = neighbourhood(candidates, [asked.person])
    service_userid = asked.hook.site_info().userid
    read = read_accounts(
        asked.hook,
        near,
        account_ids=() if ledger is None else deciding.chosen_accounts(ledger, environment),
        settings=asked.mapping.snapshot,
        known=None if ledger is None else links_frame(ledger, environment),
        keys=_keys(asked),
        shared_email=asked.mapping.matching.shared_email,
        untyped=asked.mapping.untyped,
        visibility=visibility_of(asked.mapping, ledger, own_id=service_userid),
    )
    accounts = read.accounts
    make = partial(
        make_plan,
        near,
        source.transformed.reasons,
        accounts,
        asked.mapping,
        service_userid=service_userid,
        profile_types=read.profile_types,
        bystanders=candidates[~candidates["row"].isin(near["row"])],
        unreadable=read.unreadable_keys,
    )
    known = deciding.remembered(ledger, environment)
    plan = deciding.planned(lambda known: make(remembered=known), known, accounts, ledger, environment)
    mine: pd.DataFrame = plan[plan["row"] == source.candidate["row"]].reset_index(drop=True)
    return mine, read.unseen
