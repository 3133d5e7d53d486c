"""What is taken out of the ledger: what is old, and whatever it knows of one person."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, UniqueConstraint, and_, cast, delete, exists, func, literal, or_, select, update

from moodle_coupling.contract.columns import TargetKind
from moodle_coupling.ledger import cells
from moodle_coupling.ledger.accounts import key_digest
from moodle_coupling.ledger.cells import StoredText
from moodle_coupling.ledger.mismatches import OF_TARGET
from moodle_coupling.ledger.models import (
    AbsenceRow,
    AccessOutcomeRow,
    AccessRow,
    AccountKeyRow,
    ActivityRow,
    Base,
    DecisionRow,
    IntentionRow,
    LinkRow,
    MismatchRow,
    OutcomeRow,
    ProtectionRow,
    QuarantineRow,
    ReadingRow,
    RunRow,
    SharedDocumentRow,
)
from moodle_coupling.ledger.page_queries import drop_names
from moodle_coupling.ledger.words import UNDERWAY, MismatchStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from sqlalchemy import Column, Connection, Table

    from moodle_coupling.ledger.ledger import Ledger

_ACCESS: Any = AccessRow.__table__
_ACCESS_OUTCOMES: Any = AccessOutcomeRow.__table__
_ACCOUNT_KEYS: Any = AccountKeyRow.__table__
_ACTIVITY: Any = ActivityRow.__table__
_INTENTIONS: Any = IntentionRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_OUTCOMES: Any = OutcomeRow.__table__
_QUARANTINES: Any = QuarantineRow.__table__
_READINGS: Any = ReadingRow.__table__
_RUNS: Any = RunRow.__table__
_SHARED_DOCUMENTS: Any = SharedDocumentRow.__table__
_AT_REST = (MismatchStatus.GONE, MismatchStatus.LAPSED)
FORGOTTEN: Final = "[forgotten]"
_ABSENCES: Any = AbsenceRow.__table__
_DECISIONS: Any = DecisionRow.__table__
_LINKS: Any = LinkRow.__table__
_PROTECTIONS: Any = ProtectionRow.__table__
_NAMES: Final = ("person_id", "extern_id", "idnumber", "username", "firstname", "lastname", "email")
_KEYS: Final = ("email_key", "name_key")
_NOT_FREE: Final = frozenset(
    {"environment", "by", "decided_by", "lifted_by", "suspended_by", "holder", "plan_digest", "fingerprint"}
)
_SHORTEST: Final = 6
"""Texts about others are searched for ids, addresses, usernames and full names of at least this length; shorter ones are in words."""


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows of each kind were deleted."""

    outcomes: int
    intentions: int
    runs: int
    mismatches: int
    activities: int
    quarantines: int
    account_keys: int
    shared_documents: int
    access_outcomes: int


def purge(ledger: Ledger, older_than: dt.datetime) -> Purged:
    """Delete what ended before ``older_than``: outcomes, intentions and runs, mismatches at rest, activity, quarantines.

    Deleted too are the account keys of an environment in which everyone was last read before it, and counts and tokens of a
    source that were last changed before it.
    Kept whatever their age: links, access given, absences, protections (also those on mismatches that are deleted), runs under way and
    all that hangs on them, mismatches that are open, decided or applied, and for each environment its latest run that
    came to its end (a first load waits for approval).
    """
    with ledger.writing() as connection:

        def deleted(table: Any, *conditions: Any) -> int:
            return connection.execute(delete(table).where(*conditions)).rowcount

        over = select(_RUNS.c.id).where(_RUNS.c.state.not_in(list(UNDERWAY)), _RUNS.c.ended < older_than)
        later = _RUNS.alias("later")
        latest = ~exists().where(
            later.c.environment == _RUNS.c.environment, later.c.state == "done", later.c.ended > _RUNS.c.ended
        )
        unread = select(_READINGS.c.environment).where(_READINGS.c.at < older_than)
        access_outcomes = deleted(_ACCESS_OUTCOMES, _ACCESS_OUTCOMES.c.run.in_(over))
        purged = Purged(
            outcomes=deleted(_OUTCOMES, _OUTCOMES.c.run.in_(over)),
            intentions=deleted(_INTENTIONS, _INTENTIONS.c.run.in_(over)),
            runs=deleted(_RUNS, _RUNS.c.id.in_(over.where(~((_RUNS.c.state == "done") & latest)))),
            mismatches=deleted(_MISMATCHES, _MISMATCHES.c.status.in_(_AT_REST), _MISMATCHES.c.last_seen < older_than),
            activities=deleted(_ACTIVITY, _ACTIVITY.c.at < older_than),
            quarantines=deleted(_QUARANTINES, _QUARANTINES.c.lifted_at < older_than),
            account_keys=deleted(_ACCOUNT_KEYS, _ACCOUNT_KEYS.c.environment.in_(unread)),
            shared_documents=deleted(_SHARED_DOCUMENTS, _SHARED_DOCUMENTS.c.changed_at < older_than),
            access_outcomes=access_outcomes,
        )
        drop_names(connection)
    return purged


@dataclass(frozen=True, slots=True)
class PersonIds:
    """The ids by which a person is known, each kind in its own field: one person's person_id may be another's extern_id."""

    person_ids: tuple[str, ...] = ()
    idnumbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    extern_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Traces:
    """All by which a person can be found: the ids, and the ``texts`` that others' rows may mention (longest first)."""

    ids: PersonIds
    texts: tuple[str, ...]

    def taken_out(self, text: str) -> str:
        """Give a text without any mention of the person, letter case aside."""
        for one in self.texts:
            text = re.sub(re.escape(one), FORGOTTEN, text, flags=re.IGNORECASE)
        return text


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
    access: int


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
    with ledger.writing() as connection:
        traces = _widened(connection, environment, known)
        known = traces.ids
        accounts = _accounts(connection, environment, known)
        names = _name_keys(connection, environment, traces)
        account_keys = _forget_account_keys(connection, environment, known, accounts)
        protections = _forget_protections(connection, environment, known, accounts)
        links = connection.execute(delete(_LINKS).where(_who(_LINKS, environment, known))).rowcount
        absences = connection.execute(delete(_ABSENCES).where(_absent(environment, known))).rowcount
        outcomes = _forget_outcomes(connection, environment, known)
        mismatches = _forget_mismatches(connection, environment, traces)
        drop_names(connection, names)
        activities = _forget_activity(connection, environment, known, accounts)
        access = _forget_access(connection, environment, known, accounts)
        mentions = sum(
            _forget_mentions(connection, environment, table, traces) for table in Base.metadata.sorted_tables
        )
    return Forgotten(links, outcomes, mismatches, activities, absences, protections, mentions, account_keys, access)


def traces_of(ledger: Ledger, environment: str | None, ids: PersonIds) -> Traces:
    """Give all by which the ledger knows a person in one environment, or (None) in all; raises ValueError when ``ids`` is empty."""
    known = _cleaned(ids)
    with ledger.reading() as connection:
        return _widened(connection, environment, known)


def _cleaned(ids: PersonIds) -> PersonIds:
    def cleaned(values: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cells.key_text(value) for value in values if value))

    emails = tuple(dict.fromkeys(cells.email_key(email) for email in ids.emails if email))
    known = PersonIds(cleaned(ids.person_ids), cleaned(ids.idnumbers), emails, cleaned(ids.extern_ids))
    if not any(getattr(known, field.name) for field in fields(known)):
        msg = "say which person to forget: a person_id, an idnumber or an e-mail address"
        raise ValueError(msg)
    return known


def _who(table: Any, environment: str | None, ids: PersonIds) -> Any:
    nobody_else = or_(table.c.person_id == "", table.c.person_id.in_(ids.person_ids))
    if not ids.person_ids:
        nobody_else = literal(value=True)
    ways = [table.c.person_id.in_(ids.person_ids), and_(table.c.idnumber.in_(ids.idnumbers), nobody_else)]
    if "email_key" in table.c:
        ways.append(and_(table.c.email_key.in_(ids.emails), nobody_else))
    here = table.c.environment == environment if environment is not None else literal(value=True)
    return and_(here, or_(*ways))


def _widened(connection: Connection, environment: str | None, ids: PersonIds) -> Traces:
    """Give the ids with those they go with, and the texts by which others' rows may mention the person."""
    idnumbers, externs, emails, texts = set(ids.idnumbers), set(ids.extern_ids), set(ids.emails), set[str]()
    for table in (_OUTCOMES, _MISMATCHES, _LINKS):
        columns = [table.c.idnumber, table.c.username]
        columns += [table.c.get(name, literal("")) for name in ("extern_id", "email", "firstname", "lastname")]
        for idnumber, username, extern, email, first, last in connection.execute(
            select(*columns).where(_who(table, environment, ids)).distinct()
        ):
            idnumbers.add(idnumber)
            externs.add(extern)
            emails.add(email.lower())
            texts |= {username, f"{first} {last}".strip(), f"{last}, {first}" if first else ""}
    texts |= {*ids.person_ids, *idnumbers, *externs, *emails}
    whole = PersonIds(
        ids.person_ids, tuple(sorted(idnumbers - {""})), tuple(sorted(emails - {""})), tuple(sorted(externs - {""}))
    )
    return Traces(whole, tuple(sorted((one for one in texts if len(one) >= _SHORTEST), key=len, reverse=True)))


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
    from moodle_coupling.provisioning.snapshot.keys import key  # pandas, and only here

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


def _forget_access(
    connection: Connection, environment: str | None, ids: PersonIds, accounts: set[tuple[str, int]]
) -> int:
    """Forget what the person was given, which nobody takes back any more, and blank what became of it."""
    total = 0
    for table in (_ACCESS, _ACCESS_OUTCOMES):
        theirs = [
            and_(
                table.c.environment == where, table.c.account_id == which, table.c.person_id.in_(("", *ids.person_ids))
            )
            for where, which in accounts
        ]
        who = or_(_who(table, environment, ids), *theirs)
        blank: dict[str, Any] = dict.fromkeys(("person_id", "extern_id", "idnumber", "message"), "") | {
            "account_id": None
        }
        change = delete(table) if table is _ACCESS else update(table).values(blank)
        total += connection.execute(change.where(who)).rowcount
    return total


def _name_keys(connection: Connection, environment: str | None, traces: Traces) -> set[str]:
    theirs = {_OUTCOMES: _who(_OUTCOMES, environment, traces.ids), _MISMATCHES: _mismatches_of(environment, traces)}
    return {
        name
        for table, who in theirs.items()
        for name in connection.execute(select(table.c.name_key).where(who)).scalars()
    }


def _mismatches_of(environment: str | None, traces: Traces) -> Any:
    """Give the condition that a mismatch is about a person, or about a cohort or course that is named after one.

    As long as something is so named, the next run asks of it again.
    """
    here = _MISMATCHES.c.environment == environment if environment is not None else literal(value=True)
    named_after = [f"{kind} {text}".lower() for kind in TargetKind for text in traces.texts]
    subject = func.lower(_MISMATCHES.c.subject)
    after = [subject.in_(named_after), *(subject.contains(email, autoescape=True) for email in traces.ids.emails)]
    return or_(_who(_MISMATCHES, environment, traces.ids), and_(here, OF_TARGET, or_(*after)))


def _forget_mismatches(connection: Connection, environment: str | None, traces: Traces) -> int:
    who = _mismatches_of(environment, traces)
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
    # What was typed to look a person up stood there once: any id, or an address in any letter case.
    names = [*ids.person_ids, *ids.idnumbers, *ids.extern_ids]
    names += [f"person {person}" for person in ids.person_ids]
    names += [f"idnumber {idnumber}" for idnumber in ids.idnumbers]
    here = _ACTIVITY.c.environment == environment if environment is not None else literal(value=True)
    ways = [and_(here, or_(_ACTIVITY.c.subject.in_(names), func.lower(_ACTIVITY.c.subject).in_(ids.emails)))]
    ways += [
        and_(_ACTIVITY.c.environment == where, _ACTIVITY.c.subject == f"account {which}") for where, which in accounts
    ]
    return connection.execute(update(_ACTIVITY).where(or_(*ways)).values(subject=FORGOTTEN, detail="")).rowcount


def _forget_mentions(connection: Connection, environment: str | None, table: Table, traces: Traces) -> int:
    """Take the person out of what one table says in free texts about others, letter case aside; gives how many texts changed."""
    count = 0
    keys = list(table.primary_key.columns)
    for column in _free_texts(table):
        ways = [
            _holds(column, one) for text in traces.texts for one in {text, text.lower(), text.upper(), text.title()}
        ]
        query = select(*keys, column).where(or_(literal(value=False), *ways))
        if environment is not None and "environment" in table.c:
            query = query.where(table.c.environment == environment)
        for *key, text in connection.execute(query).all():
            without = traces.taken_out(text)
            if without != text:
                same = [one == value for one, value in zip(keys, key, strict=True)]
                connection.execute(update(table).where(*same).values({column.name: without}))
                count += 1
    return count


def _free_texts(table: Table) -> list[Column[Any]]:
    """Give the columns that may name a person in passing: no keys, nobody's own name or address, no staff, no digests."""
    fixed = {column.name for column in table.primary_key.columns} | set(_NAMES) | set(_KEYS) | _NOT_FREE
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            fixed |= {column.name for column in constraint.columns}
    free = [column for column in table.columns if column.name not in fixed and not column.foreign_keys]
    return [column for column in free if isinstance(column.type, StoredText)]


def _holds(column: Column[Any], text: str) -> Any:
    return func.lower(column).contains(text.lower(), autoescape=True) | column.contains(text, autoescape=True)
