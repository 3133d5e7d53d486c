"""What the Run report and the Person page say: rows of the head table, fields, codes and how to mend them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.fields import FIELD_BY_NAME, FIELDS, PROFILE_PREFIX
from moodle_coupling.contract.verdicts import Group, Tone, group_of
from moodle_coupling.web.base.languages import say
from moodle_coupling.web.base.words import Word
from moodle_coupling.words.meanings import how_to_mend, in_words

if TYPE_CHECKING:
    from moodle_coupling.words.sentence import Texts

DISPUTED: Final = group_of(Group.DISPUTED)
HEAD: Final[dict[str, tuple[str, ...]]] = {str(group): group_of(group) for group in Group} | {
    "rejected": ("", "rejected", *group_of(Group.REJECTED))
}
"""Rows of the head table and the verdicts of each. A person rejected before matching has none ('' in the ledger,
'rejected' in a run's counts)."""
HEAD_WORDS: Final = {
    "linked": Word(say("Linked"), Tone.GOOD),
    "new": Word(say("New"), Tone.INFO),
    "disputed": Word(say("Disputed"), Tone.WARN),
    "unmatched": Word(say("Unmatched"), Tone.WARN),
    "protected": Word(say("Protected")),
    "rejected": Word(say("Rejected"), Tone.BAD),
}
HEAD_ABOUT: Final = {
    "linked": say("one account has the person's ID number"),
    "new": say("no account yet, and no question"),
    "disputed": say("somebody must judge: a mismatch"),
    "unmatched": say("an account without a person"),
    "protected": say("never written"),
    "rejected": say("the source must be mended first"),
}
STATUSES: Final = {
    "done": Word(say("succeeded"), Tone.GOOD),
    "rejected": Word(say("rejected"), Tone.WARN),
    "failed": Word(say("failed"), Tone.BAD),
    "skipped": Word(say("skipped")),
    "unknown": Word(say("unknown"), Tone.BAD),
}
"""Columns of the head table; 'rejected' so that each row adds up to its total."""
OPEN_FIELDS: Final = frozenset(field.name for field in FIELDS if not field.names_someone)
"""Fields whose values name nobody: shown to those who may not see names too."""
STEPS: Final = {"snapshot": say("Accounts read from Moodle"), "load": say("Written to Moodle")}
KINDS: Final = {
    "manual": say("by hand"),
    "scheduled": say("by its schedule"),
    "backfill": say("by a backfill"),
    "asset_triggered": say("by an asset"),
}
"""How a run of Airflow began."""


def field_word(texts: Texts, field: str) -> str:
    """Give a Moodle field's name for people; a profile field by its short name."""
    known = FIELD_BY_NAME.get(field)
    return texts(f"field.{known.name}") if known else field.removeprefix(PROFILE_PREFIX)


def code_word(texts: Texts, code: str) -> str:
    """Give what a code of an outcome means, in a few words."""
    return in_words(texts, code)


def mend_word(texts: Texts, code: str, status: str) -> str:
    """Give what a person does about an outcome; '' when nothing is to be done."""
    return how_to_mend(texts, code, status)


def shown(texts: Texts, value: Any) -> str:
    """Give a value of a field as a text; '' for none."""
    if isinstance(value, bool):
        return texts("yes") if value else texts("no")
    return "" if value is None else str(value)
