"""The verdicts on persons, accounts and targets of access: one row of one table each, which everything else reads.

A new verdict is a name in ``Verdict``, a row in ``VERDICTS``, the rule in ``matching`` (or ``access``) that finds it, and its words in the
catalogues (words/locale). tests/test_verdict_table.py tells what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(StrEnum):
    """What a person (or else what ``About`` says) is to this Moodle. Stored as text, so never renamed."""

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
    TARGET_ELSEWHERE = "target_elsewhere"


class About(StrEnum):
    """What a verdict is on."""

    PERSON = "person"
    ACCOUNT = "account"
    TARGET = "target"
    """A cohort or course as the mapping or a list names it: of whoever belongs there, and of nobody in particular."""


class DecisionKind(StrEnum):
    """What an analyst can decide. ``later`` leaves the mismatch open, with the note on record."""

    LINK = "link"
    REKEY = "rekey"
    CREATE_SEPARATE = "create_separate"
    DO_NOT_TOUCH = "do_not_touch"
    SUSPEND = "suspend"
    STANDS_FOR = "stands_for"
    """The name stands for that cohort or course, for as long as the facts stay."""
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
class VerdictRow:
    """What is known of one verdict, whoever it is on.

    ``about``: what it is on. ``group``: its row in a run's head table, which counts persons and accounts; a mismatch, which a human
    must judge, is what is DISPUTED. ``writes``: the
    account is brought up to date, or made, without anyone's decision. ``field``: the field that it is a reason about ('' for
    none in particular); None where the verdict is no reason by itself. ``decisions``: the kinds that mean something there,
    most likely first. Its words stand in the catalogues: ``verdict.<name>`` on a badge, ``verdict.<name>.code`` where its name
    stands beside it, and ``verdict.<name>.meaning``, without naming anybody, of everything that can be decided on.
    """

    group: Group
    tone: Tone
    writes: bool = False
    field: str | None = None
    decisions: tuple[DecisionKind, ...] = ()
    about: About = About.PERSON

    @property
    def mismatch(self) -> bool:
        """Tell whether a human must judge."""
        return self.group is Group.DISPUTED


_OFF: Final = (DecisionKind.DO_NOT_TOUCH, DecisionKind.IGNORE, DecisionKind.LATER)
_REKEYED: Final = (DecisionKind.REKEY, DecisionKind.CREATE_SEPARATE)

VERDICTS: Final[Mapping[Verdict, VerdictRow]] = {
    Verdict.LINKED: VerdictRow(Group.LINKED, Tone.GOOD, writes=True),
    Verdict.NEW: VerdictRow(Group.NEW, Tone.INFO, writes=True),
    Verdict.ID_MISSING: VerdictRow(
        Group.DISPUTED, Tone.WARN, field="idnumber", decisions=(DecisionKind.LINK, DecisionKind.CREATE_SEPARATE, *_OFF)
    ),
    Verdict.ID_DIFFERS: VerdictRow(
        Group.DISPUTED, Tone.WARN, field="idnumber", decisions=(*_REKEYED, DecisionKind.SUSPEND, *_OFF)
    ),
    Verdict.ID_OTHER_SCHEME: VerdictRow(Group.DISPUTED, Tone.WARN, field="idnumber", decisions=(*_REKEYED, *_OFF)),
    Verdict.ID_CASE: VerdictRow(Group.DISPUTED, Tone.WARN, field="idnumber", decisions=(*_REKEYED, *_OFF)),
    Verdict.ID_REASSIGNED: VerdictRow(
        Group.DISPUTED, Tone.BAD, field="idnumber", decisions=(DecisionKind.LINK, DecisionKind.CREATE_SEPARATE, *_OFF)
    ),
    Verdict.EMAIL_TAKEN: VerdictRow(Group.DISPUTED, Tone.WARN, writes=True, field="email", decisions=_OFF),
    Verdict.AMBIGUOUS: VerdictRow(
        Group.DISPUTED, Tone.BAD, field="idnumber", decisions=(DecisionKind.LINK, *_REKEYED, *_OFF)
    ),
    Verdict.SOURCES_DISAGREE: VerdictRow(Group.DISPUTED, Tone.BAD, decisions=(DecisionKind.IGNORE, DecisionKind.LATER)),
    Verdict.DUPLICATE_PERSON: VerdictRow(Group.REJECTED, Tone.BAD),
    Verdict.DUPLICATE_ACCOUNT: VerdictRow(
        Group.DISPUTED, Tone.BAD, field="idnumber", decisions=(DecisionKind.LINK, DecisionKind.SUSPEND, *_OFF)
    ),
    Verdict.ORPHAN: VerdictRow(
        Group.UNMATCHED, Tone.WARN, decisions=(DecisionKind.SUSPEND, *_OFF), about=About.ACCOUNT
    ),
    Verdict.RETURNED: VerdictRow(Group.LINKED, Tone.INFO, writes=True),
    Verdict.HELD: VerdictRow(Group.DISPUTED, Tone.WARN, field="suspended", decisions=(DecisionKind.LINK, *_OFF)),
    Verdict.UNREADABLE: VerdictRow(
        Group.DISPUTED, Tone.BAD, field="username", decisions=(DecisionKind.IGNORE, DecisionKind.LATER)
    ),
    Verdict.PROTECTED: VerdictRow(Group.PROTECTED, Tone.QUIET, field=""),
    Verdict.TARGET_ELSEWHERE: VerdictRow(
        Group.DISPUTED,
        Tone.WARN,
        decisions=(DecisionKind.STANDS_FOR, DecisionKind.IGNORE, DecisionKind.LATER),
        about=About.TARGET,
    ),
}
"""Every verdict, in the order of ``Verdict``."""

MISMATCHES: Final = frozenset(verdict for verdict, row in VERDICTS.items() if row.mismatch)
"""Verdicts that a human must judge."""
DECIDABLE: Final = tuple(verdict for verdict, row in VERDICTS.items() if row.decisions)
"""Verdicts that can stand in the list of mismatches: those, and orphans that the mapping's policy only reports."""
OF_TARGETS: Final = frozenset(verdict for verdict, row in VERDICTS.items() if row.about is About.TARGET)
"""Verdicts on cohorts and courses; no row of a plan of accounts has one."""
KEPT_UP: Final = frozenset(verdict for verdict, row in VERDICTS.items() if row.writes and verdict is not Verdict.NEW)
"""Verdicts on persons whose account is there and is brought up to date without anyone's decision."""


def offered(verdict: str) -> tuple[DecisionKind, ...]:
    """Give the kinds of decision that mean something on a verdict; none for a text that is no verdict."""
    return VERDICTS[Verdict(verdict)].decisions if verdict in VERDICTS else ()


REACTIVATE: Final = "reactivate"
NONE_OF_THESE: Final = "none_of_these"
CALLED: Final[Mapping[tuple[DecisionKind, Verdict], str]] = {
    (DecisionKind.LINK, Verdict.HELD): REACTIVATE,
    (DecisionKind.IGNORE, Verdict.TARGET_ELSEWHERE): NONE_OF_THESE,
}
"""What a kind of decision is called on a verdict where it does another thing than elsewhere; its words are ``decision.<name>``."""
NAMES: Final[Mapping[str, DecisionKind]] = {
    name: kind
    for kind in DecisionKind
    for name in (kind.value, *(called for (other, _), called in CALLED.items() if other is kind))
}
"""Everything that decisions are called, and the kind of each."""


def name_of(kind: str, verdict: str) -> str:
    """Give what a kind of decision is called on a verdict ('' for any)."""
    return CALLED.get((DecisionKind(kind), Verdict(verdict)), kind) if verdict in VERDICTS else kind


def group_of(group: Group) -> tuple[str, ...]:
    """Give the verdicts of a row of the head table."""
    return tuple(str(verdict) for verdict, row in VERDICTS.items() if row.group is group and verdict not in OF_TARGETS)


def about(verdict: str) -> About:
    """Tell what a verdict is on; a text that is no verdict counts as one on a person."""
    return VERDICTS[Verdict(verdict)].about if verdict in VERDICTS else About.PERSON
