"""Everything that ever happened to one person, in the environments that a user may read."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import CouplingError, CouplingPaused
from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.decisions import Decision, decision_history, protections_on
from moodle_coupling.ledger.people import Who, access_of, access_outcomes_of, links_of, mismatches_of, outcomes_of
from moodle_coupling.web.base.words import say
from moodle_coupling.web.environments.state import ACTIONS
from moodle_coupling.web.mismatches.rows import evidence_text
from moodle_coupling.web.runs.access import AccessRow, access_row, moment
from moodle_coupling.web.runs.rows import Reader, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from moodle_coupling.ledger.activity import Activity
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.orchestration.explanation_steps import Trace
    from moodle_coupling.web.base.access import Access
    from moodle_coupling.web.base.couplings import Coupling
    from moodle_coupling.words.sentence import Sentence, Texts

PAUSED: Final = say("Not explained: the environment is paused, and then no request of any kind goes to its Moodle.")


@dataclass(frozen=True, slots=True)
class Explained:
    """The five steps, or why there are none: ``paused``, or ``problem``."""

    trace: Trace | None = None
    paused: bool = False
    problem: Sentence | None = None


def explain(coupling: Coupling, person: str, ledger: Ledger) -> Explained:
    """Follow a person (a person id, extern id or idnumber); Moodle is only read."""
    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping
    from moodle_coupling.orchestration.explanation import explain_person
    from moodle_coupling.settings import mappings_folder

    if is_paused(coupling):  # told at once, not after a long source was read
        return Explained(paused=True)
    try:
        path = find_mapping(coupling.name, mappings_folder())
        mapping = load_mapping(path)
        with MoodleHook(mapping.connection) as hook:
            return Explained(explain_person(mapping, path, person, hook, ledger=ledger))
    except CouplingPaused:
        return Explained(paused=True)
    except CouplingError as error:
        return Explained(problem=error.said)


def in_source(coupling: Coupling, who: Who) -> str:
    """Give the id of a person as a run may be asked for it and as it may be kept; '' where the source has nobody of that id.

    Raises SourceError and MappingError.
    """
    if not who.typed:
        return who.known_as
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping
    from moodle_coupling.orchestration.explanation import person_id_of
    from moodle_coupling.settings import mappings_folder

    path = find_mapping(coupling.name, mappings_folder())
    return person_id_of(load_mapping(path), path, who.known_as)


def is_paused(coupling: Coupling) -> bool:
    """Tell whether no request may go to a coupling's Moodle."""
    return bool(coupling.connection) and read_pause(coupling.connection) is not None


MOST: Final = 500
"""Outcomes that are shown; a person has a few a year."""
_REPEATED: Final = ("verdict", "action", "status", "code", "message", "changes", "account_id")
_REPEATED_ACCESS: Final = ("action", "status", "code", "why", "begins", "ends", "suspended")
_STANDING: Final = frozenset({"open", "decided"})


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; ``kind`` says which of the others is filled.

    kind: 'outcome' (row), 'access' (access), 'mismatch' (mismatch: a row of the ledger), 'decision' (mismatch and decision), 'link' (link),
    'protection' (said: a row of the ledger), 'activity' (done). The same outcome run after run is one event: ``at`` is the latest,
    ``first`` the first of ``times``.
    """

    at: dt.datetime
    kind: str
    environment: str
    row: Row | None = None
    access: AccessRow | None = None
    mismatch: dict[str, Any] | None = None
    decision: Decision | None = None
    said: dict[str, Any] | None = None
    done: Activity | None = None
    times: int = 1
    first: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A cohort or course that a person has access to, as far as the ledger knows; ``ours``: this coupling gave it, ``since`` then."""

    kind: str
    target: str
    role: str
    begins: dt.datetime | None
    ends: dt.datetime | None
    suspended: bool
    ours: bool
    since: dt.datetime
    run: str


@dataclass(frozen=True, slots=True)
class Here:
    """How a person stands in one environment; ``link`` is the ledger's, None when no account is known."""

    environment: str
    title: str
    link: dict[str, Any] | None
    protections: tuple[dict[str, Any], ...]
    open_mismatches: tuple[dict[str, Any], ...]
    access: tuple[Held, ...]
    known: bool


@dataclass(frozen=True, slots=True)
class Person:
    """One person as a user may see them; the latest name, address and username that are known."""

    who: Who
    name: str
    email: str
    username: str
    ids: dict[str, str]
    former: tuple[str, ...]
    here: tuple[Here, ...]
    events: tuple[Event, ...]


def person(ledger: Ledger, access: Access, texts: Texts, environment: str, who: Who) -> Person:
    """Put together what is known; ``environment``, from which the page was asked for, is always among ``here``."""
    readable = access.environments()
    outcomes = _readable(records(outcomes_of(ledger, environment, who, limit=MOST)), readable)
    mismatches = _readable(records(mismatches_of(ledger, environment, who)), readable)
    links = links_of(ledger, readable, environment, who)
    accounts = {(link["environment"], link["account_id"]) for link in links}
    accounts |= {(one["environment"], one["account_id"]) for one in mismatches if one["account_id"] is not None}
    protections = protections_on(ledger, accounts)
    given = records(access_of(ledger, readable, environment, who))
    accessed = records(access_outcomes_of(ledger, readable, environment, who, limit=MOST))
    events = [
        *_of_outcomes(Reader(access, texts).of_records(outcomes)),
        *_of_access([access_row(access, texts, one["environment"], one) for one in accessed]),
        *(event for one in mismatches for event in _of_mismatch(ledger, access, texts, one)),
        *(Event(link["linked_at"], "link", link["environment"], said=link) for link in links),
        *(Event(one["at"], "protection", one["environment"], said=one) for one in protections),
        *_activity(ledger, access, readable, environment, who),
    ]
    sources = [*outcomes, *mismatches]
    names = _names(sources, access)
    known = {one["environment"] for one in (*sources, *links, *given, *accessed)}
    return Person(
        who=who,
        name=names[0] if names else "",
        email=_latest(sources, "email", access),
        username=_latest([*sources, *links], "username", access),
        ids=_ids(who, sources),
        former=tuple(names[1:]),
        here=tuple(
            _here(access, name, links, protections, mismatches, given, known)
            for name in readable
            if name in known or name == environment
        ),
        events=tuple(sorted(events, key=lambda event: event.at, reverse=True)),
    )


def _readable(rows: Sequence[dict[str, Any]], readable: Collection[str]) -> list[dict[str, Any]]:
    return [one for one in rows if one["environment"] in readable]


def _of_outcomes(rows: list[Row]) -> list[Event]:
    """Fold what is the same run after run: an open mismatch would fill the page with every night's word on it."""
    latest: dict[str, Event] = {}
    found: list[Event] = []
    for row in rows:  # latest first
        if row.at is None:
            continue
        last = latest.get(row.environment)
        if last is not None and last.row is not None and not row.changes and _same(last.row, row):
            found.remove(last)
            event = replace(last, times=last.times + 1, first=row.at)
        else:
            event = Event(row.at, "outcome", row.environment, row=row)
        latest[row.environment] = event
        found.append(event)
    return found


def _same(one: Row, other: Row) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _REPEATED)


def _of_access(rows: list[AccessRow]) -> list[Event]:
    """Fold what is the same run after run with one cohort or course."""
    latest: dict[tuple[str, str, str], Event] = {}
    found: list[Event] = []
    for row in rows:  # latest first
        if row.at is None:
            continue
        key = (row.environment, row.kind, row.target)
        event, last = Event(row.at, "access", row.environment, access=row), latest.get(key)
        if last is not None and all(getattr(last.access, name) == getattr(row, name) for name in _REPEATED_ACCESS):
            found.remove(last)
            event = replace(last, times=last.times + 1, first=row.at)
        latest[key] = event
        found.append(event)
    return found


def _of_mismatch(ledger: Ledger, access: Access, texts: Texts, one: dict[str, Any]) -> list[Event]:
    mask = access.mask(one["environment"])
    evidence = evidence_text(one, texts, named=access.sees_names(one["environment"]))
    shown = one | {"evidence": evidence}
    found = [Event(one["first_seen"], "mismatch", one["environment"], mismatch=shown)]
    for decision in decision_history(ledger, one["id"]):
        noted = {"note": mask(decision.note)}
        found.append(Event(decision.at, "decision", one["environment"], mismatch=shown, decision=decision, said=noted))
    return found


def _activity(ledger: Ledger, access: Access, readable: Collection[str], environment: str, who: Who) -> list[Event]:
    """Give what people did to this person by id; what they decided stands with the mismatches."""
    subjects = [one for one in (who.person_id, who.extern_id, who.idnumber) if one]
    where = readable if subjects else [environment]
    done = activity.about(ledger, where, subjects or [f"account {who.account_id}"], limit=MOST)
    masks = {name: access.mask(name) for name in where}
    return [
        Event(
            one.at,
            "activity",
            one.environment,
            done=one if one.action in SAFE else replace(one, detail=masks[one.environment](one.detail)),
        )
        for one in done
    ]


SAFE: Final = frozenset({*ACTIONS, "explain", "provision"})
"""Activities whose detail names nobody."""


def _here(
    access: Access,
    name: str,
    links: list[dict[str, Any]],
    protections: list[dict[str, Any]],
    mismatches: list[dict[str, Any]],
    given: list[dict[str, Any]],
    known: Collection[str],
) -> Here:
    mask = access.mask(name)
    link = next((one for one in links if one["environment"] == name), None)
    return Here(
        environment=name,
        title=access.coupling(name).title,
        link=link and link | {"username": mask(link["username"])},
        protections=tuple(one for one in protections if one["environment"] == name),
        open_mismatches=tuple(one for one in mismatches if one["environment"] == name and one["status"] in _STANDING),
        access=tuple(_held(one) for one in given if one["environment"] == name),
        known=name in known,
    )


def _held(one: dict[str, Any]) -> Held:
    return Held(
        kind=one["kind"],
        target=one["target"],
        role=one["role"],
        begins=moment(one["timestart"]),
        ends=moment(one["timeend"]),
        suspended=bool(one["suspended"]),
        ours=bool(one["ours"]),
        since=one["given_at"],
        run=one["run"],
    )


def _names(sources: list[dict[str, Any]], access: Access) -> list[str]:
    """Give the names known, the latest first."""
    found = [
        f"{one['firstname']} {one['lastname']}".strip() for one in sources if access.sees_names(one["environment"])
    ]
    return [name for name in dict.fromkeys(found) if name]


def _latest(sources: list[dict[str, Any]], name: str, access: Access) -> str:
    values = [access.mask(one["environment"])(one[name]) for one in sources if one[name]]
    return values[0] if values else ""


def _ids(who: Who, sources: list[dict[str, Any]]) -> dict[str, str]:
    ids = {}
    for name in ("person_id", "extern_id", "idnumber"):
        values = [getattr(who, name), *(one[name] for one in sources)]
        ids[name] = next((value for value in values if value), "")
    return ids
