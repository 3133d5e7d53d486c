"""A mismatch as one user may see it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.facts import MismatchFacts
from moodle_coupling.contract.fields import FIELDS
from moodle_coupling.contract.verdicts import DECIDABLE, NONE_OF_THESE, REACTIVATE, About, DecisionKind, about
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.decisions import is_decidable
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.matching.decisions import ELSEWHERE, Option
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.matching.likeness import How, Part, parts, score
from moodle_coupling.orchestration.decision_sheet import kind_code
from moodle_coupling.web.base.access import MASK, Access, Right
from moodle_coupling.web.base.words import foreign, say
from moodle_coupling.web.mismatches.facts import (
    NAME,
    NAMES,
    Account,
    Agreement,
    Facts,
    choices,
    read_facts,
    shares_addresses,
    value_of,
)
from moodle_coupling.words.meanings import CALLED
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
    import pandas as pd


# ---- The words of the Mismatches page that are chosen by what a mismatch or a decision is ----

NAMED: Final = {
    "decision.link": say("Link to account {account}"),
    "decision.reactivate": say("Reactivate account {account}"),
    "decision.rekey": say("Re-key account {account}"),
    "decision.do_not_touch": say("Do not touch account {account}"),
    "decision.suspend": say("Suspend account {account}"),
    "decision.stands_for": say("It is number {account}"),
}
"""What a decision is called on a button that names its account, by its code."""
FIELD_WORDS: Final = {
    NAME: say("Name"),
    CALLED: say("Name"),
    "shortname": say("Short name"),
    **{field.name: f"field.{field.name}" for field in FIELDS},
}
SIGNS: Final = {
    Agreement.SAME: say("agrees"),
    Agreement.NEARLY: say("agrees but for letter case, accents or spaces"),
    Agreement.DIFFERS: say("differs"),
}
HOW: Final = {
    How.SAME: say("{field}: the same"),
    How.NEARLY: say("{field}: the same but for spelling"),
    How.OTHER_ID: say("{field}: the person's other id"),
    How.DIFFERS: say("{field}: differs"),
}
PROPOSED: Final = {"link": "decision.link", "re-key": "decision.rekey", "suspend": "decision.suspend"}
STATES: Final = {
    MismatchStatus.OPEN: say("It is open again: nothing is done with this decision."),
    MismatchStatus.DECIDED: say("The next run carries this out, if nothing changes before."),
    MismatchStatus.APPLIED: say("A run carried this out."),
    MismatchStatus.GONE: say("What was the matter is gone."),
    MismatchStatus.LAPSED: say("The facts changed, so the decision lapsed."),
}
"""What becomes of a decision that a run carries out, by the mismatch's status."""
HOLDING: Final = {
    DecisionKind.DO_NOT_TOUCH: say(
        "The account is protected at once, and never written until the protection is taken off."
    ),
    DecisionKind.STANDS_FOR: say(
        "From the next run on the name stands for it, for as long as the facts stay as they are."
    ),
    DecisionKind.IGNORE: say("Nothing is written, for as long as the facts stay as they are."),
    DecisionKind.LATER: say("It stays open; the note is on record."),
}
"""What a decision means that no run has anything to do for."""
OVER: Final = {
    status: f"mismatch.over.{status}" for status in (MismatchStatus.APPLIED, MismatchStatus.GONE, MismatchStatus.LAPSED)
}
"""Why nothing can be decided, by status."""
FOR_MANY: Final = {
    REACTIVATE: say(
        "Each account is reactivated: its person can log in again, and it is kept up to date from then on."
    ),
    DecisionKind.LINK: say(
        "Each account gets its person's ID number and is kept up to date from then on. The next run checks each once more."
    ),
    DecisionKind.REKEY: say(
        "Each account's ID number becomes that of its person, and it is kept up to date from then on. The next run checks each once more."
    ),
    DecisionKind.CREATE_SEPARATE: say(
        "Each person gets an account of its own; the accounts found stay as they are, but for an ID number that is another person's now: that is taken off first, and the run after that makes the account."
    ),
    DecisionKind.DO_NOT_TOUCH: say(
        "The accounts are protected at once, and never written until an analyst takes that off."
    ),
    DecisionKind.SUSPEND: say(
        "Each account is suspended by the next run: nobody logs in with it any more. Nothing is deleted."
    ),
    DecisionKind.STANDS_FOR: say(
        "Each name stands for the only cohort or course that is alike, from the next run on, for as long as that stays as it is."
    ),
    NONE_OF_THESE: say(
        "Each name stands for nothing: nobody gets access by it, and it is asked again only when what is alike changes."
    ),
    DecisionKind.IGNORE: say("Nothing is written. Each is asked again only when its facts change."),
    DecisionKind.LATER: say("Each stays open, with your note on record."),
}
"""What a decision on many does, by what it is called."""
WHY_PROPOSED: Final = {
    DecisionKind.LINK: say(
        "Proposed where the account has no ID number, e-mail address and last name agree, and nobody else points at it."
    ),
    DecisionKind.REKEY: say(
        "Proposed where the account's ID number is the person's own but for letter case or spaces, or the person's other id, and it is nobody else's."
    ),
    DecisionKind.SUSPEND: say("Proposed for accounts without a person."),
}
BUTTONS: Final = {
    REACTIVATE: (say("Reactivate {n} account"), say("Reactivate {n} accounts")),
    DecisionKind.LINK: (say("Link {n} account"), say("Link {n} accounts")),
    DecisionKind.REKEY: (say("Re-key {n} account"), say("Re-key {n} accounts")),
    DecisionKind.CREATE_SEPARATE: (say("Create {n} account"), say("Create {n} accounts")),
    DecisionKind.DO_NOT_TOUCH: (say("Do not touch, for {n} mismatch"), say("Do not touch, for {n} mismatches")),
    DecisionKind.SUSPEND: (say("Suspend {n} account"), say("Suspend {n} accounts")),
    DecisionKind.STANDS_FOR: (say("Say of {n} name that it is this one"), say("Say of {n} names that it is this one")),
    NONE_OF_THESE: (say("None of these, for {n} name"), say("None of these, for {n} names")),
    DecisionKind.IGNORE: (say("Ignore {n} mismatch"), say("Ignore {n} mismatches")),
    DecisionKind.LATER: (say("Decide later on {n} mismatch"), say("Decide later on {n} mismatches")),
}


def label(texts: Texts, kind: str, account_id: int | None, verdict: str = "") -> str:
    """Name a decision on a mismatch with this verdict, and the account it is about where there is one to name."""
    code = kind_code(kind, verdict)
    if account_id is not None and code in NAMED:
        return texts(NAMED[code], account=account_id)
    return texts(code)


def for_templates(texts: Texts) -> dict[str, Any]:
    """Give the words as the templates call them."""
    return {
        "label": partial(label, texts),
        "value_of": value_of,
        "field_words": FIELD_WORDS,
        "sign_words": SIGNS,
        "how_words": HOW,
        "proposed_words": PROPOSED,
        "state_words": STATES,
        "holding_words": HOLDING,
        "over_words": OVER,
        "bulk_words": FOR_MANY,
        "bulk_buttons": BUTTONS,
        "why_proposed": WHY_PROPOSED,
    }


# ---- A mismatch as one user may see it ----

MEANINGS: Final = {str(verdict): f"verdict.{verdict}.meaning" for verdict in DECIDABLE}
"""By verdict what is the matter, without naming anybody."""
SHORT: Final = ("idnumber", NAME, "email")
LONG: Final = ("idnumber", "firstname", "lastname", "email", "username")
TARGET_FIELDS: Final = ("idnumber", "shortname", CALLED)
RUNS_DO: Final = frozenset({DecisionKind.LINK, DecisionKind.REKEY, DecisionKind.CREATE_SEPARATE, DecisionKind.SUSPEND})
"""Decisions that a run has something to do for."""
_NEVER: Final = "9999-12-31"
NAMED_AS: Final = say("Named as")
SIDES: Final = {About.PERSON: (say("Person"), say("Account")), About.ACCOUNT: ("", say("Account"))}
"""What both sides are called, by what a mismatch is about; '' where there is one side only."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What an account has in a field, beside the person's ``mine``; both as the user may see them."""

    text: str
    mine: str
    agreement: Agreement
    masked: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One field, of the person and of each account."""

    field: str
    mine: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest decision on a mismatch."""

    kind: str
    account_id: int | None
    by: str
    at: dt.datetime
    note: str
    applied_at: dt.datetime | None
    lapsed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Row:
    """A mismatch; texts are masked where the user may not see names. ``options`` is empty where nothing can be decided."""

    id: int
    version: int
    environment: str
    title: str
    verdict: str
    status: str
    since: dt.datetime
    first_seen: dt.datetime
    last_seen: dt.datetime
    times_seen: int
    last_run: str
    person_id: str
    extern_id: str
    idnumber: str
    account_id: int | None
    who: str
    numbered: str
    evidence: str
    foreign: bool
    proposal: str
    score: int | None
    assigned_to: str
    due: str | None
    overdue: bool
    facts: Facts
    decision: Standing | None
    options: tuple[Option, ...]
    best: Option | None
    sees_names: bool
    may_run: bool

    @property
    def about(self) -> About:
        """Tell what it is about."""
        return about(self.verdict)

    @property
    def is_orphan(self) -> bool:
        """Tell whether it is about an account and nobody else."""
        return self.about is About.ACCOUNT

    @property
    def is_target(self) -> bool:
        """Tell whether it is about a cohort or course, and nobody in particular."""
        return self.about is About.TARGET

    @property
    def sides(self) -> tuple[str, str]:
        """Name both sides, as the catalogues have it."""
        return (
            SIDES[self.about]
            if not self.is_target
            else (NAMED_AS, f"access.kind.{self.facts.target.get('kind')}.title")
        )

    @property
    def elsewhere(self) -> bool:
        """Tell whether an account can be chosen at which the mismatch does not point."""
        return bool(self.options) and self.verdict in ELSEWHERE

    @property
    def waits_for_run(self) -> bool:
        """Tell whether the next run has something to do for it."""
        return self.status == MismatchStatus.DECIDED and self.decision is not None and self.decision.kind in RUNS_DO

    @property
    def can_be_taken_back(self) -> bool:
        """Tell whether the user may take back what stands: no run has carried it out."""
        stands = self.holds
        carried_out = stands is not None and stands.applied_at is not None and stands.kind != DecisionKind.DO_NOT_TOUCH
        return bool(self.options) and stands is not None and not carried_out

    @property
    def is_standing(self) -> bool:
        """Tell whether somebody can have it to judge: it is not over."""
        return self.status in {MismatchStatus.OPEN, MismatchStatus.DECIDED}

    @property
    def holds(self) -> Standing | None:
        """Give the decision that stands; None when there is none, or it lapsed."""
        return self.decision if self.decision is not None and self.decision.lapsed_at is None else None

    @property
    def fields(self) -> tuple[str, ...]:
        """Give the fields in which both sides are shown."""
        return LONG if not self.is_target else _fields_of(self.facts)

    @property
    def few_fields(self) -> tuple[str, ...]:
        """Give those that do in a list."""
        return SHORT if not self.is_target else self.fields

    def lines(self, fields: tuple[str, ...] = LONG, accounts: tuple[Account, ...] | None = None) -> list[Line]:
        """Lay person and accounts (by default all) side by side, field by field."""
        shown = self.facts.accounts if accounts is None else accounts
        return [
            Line(
                field, self._shown(field, self.facts.person.get(field, "")), tuple(self._cell(field, a) for a in shown)
            )
            for field in fields
        ]

    def alike(self, account: Account) -> tuple[int | None, tuple[Part, ...]]:
        """Give how alike the person and an account are, of 100, and what that is made of."""
        made_of = parts(self.facts.person, account.values)
        return score(made_of), made_of

    def _cell(self, field: str, account: Account) -> Cell:
        mine, theirs = self.facts.person.get(field, ""), account.values.get(field, "")
        masked = field in NAMES and not self.sees_names
        agreement = Agreement.NOTHING if self.about is not About.PERSON else self.facts.agreement(field, account)
        return Cell(self._shown(field, theirs), self._shown(field, mine), agreement, masked=masked)

    def _shown(self, field: str, text: str) -> str:
        return text if self.sees_names or field not in NAMES or not text else MASK


class Reader:
    """Makes rows for one user; not ``deciding``: without what can be decided."""

    def __init__(self, access: Access, texts: Texts, *, deciding: bool = True) -> None:
        self.access = access
        self._deciding = deciding
        self._ = texts
        self._today = dt.datetime.now(dt.UTC).date().isoformat()
        self._titles = {name: access.coupling(name).title for name in access.environments()}

    def rows(self, frame: pd.DataFrame) -> list[Row]:
        """Make the rows of a page of the ledger (mismatch_pages.COLUMNS)."""
        return [self.row(record) for record in records(frame)]

    def row(self, record: Mapping[str, Any]) -> Row:
        """Make one row; the environment is one that the user may read."""
        environment, facts = record["environment"], read_facts(record["facts"])
        mask = self.access.mask(environment)
        evidence = self._evidence(record)
        standing = _standing(record, mask)
        open_to = self._deciding and self.access.may(Right.DECIDE, environment) and is_decidable(record)
        shared = shares_addresses(self.access.coupling(environment))
        best, options = choices(record, facts, shared_email=shared) if open_to else (None, ())
        return Row(
            **{name: record[name] for name in _AS_IT_IS},
            title=self._titles[environment],
            who=self._who(record),
            numbered=self._numbered(record),
            overdue=record["status"] == MismatchStatus.OPEN and (record["due"] or _NEVER) < self._today,
            evidence=evidence,
            foreign=foreign(self._, record["evidence"]) and self.access.sees_names(environment),
            facts=facts,
            decision=standing,
            options=options,
            best=best,
            sees_names=self.access.sees_names(environment),
            may_run=self.access.may(Right.RUN, environment),
        )

    def _who(self, record: Mapping[str, Any]) -> str:
        """Name whom or what a mismatch is about; a cohort's or course's name is nobody's."""
        name = f"{record['firstname']} {record['lastname']}".strip()
        if name and self.access.sees_names(record["environment"]):
            return name
        return self._numbered(record)

    def _numbered(self, record: Mapping[str, Any]) -> str:
        """Name whom a mismatch is about by an id, and by no name."""
        if about(record["verdict"]) is About.ACCOUNT:
            return self._("Account {account}", account=record["account_id"])
        if about(record["verdict"]) is About.TARGET:
            target = MismatchFacts.read(record["facts"]).target
            return self._(f"access.kind.{target.get('kind')}.named", name=target.get("name", ""))
        return self._("Person {id}", id=record["person_id"] or record["extern_id"] or record["idnumber"])

    def _evidence(self, record: Mapping[str, Any]) -> str:
        return evidence_text(record, self._, named=self.access.sees_names(record["environment"]))


def evidence_text(record: Mapping[str, Any], texts: Texts, *, named: bool) -> str:
    """Say why this is a mismatch; not ``named``, for those who may see no names: what its verdict means in general."""
    if named or about(record["verdict"]) is About.TARGET:
        return texts.say(evidence_of(record))
    verdict = record["verdict"]
    return texts(MEANINGS[verdict]) if verdict in MEANINGS else ""


def _fields_of(facts: Facts) -> tuple[str, ...]:
    """Give the fields of a cohort or course: the one by which it is looked up, and what is known of those that are alike."""
    known = dict.fromkeys([*facts.person, *(name for one in facts.accounts for name in one.values)])
    return tuple(name for name in TARGET_FIELDS if name in known)


_AS_IT_IS: Final = (
    "id",
    "version",
    "environment",
    "verdict",
    "status",
    "since",
    "first_seen",
    "last_seen",
    "times_seen",
    "last_run",
    "person_id",
    "extern_id",
    "idnumber",
    "account_id",
    "proposal",
    "score",
    "assigned_to",
    "due",
)


def _standing(record: Mapping[str, Any], mask: Any) -> Standing | None:
    if record["decision"] is None:
        return None
    return Standing(
        record["kind"],
        record["chosen"],
        record["by"],
        record["at"],
        mask(record["note"] or ""),
        record["applied_at"],
        record["lapsed_at"],
    )
