"""Everything that ever happened to one person, in the environments that a user may read."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select

from moodle_coupling.ledger.decisions import Decision, decision_history
from moodle_coupling.ledger.models import ActivityRow, LinkRow, OutcomeRow, ProtectionRow
from moodle_coupling.ledger.outcomes import SHOWN
from moodle_coupling.ledger.people import person_mismatches, person_outcomes
from moodle_coupling.ledger.result_frames import frame_of
from moodle_coupling.web.environments.activities import ACTIONS
from moodle_coupling.web.mismatches.facts import read_facts
from moodle_coupling.web.mismatches.rows import evidence_of, records
from moodle_coupling.web.runs.rows import Reader, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.web.base.access import Access
    from moodle_coupling.web.people.refs import Who
    from moodle_coupling.words.catalogue import Texts

_LINKS: Any = LinkRow.__table__
_PROTECTIONS: Any = ProtectionRow.__table__
_ACTIVITY: Any = ActivityRow.__table__
_OUTCOMES: Any = OutcomeRow.__table__
MOST: Final = 500
"""Outcomes that are shown; a person has a few a year."""
_REPEATED: Final = ("verdict", "action", "status", "code", "message", "changes", "account_id")
_STANDING: Final = frozenset({"open", "decided"})


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; ``kind`` says which of the others is filled.

    kind: 'outcome' (row), 'mismatch' (mismatch: a row of the ledger), 'decision' (mismatch and decision), 'link' (link),
    'protection' or 'activity' (said: a row of the ledger). The same outcome run after run is one event: ``at`` is the latest,
    ``first`` the first of ``times``.
    """

    at: dt.datetime
    kind: str
    environment: str
    row: Row | None = None
    mismatch: dict[str, Any] | None = None
    decision: Decision | None = None
    said: dict[str, Any] | None = None
    times: int = 1
    first: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Here:
    """How a person stands in one environment; ``link`` is the ledger's, None when no account is known."""

    environment: str
    title: str
    link: dict[str, Any] | None
    protections: tuple[dict[str, Any], ...]
    open_mismatches: tuple[dict[str, Any], ...]
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
    outcomes = _readable(_outcomes(ledger, environment, who), readable)
    mismatches = _readable(_mismatches(ledger, environment, who), readable)
    links = _links(ledger, readable, environment, who)
    accounts = {(link["environment"], link["account_id"]) for link in links}
    accounts |= {(one["environment"], one["account_id"]) for one in mismatches if one["account_id"] is not None}
    protections = _protections(ledger, accounts)
    events = [
        *_of_outcomes(Reader(access, texts).of_records(outcomes)),
        *(event for one in mismatches for event in _of_mismatch(ledger, access, texts, one)),
        *(Event(link["linked_at"], "link", link["environment"], said=link) for link in links),
        *(Event(one["at"], "protection", one["environment"], said=one) for one in protections),
        *_activity(ledger, access, readable, environment, who),
    ]
    sources = [*outcomes, *mismatches]
    names = _names(sources, access)
    known = {one["environment"] for one in (*sources, *links)}
    return Person(
        who=who,
        name=names[0] if names else "",
        email=_latest(sources, "email", access),
        username=_latest([*sources, *links], "username", access),
        ids=_ids(who, sources),
        former=tuple(names[1:]),
        here=tuple(
            _here(access, name, links, protections, mismatches, known)
            for name in readable
            if name in known or name == environment
        ),
        events=tuple(sorted(events, key=lambda event: event.at, reverse=True)),
    )


def _outcomes(ledger: Ledger, environment: str, who: Who) -> list[dict[str, Any]]:
    if who.person_id or who.idnumber:
        found = person_outcomes(ledger, person_id=who.person_id, idnumber=who.idnumber, limit=MOST)
        return records(found)
    if who.extern_id:
        mine = _OUTCOMES.c.extern_id == who.extern_id
    else:
        mine = (_OUTCOMES.c.environment == environment) & (_OUTCOMES.c.account_id == who.account_id)
    query = select(*SHOWN).where(mine).order_by(_OUTCOMES.c.at.desc(), _OUTCOMES.c.id.desc()).limit(MOST)
    with ledger.reading() as connection:
        return records(frame_of(connection.execute(query).all(), SHOWN))


def _mismatches(ledger: Ledger, environment: str, who: Who) -> list[dict[str, Any]]:
    from moodle_coupling.ledger.mismatches import SHOWN as COLUMNS
    from moodle_coupling.ledger.models import MismatchRow

    if who.person_id or who.idnumber:
        return records(person_mismatches(ledger, person_id=who.person_id, idnumber=who.idnumber))
    table: Any = MismatchRow.__table__
    mine = table.c.extern_id == who.extern_id if who.extern_id else table.c.subject == f"account {who.account_id}"
    query = select(*COLUMNS).where(mine)
    if not who.extern_id:
        query = query.where(table.c.environment == environment)
    with ledger.reading() as connection:
        return records(frame_of(connection.execute(query.order_by(table.c.last_seen.desc())).all(), COLUMNS))


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


def _of_mismatch(ledger: Ledger, access: Access, texts: Texts, one: dict[str, Any]) -> list[Event]:
    mask = access.mask(one["environment"])
    evidence = evidence_of(one, read_facts(one["facts"]), texts, named=access.sees_names(one["environment"]))
    shown = one | {"evidence": evidence}
    found = [Event(one["first_seen"], "mismatch", one["environment"], mismatch=shown)]
    for decision in decision_history(ledger, one["id"]):
        noted = {"note": mask(decision.note)}
        found.append(Event(decision.at, "decision", one["environment"], mismatch=shown, decision=decision, said=noted))
    return found


def _links(ledger: Ledger, readable: Collection[str], environment: str, who: Who) -> list[dict[str, Any]]:
    ways = []
    if who.person_id:
        ways.append(_LINKS.c.person_id == who.person_id)
    if who.idnumber:
        nobody_else = _LINKS.c.person_id.in_(["", who.person_id]) if who.person_id else _LINKS.c.person_id.is_not(None)
        ways.append((_LINKS.c.idnumber == who.idnumber) & nobody_else)
    if not ways:
        ways.append((_LINKS.c.environment == environment) & (_LINKS.c.account_id == who.account_id))
    columns = [column for column in _LINKS.columns if column.name != "fingerprint"]
    query = select(*columns).where(_LINKS.c.environment.in_(list(readable)), or_(*ways))
    with ledger.reading() as connection:
        return [dict(row) for row in connection.execute(query.order_by(_LINKS.c.environment)).mappings()]


def _protections(ledger: Ledger, accounts: set[tuple[str, int]]) -> list[dict[str, Any]]:
    if not accounts:
        return []
    mine = or_(
        *((_PROTECTIONS.c.environment == name) & (_PROTECTIONS.c.account_id == number) for name, number in accounts)
    )
    with ledger.reading() as connection:
        rows = connection.execute(select(_PROTECTIONS).where(mine).order_by(_PROTECTIONS.c.id)).mappings()
        return [dict(row) for row in rows]


def _activity(ledger: Ledger, access: Access, readable: Collection[str], environment: str, who: Who) -> list[Event]:
    """Give what people did to this person by id; what they decided stands with the mismatches."""
    subjects = [one for one in (who.person_id, who.extern_id, who.idnumber) if one]
    where = [_ACTIVITY.c.environment.in_(list(readable)), _ACTIVITY.c.subject.in_(subjects)]
    if not subjects:
        where = [_ACTIVITY.c.environment == environment, _ACTIVITY.c.subject == f"account {who.account_id}"]
    with ledger.reading() as connection:
        rows = connection.execute(select(_ACTIVITY).where(*where).order_by(_ACTIVITY.c.id.desc()).limit(MOST))
        found = [dict(row) for row in rows.mappings()]
    return [
        Event(
            one["at"],
            "activity",
            one["environment"],
            said=one
            | {"detail": one["detail"] if one["action"] in SAFE else access.mask(one["environment"])(one["detail"])},
        )
        for one in found
    ]


SAFE: Final = frozenset({*ACTIONS, "explain", "provision"})
"""Activities whose detail names nobody."""


def _here(
    access: Access,
    name: str,
    links: list[dict[str, Any]],
    protections: list[dict[str, Any]],
    mismatches: list[dict[str, Any]],
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
        known=name in known,
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
