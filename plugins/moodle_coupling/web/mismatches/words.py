"""The words of the Mismatches page that are chosen by what a mismatch or a decision is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.fields import FIELDS
from moodle_coupling.contract.verdicts import NONE_OF_THESE, REACTIVATE, DecisionKind
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.matching.likeness import How
from moodle_coupling.orchestration.decision_sheet import kind_code
from moodle_coupling.web.base.languages import say
from moodle_coupling.web.mismatches.choices import value_of
from moodle_coupling.web.mismatches.facts import NAME, Agreement
from moodle_coupling.words.targets import CALLED

if TYPE_CHECKING:
    from moodle_coupling.words.sentence import Texts

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
