"""The verdicts on persons and accounts: one row of one table each, which everything else reads.

A new verdict is a name in ``Verdict``, a row in ``VERDICTS`` and the rule in ``matching`` that finds it. Of a mismatch the
Mismatches page also needs the Dutch of its evidence (web/mismatches/dutch.py). tests/test_verdict_table.py tells what
is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(StrEnum):
    """What a person (or, for an orphan, an account) is to this Moodle. Stored as text, so never renamed."""

    LINKED = "linked"
    NEW = "new"
    ID_MISSING = "id_missing"
    ID_DIFFERS = "id_differs"
    ID_OTHER_SCHEME = "id_other_scheme"
    ID_CASE = "id_case"
    ID_REASSIGNED = "id_reassigned"
    EMAIL_TAKEN = "email_taken"
    AMBIGUOUS = "ambiguous"
    SOURCES_DISAGREE = "sources_disagree"
    DUPLICATE_PERSON = "duplicate_person"
    DUPLICATE_ACCOUNT = "duplicate_account"
    ORPHAN = "orphan"
    RETURNED = "returned"
    HELD = "held"
    UNREADABLE = "unreadable"
    PROTECTED = "protected"


class DecisionKind(StrEnum):
    """What an analyst can decide. ``later`` leaves the mismatch open, with the note on record."""

    LINK = "link"
    REKEY = "rekey"
    CREATE_SEPARATE = "create_separate"
    DO_NOT_TOUCH = "do_not_touch"
    SUSPEND = "suspend"
    IGNORE = "ignore"
    LATER = "later"


class Tone(StrEnum):
    """How a badge or a notice looks."""

    GOOD = "good"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"
    QUIET = "quiet"


class Group(StrEnum):
    """The rows of a run's head table, in their order."""

    LINKED = "linked"
    NEW = "new"
    DISPUTED = "disputed"
    UNMATCHED = "unmatched"
    PROTECTED = "protected"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Said:
    """A text in each language."""

    en: str
    nl: str


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What is known of one verdict, whoever it is on.

    ``group``: its row in a run's head table; a mismatch, which a human must judge, is what is DISPUTED. ``writes``: the
    account is brought up to date, or made, without anyone's decision. ``word``: on a badge. ``code``: where the verdict's
    name stands beside it, in reports, mails and traces. ``field``: the field that it is a reason about ('' for none in
    particular); None where the verdict is no reason by itself. ``decisions``: the kinds that mean something there, most
    likely first. ``meaning``: what is the matter, without naming anybody; of everything that can be decided on.
    """

    group: Group
    tone: Tone
    word: Said
    code: Said
    writes: bool = False
    field: str | None = None
    decisions: tuple[DecisionKind, ...] = ()
    meaning: Said | None = None

    @property
    def mismatch(self) -> bool:
        """Tell whether a human must judge."""
        return self.group is Group.DISPUTED


_OFF: Final = (DecisionKind.DO_NOT_TOUCH, DecisionKind.IGNORE, DecisionKind.LATER)
_REKEYED: Final = (DecisionKind.REKEY, DecisionKind.CREATE_SEPARATE)

VERDICTS: Final[Mapping[Verdict, VerdictRow]] = {
    Verdict.LINKED: VerdictRow(
        Group.LINKED,
        Tone.GOOD,
        Said("Linked", "Gekoppeld"),
        Said("linked by its idnumber", "gekoppeld via het ID-nummer"),
        writes=True,
    ),
    Verdict.NEW: VerdictRow(
        Group.NEW,
        Tone.INFO,
        Said("New", "Nieuw"),
        Said("no account yet", "nog geen account"),
        writes=True,
    ),
    Verdict.ID_MISSING: VerdictRow(
        Group.DISPUTED,
        Tone.WARN,
        Said("Found without ID number", "Gevonden zonder ID-nummer"),
        Said("Found without idnumber", "Gevonden zonder ID-nummer"),
        field="idnumber",
        decisions=(DecisionKind.LINK, DecisionKind.CREATE_SEPARATE, *_OFF),
        meaning=Said(
            "No account has this person's ID number, but an account without any ID number has the same e-mail address or username.",
            "Geen account heeft het ID-nummer van deze persoon, maar een account zonder ID-nummer heeft hetzelfde e-mailadres of "
            "dezelfde gebruikersnaam.",
        ),
    ),
    Verdict.ID_DIFFERS: VerdictRow(
        Group.DISPUTED,
        Tone.WARN,
        Said("Found under another ID number", "Gevonden onder een ander ID-nummer"),
        Said("Found under another idnumber", "Gevonden onder een ander ID-nummer"),
        field="idnumber",
        decisions=(*_REKEYED, DecisionKind.SUSPEND, *_OFF),
        meaning=Said(
            "No account has this person's ID number, but an account with another ID number has the same e-mail address or username.",
            "Geen account heeft het ID-nummer van deze persoon, maar een account met een ander ID-nummer heeft hetzelfde "
            "e-mailadres of dezelfde gebruikersnaam.",
        ),
    ),
    Verdict.ID_OTHER_SCHEME: VerdictRow(
        Group.DISPUTED,
        Tone.WARN,
        Said("Found under the person's other id", "Gevonden onder het andere id van de persoon"),
        Said("Found under the person's other id", "Gevonden onder het andere id van de persoon"),
        field="idnumber",
        decisions=(*_REKEYED, *_OFF),
        meaning=Said(
            "No account has this person's ID number, but an account with this person's other id as its ID number has the same "
            "e-mail address or username.",
            "Geen account heeft het ID-nummer van deze persoon, maar een account met het andere id van deze persoon als ID-nummer "
            "heeft hetzelfde e-mailadres of dezelfde gebruikersnaam.",
        ),
    ),
    Verdict.ID_CASE: VerdictRow(
        Group.DISPUTED,
        Tone.WARN,
        Said("ID number equal but for case or spaces", "ID-nummer gelijk op hoofdletters of spaties na"),
        Said("Idnumber equal but for letter case or spaces", "ID-nummer gelijk op hoofdletters of spaties na"),
        field="idnumber",
        decisions=(*_REKEYED, *_OFF),
        meaning=Said(
            "An account has this person's ID number, but for letter case or surrounding spaces.",
            "Een account heeft het ID-nummer van deze persoon, op hoofdletters of spaties eromheen na.",
        ),
    ),
    Verdict.ID_REASSIGNED: VerdictRow(
        Group.DISPUTED,
        Tone.BAD,
        Said("ID number is somebody else's now", "ID-nummer is nu van iemand anders"),
        Said(
            "The idnumber seems to have gone to somebody else", "Het ID-nummer lijkt naar iemand anders te zijn gegaan"
        ),
        field="idnumber",
        decisions=(DecisionKind.LINK, DecisionKind.CREATE_SEPARATE, *_OFF),
        meaning=Said(
            "An account has this person's ID number, but it seems to be somebody else's: name and e-mail address differ, or the "
            "coupling knows the account as another person's and the name differs.",
            "Een account heeft het ID-nummer van deze persoon, maar lijkt van iemand anders: naam en e-mailadres verschillen, of de "
            "koppeling kent het account als dat van een andere persoon en de naam verschilt.",
        ),
    ),
    Verdict.EMAIL_TAKEN: VerdictRow(
        Group.DISPUTED,
        Tone.WARN,
        Said("E-mail address is on another account", "E-mailadres hoort bij een ander account"),
        Said("The e-mail address belongs to another account", "Het e-mailadres hoort bij een ander account"),
        writes=True,
        field="email",
        decisions=_OFF,
        meaning=Said(
            "This person's account is known, but the person's e-mail address is on another account, and Moodle allows an address "
            "once.",
            "Het account van deze persoon is bekend, maar het e-mailadres van de persoon staat bij een ander account, en Moodle "
            "staat een adres maar één keer toe.",
        ),
    ),
    Verdict.AMBIGUOUS: VerdictRow(
        Group.DISPUTED,
        Tone.BAD,
        Said("Points at several accounts", "Wijst naar meerdere accounts"),
        Said("Points at several accounts", "Wijst naar meerdere accounts"),
        field="idnumber",
        decisions=(DecisionKind.LINK, *_REKEYED, *_OFF),
        meaning=Said(
            "What is known of this person points at several accounts.",
            "Wat van deze persoon bekend is, wijst naar meerdere accounts.",
        ),
    ),
    Verdict.SOURCES_DISAGREE: VerdictRow(
        Group.DISPUTED,
        Tone.BAD,
        Said("Sources do not agree on who this is", "Bronnen zijn het niet eens over wie dit is"),
        Said("Sources disagree", "Bronnen spreken elkaar tegen"),
        decisions=(DecisionKind.IGNORE, DecisionKind.LATER),
        meaning=Said(
            "Two sources have this person's id and do not agree on who it is; correct the id in one of them.",
            "Twee bronnen hebben het id van deze persoon en zijn het niet eens over wie dat is; verbeter het id in een van beide.",
        ),
    ),
    Verdict.DUPLICATE_PERSON: VerdictRow(
        Group.REJECTED,
        Tone.BAD,
        Said("Two persons with one ID number or address", "Twee personen met één ID-nummer of adres"),
        Said("Two persons share an idnumber or e-mail address", "Twee personen delen een ID-nummer of e-mailadres"),
    ),
    Verdict.DUPLICATE_ACCOUNT: VerdictRow(
        Group.DISPUTED,
        Tone.BAD,
        Said("Two accounts with one ID number", "Twee accounts met één ID-nummer"),
        Said("Two accounts share the idnumber", "Twee accounts delen het ID-nummer"),
        field="idnumber",
        decisions=(DecisionKind.LINK, DecisionKind.SUSPEND, *_OFF),
        meaning=Said(
            "Two or more accounts have this person's ID number.",
            "Twee of meer accounts hebben het ID-nummer van deze persoon.",
        ),
    ),
    Verdict.ORPHAN: VerdictRow(
        Group.UNMATCHED,
        Tone.WARN,
        Said("Account without person", "Account zonder persoon"),
        Said("Orphan", "Account zonder persoon"),
        decisions=(DecisionKind.SUSPEND, *_OFF),
        meaning=Said(
            "An account has an ID number that belongs to nobody who should be in this Moodle.",
            "Een account heeft een ID-nummer van niemand die in deze Moodle hoort.",
        ),
    ),
    Verdict.RETURNED: VerdictRow(
        Group.LINKED,
        Tone.INFO,
        Said("Has returned", "Is teruggekomen"),
        Said(
            "linked by its idnumber; we suspended it, and the person is back",
            "gekoppeld via het ID-nummer; wij blokkeerden het, en de persoon is terug",
        ),
        writes=True,
    ),
    Verdict.HELD: VerdictRow(
        Group.DISPUTED,
        Tone.WARN,
        Said("Suspended in Moodle by someone else", "Door iemand anders in Moodle geblokkeerd"),
        Said("Suspended in Moodle by someone else", "Door iemand anders in Moodle geblokkeerd"),
        field="suspended",
        decisions=(DecisionKind.LINK, *_OFF),
        meaning=Said(
            "This person's account was suspended in Moodle, and not by this coupling.",
            "Het account van deze persoon is in Moodle geblokkeerd, en niet door deze koppeling.",
        ),
    ),
    Verdict.UNREADABLE: VerdictRow(
        Group.DISPUTED,
        Tone.BAD,
        Said("Account that Moodle cannot show", "Account dat Moodle niet kan tonen"),
        Said("The account is there, and Moodle cannot show it", "Het account is er, en Moodle kan het niet tonen"),
        field="username",
        decisions=(DecisionKind.IGNORE, DecisionKind.LATER),
        meaning=Said(
            "This person's account is there and Moodle cannot show it, most likely because its username is not allowed any more; give "
            "it another one in Moodle.",
            "Het account van deze persoon is er en Moodle kan het niet tonen, waarschijnlijk omdat de gebruikersnaam niet meer mag; geef "
            "het in Moodle een andere.",
        ),
    ),
    Verdict.PROTECTED: VerdictRow(
        Group.PROTECTED,
        Tone.QUIET,
        Said("Protected", "Beschermd"),
        Said("a protected account", "een beschermd account"),
        field="",
    ),
}
"""Every verdict, in the order of ``Verdict``."""

MISMATCHES: Final = frozenset(verdict for verdict, row in VERDICTS.items() if row.mismatch)
"""Verdicts that a human must judge."""
DECIDABLE: Final = tuple(verdict for verdict, row in VERDICTS.items() if row.decisions)
"""Verdicts that can stand in the list of mismatches: those, and orphans that the mapping's policy only reports."""
KEPT_UP: Final = frozenset(verdict for verdict, row in VERDICTS.items() if row.writes and verdict is not Verdict.NEW)
"""Verdicts on persons whose account is there and is brought up to date without anyone's decision."""


def offered(verdict: str) -> tuple[DecisionKind, ...]:
    """Give the kinds of decision that mean something on a verdict; none for a text that is no verdict."""
    return VERDICTS[Verdict(verdict)].decisions if verdict in VERDICTS else ()


def group_of(group: Group) -> tuple[str, ...]:
    """Give the verdicts of a row of the head table."""
    return tuple(str(verdict) for verdict, row in VERDICTS.items() if row.group is group)
