"""The frames that the steps of a run hand to each other, each declared once: name, dtype and meaning of every column.

A text that is absent is '' (never NaN or None), so texts go through Parquet unchanged; a number that may be absent is Int64.
``changes``, ``reasons`` and the like are JSON texts. Texts for people (``message``, ``evidence``) hold a sentence as it is
written (words.sentence), or a plain text. The file in a run's folder is ``<name>.parquet``; orchestration.staging checks it
against what is declared here when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.columns import PERSON_COLUMNS, Column
from moodle_coupling.contract.fields import TEXT_FIELDS

if TYPE_CHECKING:
    import pandas as pd

TEXT: Final = "str"
ID: Final = "Int64"
WHEN: Final = "datetime64[us, UTC]"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A column that is not as declared; ``came`` is its dtype, '' where there is no such column."""

    column: str
    wanted: str
    came: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. With ``further`` more columns may follow, all of that dtype; without it there are no others."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    further: str = ""
    optional: frozenset[str] = frozenset()
    """Columns that may not be there: then nothing is known of what they would hold, which is not the same as empty."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the declared columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def texts(self) -> list[str]:
        """The names of those that are texts."""
        return [column.name for column in self.columns if column.dtype == TEXT]

    @property
    def dtypes(self) -> dict[str, Any]:
        """The dtype of each declared column."""
        return {column.name: column.dtype for column in self.columns}

    def misfit(self, frame: pd.DataFrame) -> Misfit | None:
        """Give the first column that is not as declared; None where all are."""
        wanted, came = self.dtypes, {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
        for name, dtype in wanted.items():
            if came.get(name) != dtype and not (name in self.optional and name not in came):
                return Misfit(name, dtype, came.get(name, ""))
        for name in came.keys() - wanted.keys():
            if came[name] != self.further:
                return Misfit(name, self.further, came[name])
        return None


_WHO: Final = (
    Column("person_id", TEXT, "The source's own key of the person."),
    Column("extern_id", TEXT, "Key of the person in another system."),
)

PERSONS: Final = Frame("persons", "Everyone in the source, as read.", PERSON_COLUMNS, further=TEXT)

LEFT_OUT: Final = Frame(
    "left_out",
    "Lines of the source that are no person.",
    (
        Column("line", "int64", "As an editor counts."),
        Column("code", TEXT, "What is the matter."),
        Column("message", TEXT, "What is the matter, for people; it names the line."),
        Column("source", TEXT, "Of which source, where there are several; else ''."),
    ),
)

CANDIDATES: Final = Frame(
    "candidates",
    "Persons as Moodle would have them; then come the mapping's further fields (auth, lang …) and profile_field_<shortname>.",
    (
        Column("row", "int64", "Key within the extract."),
        *_WHO,
        Column("idnumber", TEXT, "'' when the person has none that Moodle can hold: then the person is rejected."),
        Column("other_id", TEXT, "The person's other id: person_id where extern_id is configured, or the reverse."),
        Column("username", TEXT, "What the recipe makes, before numbering; '' when it makes nothing."),
        Column("firstname", TEXT, "First name."),
        Column("lastname", TEXT, "Surname, with the particles in front where the mapping says so."),
        Column("email", TEXT, "The address that was chosen."),
        Column("inactive", "bool", "The source says that the person has left."),
        Column("in_scope", "bool", "Belongs in this Moodle: in the mapping's scope, and active."),
    ),
    further=TEXT,
)

BYSTANDERS: Final = Frame(
    "bystanders", "Candidates who are not looked at: an account may be theirs.", CANDIDATES.columns, further=TEXT
)

REASONS: Final = Frame(
    "reasons",
    "What is wrong with persons; several rows per person are possible.",
    (
        Column("row", "int64", "Of the person."),
        Column("code", TEXT, "The rule."),
        Column("field", TEXT, "Of which field."),
        Column("value", TEXT, "What stood there, cut."),
        Column("said", TEXT, "A sentence: what is the matter and how to mend it."),
        Column(
            "blocks", TEXT, "What it stops: 'all', 'create' (no new account; an existing one keeps the field), or ''."
        ),
    ),
)

FINGERPRINTS: Final = Frame(
    "fingerprints",
    "What each candidate would be written as, in short.",
    (Column("row", "int64", "Of the person."), Column("fingerprint", TEXT, "Equal where nothing changed.")),
)

ACCOUNTS: Final = Frame(
    "accounts",
    "Accounts of a Moodle; then come profile_field_<shortname>.",
    (
        Column("id", "int64", "Moodle's id of the account."),
        *(Column(name, TEXT, f"Moodle's field {name}; '' where it is empty.") for name in TEXT_FIELDS),
        Column("suspended", "bool", "Blocked in Moodle."),
    ),
    further=TEXT,
    optional=frozenset(TEXT_FIELDS) - {"username", "email", "idnumber"},
)

SNAPSHOT: Final = Frame(
    "accounts",
    "The accounts that matter to a run, as read back.",
    (*ACCOUNTS.columns, Column("is_service_user", "bool", "The account that the token belongs to.")),
    further=TEXT,
    optional=ACCOUNTS.optional,
)

PROFILE_TYPES: Final = Frame(
    "profile_types",
    "Types of profile fields that accounts showed.",
    (Column("shortname", TEXT, "Of the field."), Column("type", TEXT, "As Moodle names it.")),
)

UNREADABLE: Final = Frame(
    "unreadable",
    "Keys of accounts that are there and that Moodle cannot show.",
    (Column("field", TEXT, "Moodle's field."), Column("value", TEXT, "What was looked up in it.")),
)

PLAN: Final = Frame(
    "plan",
    "What a run intends: one row per person, then one per account of nobody, by account id.",
    (
        Column("row", ID, "Of the person; missing where the row is an account's: an orphan, or one that a decision writes along."),
        *_WHO,
        Column("idnumber", TEXT, "'' where it is taken off the account."),
        Column("account_id", ID, "Missing when no account is meant."),
        Column("verdict", TEXT, "A Verdict; '' for a person rejected before matching."),
        Column("action", TEXT, "An Action."),
        Column("username", TEXT, "That the account has, or will get."),
        Column("firstname", TEXT, "First name."),
        Column("lastname", TEXT, "Surname."),
        Column("email", TEXT, "Address."),
        Column("changes", TEXT, "JSON {field: [old, new]}: all that will be written; of a create old is null."),
        Column("reasons", TEXT, "JSON [{code, field, said}]; said is a sentence (matching/reasons.py)."),
        Column("evidence", TEXT, "A sentence: which key, which account, which other person; '' where the columns say all (matching/evidence.py)."),
        Column("other_accounts", TEXT, "JSON [id, …]: the accounts that a question points at."),
        Column("proposal", TEXT, "'', 'link', 're-key' or 'suspend': what a decision would most likely be."),
        Column("decision", ID, "The decision that this row obeys; missing when it obeys none."),
        Column("drift", TEXT, 'JSON {field: [in Moodle, in the source, "repaired" or "reported"]}: changed by hand in Moodle.'),
    ),
)  # fmt: skip

PART: Final = Frame(
    "part",
    "A part of the plan as one task loads it, in part-<number>.",
    (*PLAN.columns, Column("fingerprint", TEXT, "Of the person, as in fingerprints; '' for an account of nobody.")),
)

UNCHANGED: Final = Frame("unchanged", "Rows of the plan of who was not looked at.", PLAN.columns)

OUTCOMES: Final = Frame(
    "outcomes",
    "What became of each row of a plan; those of one part of it stand in outcomes-<number>.",
    (
        Column("row", ID, "As in the plan."),
        *_WHO,
        Column("idnumber", TEXT, "As in the plan."),
        Column("account_id", ID, "The account written, found or in the way; missing when there is none."),
        Column("verdict", TEXT, "As in the plan."),
        Column("action", TEXT, "As in the plan."),
        Column("username", TEXT, "As in the plan."),
        Column("status", TEXT, "An OutcomeStatus."),
        Column("code", TEXT, "'' for an ordinary done."),
        Column("message", TEXT, "What happened, for people."),
        Column("changes", TEXT, "As in the plan."),
        Column("at", WHEN, "When."),
    ),
)

_OF_ACCESS: Final = (
    Column("kind", TEXT, "A TargetKind: cohort or course."),
    Column("target", TEXT, "The cohort or course, as the mapping or the list names it."),
)
_WINDOW: Final = (
    Column("role", TEXT, "Shortname of the role in a course; '' in a cohort."),
    Column("timestart", "int64", "Unix time of the begin; 0 is no bound."),
    Column("timeend", "int64", "Unix time of the end; 0 is no bound."),
    Column("suspended", "bool", "The enrolment is suspended."),
)

ACCESS_LIST: Final = Frame(
    "access_list",
    "A list of access as read: one row per person and target, all texts.",
    (
        Column("line", "int64", "As an editor counts."),
        *_WHO,
        Column("idnumber", TEXT, "Where the list names persons by that."),
        Column("cohort", TEXT, "ID number of a cohort."),
        Column("course", TEXT, "A course, by what the mapping says."),
        Column("role", TEXT, "Shortname of a role; '' for student."),
        Column("from", TEXT, "First day."),
        Column("until", TEXT, "Last day."),
        Column("state", TEXT, "What the mapping's states translate."),
    ),
)

ACCESS_WANTED: Final = Frame(
    "access_wanted",
    "Who belongs in which cohort and course: one row per person and target, whatever the day.",
    (
        Column("row", ID, "Of the person; missing where a list names nobody of the source."),
        *_WHO,
        Column("idnumber", TEXT, "Of the person."),
        *_OF_ACCESS,
        *_WINDOW,
        Column("code", TEXT, "An AccessCode where nothing can be given; '' elsewhere."),
        Column("value", TEXT, "What was the matter with: a date, a state, the lines of a list."),
    ),
)

ACCESS_TARGETS: Final = Frame(
    "access_targets",
    "The cohorts and courses that a run looks at.",
    (
        *_OF_ACCESS,
        Column("target_id", ID, "Moodle's number; missing where it is not there."),
        Column("code", TEXT, "An AccessCode where nothing can be written to it; '' elsewhere."),
        Column("create", "bool", "A cohort that is not there and that the load makes."),
        Column("alike", TEXT, "What is there under another name, where it may be meant; '' elsewhere."),
    ),
)

ACCESS_MEMBERS: Final = Frame(
    "access_members",
    "Who is in the cohorts and courses that a run looks at.",
    (*_OF_ACCESS, Column("account_id", "int64", "Moodle's id of the account.")),
)

ACCESS_GIVEN: Final = Frame(
    "access_given",
    "What this coupling gave, and what it found there already, as the ledger remembers it.",
    (
        Column("account_id", "int64", "Moodle's id of the account."),
        Column("idnumber", TEXT, "Of the account, when it was given."),
        Column("person_id", TEXT, "Of the person."),
        *_OF_ACCESS,
        Column("target_id", "int64", "Moodle's number of the cohort or course."),
        *_WINDOW,
        Column("ours", "bool", "We gave it; otherwise it was there already."),
    ),
)

ACCESS_PLAN: Final = Frame(
    "access_plan",
    "What a run intends with access: one row per person and target, by row and then by account.",
    (
        Column("row", ID, "Of the person; missing where there is none of the source."),
        *_WHO,
        Column("idnumber", TEXT, "Of the person or account."),
        Column("account_id", ID, "Missing when the account is made by the same run."),
        *_OF_ACCESS,
        Column("target_id", ID, "Missing when the cohort is made by the same run."),
        *_WINDOW,
        Column("role_id", "int64", "Moodle's number of the role; 0 in a cohort."),
        Column("action", TEXT, "An AccessAction."),
        Column("code", TEXT, "An AccessCode: why."),
        Column("value", TEXT, "What was the matter with, where the code is about a value."),
    ),
)

ACCESS_OUTCOMES: Final = Frame(
    "access_outcomes",
    "What became of each row of a plan of access.",
    (
        Column("position", "int64", "The row's place in the plan, from 0."),
        *_WHO,
        Column("idnumber", TEXT, "As in the plan."),
        Column("account_id", ID, "The account; missing when there is none."),
        *_OF_ACCESS,
        *_WINDOW,
        Column("action", TEXT, "As in the plan."),
        Column("status", TEXT, "An OutcomeStatus."),
        Column("code", TEXT, "An AccessCode, or what the load came upon."),
        Column("message", TEXT, "A sentence: what happened."),
        Column("target_id", ID, "Moodle's number of the cohort or course."),
        Column("at", WHEN, "When."),
    ),
)

STAGED: Final = {
    frame.name: frame
    for frame in (
        PERSONS,
        LEFT_OUT,
        CANDIDATES,
        BYSTANDERS,
        REASONS,
        FINGERPRINTS,
        SNAPSHOT,
        PROFILE_TYPES,
        UNREADABLE,
        PLAN,
        PART,
        UNCHANGED,
        OUTCOMES,
        ACCESS_LIST,
        ACCESS_WANTED,
        ACCESS_TARGETS,
        ACCESS_MEMBERS,
        ACCESS_PLAN,
        ACCESS_OUTCOMES,
    )
}
"""By the name of their file in a run's folder."""


def staged(name: str) -> Frame | None:
    """Give what is declared of the file ``<name>.parquet``; None for what a source or a snapshot keeps for itself."""
    return STAGED.get(name.partition("-")[0])
