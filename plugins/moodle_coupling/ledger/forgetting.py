"""Forgetting one person: names, addresses and ids go; that something happened, and the counts, stay."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, and_, cast, delete, func, literal, or_, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.account_keys import key_digest
from moodle_coupling.ledger.models import (
    AbsenceRow,
    AccountKeyRow,
    ActivityRow,
    DecisionRow,
    IntentionRow,
    LinkRow,
    MismatchRow,
    OutcomeRow,
    ProtectionRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

FORGOTTEN: Final = "[forgotten]"
_ABSENCES: Any = AbsenceRow.__table__
_ACCOUNT_KEYS: Any = AccountKeyRow.__table__
_ACTIVITY: Any = ActivityRow.__table__
_DECISIONS: Any = DecisionRow.__table__
_INTENTIONS: Any = IntentionRow.__table__
_LINKS: Any = LinkRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_OUTCOMES: Any = OutcomeRow.__table__
_PROTECTIONS: Any = ProtectionRow.__table__
_NAMES: Final = ("person_id", "extern_id", "idnumber", "username", "firstname", "lastname", "email")
_KEYS: Final = ("email_key", "name_key")
_SHORTEST: Final = 6
"""Texts of other people are searched for an address, username or full name of at least this length; shorter ones are in words."""


@dataclass(frozen=True, slots=True)
class PersonIds:
    """The ids by which a person is known, each kind in its own field: one person's person_id may be another's extern_id."""

    person_ids: tuple[str, ...] = ()
    idnumbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each kind no longer tell who it was; ``mentions`` are rows about others that named the person."""

    links: int
    outcomes: int
    mismatches: int
    activities: int
    absences: int
    protections: int
    mentions: int
    account_keys: int


def forget_person(ledger: Ledger, environment: str | None, ids: PersonIds) -> Forgotten:
    """Forget a person in one environment, or (None) in all; nothing is left by which the person could be found.

    A mention in free text about others is taken out where it is the address, the username or the full name.
    Matches by person_id, by idnumber (where the row names no other person) and by e-mail address (where the row names
    no other person). Idnumbers that the ledger has under the person's ids are looked for as well. To be called when
    no run of the environment is under way: its next outcomes would bring the person back. In Moodle and in the source
    nothing changes. That an account must not be touched stays, as a bare number without a note: forgotten, it would be
    written to. Raises ValueError when ``ids`` is empty.
    """
    known = _cleaned(ids)
    if not any(getattr(known, field.name) for field in fields(known)):
        msg = "say which person to forget: a person_id, an idnumber or an e-mail address"
        raise ValueError(msg)
    with ledger.writing() as connection:
        known, traces = _widened(connection, environment, known)
        accounts = _accounts(connection, environment, known)
        account_keys = _forget_account_keys(connection, environment, known, accounts)
        protections = _forget_protections(connection, environment, known, accounts)
        links = connection.execute(delete(_LINKS).where(_who(_LINKS, environment, known))).rowcount
        absences = connection.execute(delete(_ABSENCES).where(_absent(environment, known))).rowcount
        outcomes = _forget_outcomes(connection, environment, known)
        mismatches = _forget_mismatches(connection, environment, known)
        activities = _forget_activity(connection, environment, known, accounts)
        mentions = sum(_forget_mentions(connection, environment, trace) for trace in traces)
    return Forgotten(links, outcomes, mismatches, activities, absences, protections, mentions, account_keys)


def _cleaned(ids: PersonIds) -> PersonIds:
    def cleaned(values: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cells.key_text(value) for value in values if value))

    emails = tuple(dict.fromkeys(cells.email_key(email) for email in ids.emails if email))
    return PersonIds(cleaned(ids.person_ids), cleaned(ids.idnumbers), emails)


def _who(table: Any, environment: str | None, ids: PersonIds) -> Any:
    nobody_else = or_(table.c.person_id == "", table.c.person_id.in_(ids.person_ids))
    if not ids.person_ids:
        nobody_else = literal(value=True)
    ways = [table.c.person_id.in_(ids.person_ids), and_(table.c.idnumber.in_(ids.idnumbers), nobody_else)]
    if "email_key" in table.c:
        ways.append(and_(table.c.email_key.in_(ids.emails), nobody_else))
    here = table.c.environment == environment if environment is not None else literal(value=True)
    return and_(here, or_(*ways))


def _widened(connection: Connection, environment: str | None, ids: PersonIds) -> tuple[PersonIds, list[str]]:
    """Give the ids with the idnumbers they go with, and the texts by which others' rows may mention the person."""
    idnumbers, traces = set(ids.idnumbers), set(ids.emails)
    for table in (_OUTCOMES, _MISMATCHES, _LINKS):
        columns = [table.c.idnumber, table.c.username]
        columns += [table.c.get(name, literal("")) for name in ("email", "firstname", "lastname")]
        for idnumber, username, email, first, last in connection.execute(
            select(*columns).where(_who(table, environment, ids)).distinct()
        ):
            idnumbers.add(idnumber)
            traces |= {username, email, email.lower(), f"{first} {last}".strip()}
    widened = PersonIds(ids.person_ids, tuple(sorted(idnumbers - {""})), ids.emails)
    return widened, sorted((trace for trace in traces if len(trace) >= _SHORTEST), key=len, reverse=True)


def _absent(environment: str | None, ids: PersonIds) -> Any:
    here = _ABSENCES.c.environment == environment if environment is not None else literal(value=True)
    return and_(here, _ABSENCES.c.idnumber.in_(ids.idnumbers))


def _accounts(connection: Connection, environment: str | None, ids: PersonIds) -> set[tuple[str, int]]:
    """Give the accounts (environment, id) that are the person's, not those that a question about them points at."""
    linked = select(_LINKS.c.environment, _LINKS.c.account_id).where(_who(_LINKS, environment, ids))
    orphaned = select(_ABSENCES.c.environment, _ABSENCES.c.account_id).where(_absent(environment, ids))
    return {(row[0], row[1]) for query in (linked, orphaned) for row in connection.execute(query)}


def _forget_account_keys(
    connection: Connection, environment: str | None, ids: PersonIds, accounts: set[tuple[str, int]]
) -> int:
    """Take away every key of the person's accounts, and of accounts that had one of these idnumbers or addresses."""
    from moodle_coupling.provisioning.snapshots.keys import key  # pandas, and only here

    here = _ACCOUNT_KEYS.c.environment == environment if environment is not None else literal(value=True)
    places = connection.execute(select(_ACCOUNT_KEYS.c.environment).where(here).distinct()).scalars().all()
    ways = [
        and_(_ACCOUNT_KEYS.c.environment == where, _ACCOUNT_KEYS.c.account_id == which) for where, which in accounts
    ]
    for place in places:
        texts = [("idnumber", idnumber) for idnumber in ids.idnumbers] + [("email", email) for email in ids.emails]
        digests = [key_digest(place, key(field, text)) for field, text in texts]
        theirs = select(_ACCOUNT_KEYS.c.account_id).where(
            _ACCOUNT_KEYS.c.environment == place, _ACCOUNT_KEYS.c.key.in_(digests)
        )
        ways.append(and_(_ACCOUNT_KEYS.c.environment == place, _ACCOUNT_KEYS.c.account_id.in_(theirs)))
    return connection.execute(delete(_ACCOUNT_KEYS).where(or_(literal(value=False), *ways))).rowcount


def _forget_protections(
    connection: Connection, environment: str | None, ids: PersonIds, accounts: set[tuple[str, int]]
) -> int:
    theirs = select(_MISMATCHES.c.id).where(_who(_MISMATCHES, environment, ids))
    ways = [_PROTECTIONS.c.mismatch.in_(theirs)]
    ways += [and_(_PROTECTIONS.c.environment == where, _PROTECTIONS.c.account_id == which) for where, which in accounts]
    return connection.execute(update(_PROTECTIONS).where(or_(*ways)).values(note="", mismatch=None)).rowcount


def _forget_outcomes(connection: Connection, environment: str | None, ids: PersonIds) -> int:
    who = _who(_OUTCOMES, environment, ids)
    # An orphan's key holds the account's id, in the intention too.
    named = and_(who, _OUTCOMES.c.key.like("account %"))
    columns = (_OUTCOMES.c.run, _OUTCOMES.c.plan_no, _OUTCOMES.c.key)
    for run, plan_no, key in connection.execute(select(*columns).where(named).distinct()).all():
        new = connection.execute(
            select(func.min(_OUTCOMES.c.id)).where(
                _OUTCOMES.c.run == run, _OUTCOMES.c.plan_no == plan_no, _OUTCOMES.c.key == key
            )
        ).scalar_one()
        for table in (_OUTCOMES, _INTENTIONS):
            same = (table.c.run == run, table.c.plan_no == plan_no, table.c.key == key)
            connection.execute(update(table).where(*same).values(key=f"forgotten {new}"))
    blank = dict.fromkeys((*_NAMES, *_KEYS, "message"), "") | {"account_id": None, "row": None, "changes": "{}"}
    return connection.execute(update(_OUTCOMES).where(who).values(blank)).rowcount


def _forget_mismatches(connection: Connection, environment: str | None, ids: PersonIds) -> int:
    who = _who(_MISMATCHES, environment, ids)
    theirs = _DECISIONS.c.mismatch.in_(select(_MISMATCHES.c.id).where(who))
    connection.execute(update(_DECISIONS).where(theirs).values(note="", account_id=None, facts_digest=""))
    number = literal("forgotten ") + cast(_MISMATCHES.c.id, String)
    blank: dict[str, Any] = dict.fromkeys((*_NAMES, *_KEYS, "evidence"), "")
    blank |= {"subject": number, "facts_digest": number, "facts": "{}", "account_id": None, "other_accounts": "[]"}
    # Nothing can be found again under that name; one that was open is not an analyst's business any more.
    blank |= {"status": "gone", "version": _MISMATCHES.c.version + 1}
    return connection.execute(update(_MISMATCHES).where(who).values(blank)).rowcount


def _forget_activity(
    connection: Connection, environment: str | None, ids: PersonIds, accounts: set[tuple[str, int]]
) -> int:
    names = [*ids.person_ids, *(f"person {person}" for person in ids.person_ids)]
    names += [f"idnumber {idnumber}" for idnumber in ids.idnumbers]
    here = _ACTIVITY.c.environment == environment if environment is not None else literal(value=True)
    ways = [and_(here, _ACTIVITY.c.subject.in_(names))]
    ways += [
        and_(_ACTIVITY.c.environment == where, _ACTIVITY.c.subject == f"account {which}") for where, which in accounts
    ]
    return connection.execute(update(_ACTIVITY).where(or_(*ways)).values(subject=FORGOTTEN, detail="")).rowcount


def _forget_mentions(connection: Connection, environment: str | None, trace: str) -> int:
    """Take an address or username out of what was written about others (a double, an address already taken)."""
    count = 0
    for table, names in (
        (_OUTCOMES, ("message", "changes")),
        (_MISMATCHES, ("evidence", "facts")),
        (_DECISIONS, ("note",)),
        (_PROTECTIONS, ("note",)),
        (_ACTIVITY, ("detail",)),
    ):
        for name in names:
            column = table.c[name]
            without = func.replace(column, trace, FORGOTTEN)
            found = update(table).where(column != without)  # LIKE tells upper from lower case on PostgreSQL only
            if environment is not None and "environment" in table.c:
                found = found.where(table.c.environment == environment)
            count += connection.execute(found.values({name: without})).rowcount
    return count
