"""The words and the columns of matching: actions and the frames that go in and come out.

All text columns hold '' for "absent", never NaN or None. ``changes`` and ``reasons`` are JSON texts, so that a frame
goes through Parquet unchanged.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What the plan intends for one row."""

    CREATE = "create"
    UPDATE = "update"
    LINK = "link"
    SUSPEND = "suspend"
    REACTIVATE = "reactivate"
    NONE = "none"
    REJECT = "reject"


WRITING_ACTIONS: Final = frozenset({Action.CREATE, Action.UPDATE, Action.LINK, Action.SUSPEND, Action.REACTIVATE})


SUSPEND: Final = "suspend"
"""The proposal for an orphan that a human must judge."""


CANDIDATE_COLUMNS: Final = (
    "row",  # int64: key within the extract
    "person_id",
    "extern_id",
    "idnumber",  # '' when the person has none that Moodle can hold: then the person is rejected
    "other_id",  # the person's other id (person_id where extern_id is configured, or the reverse); may be ''
    "username",  # what the recipe makes, before numbering; '' when it makes nothing
    "firstname",
    "lastname",  # with the particles in front, where the mapping says so
    "email",
    "inactive",  # bool
    "in_scope",  # bool: belongs in this Moodle (scope filter, and active)
)
"""Columns of the candidates frame; then come the mapping's further Moodle fields under Moodle's names (auth, lang,
country, city, institution, department …) and ``profile_field_<shortname>``, all str."""

REASON_COLUMNS: Final = ("row", "code", "field", "value", "message", "message_nl", "blocks")
"""Columns of the reasons frame: several rows per person are possible. ``blocks`` says what the reason stops:
'all' (the person is rejected), 'create' (a new account cannot be made; for an existing account only that field is left as
it is), or '' (only said)."""

PLAN_COLUMNS: Final = (
    "row",  # Int64; missing where the row is an account's: an orphan, or one that a decision on a person writes along
    "person_id",
    "extern_id",
    "idnumber",  # '' where it is taken off the account
    "account_id",  # Int64; missing when no account is meant
    "verdict",  # contract/verdicts.py, '' for a person rejected before matching
    "action",  # Action
    "username",  # that the account has, or will get
    "firstname",
    "lastname",
    "email",
    "changes",  # JSON {field: [old, new]}: everything that will be written and nothing else; a create has old null
    "reasons",  # JSON [{code, field, message}]
    "evidence",  # one sentence: which key, which account, which other person
    "other_accounts",  # JSON [id, …]: the accounts a question points at
    "proposal",  # '' | 'link' | 're-key' | 'suspend': what a decision would most likely be
    "decision",  # Int64: the decision that this row obeys; missing when it obeys none
    "drift",  # JSON {field: [in Moodle, in the source, "repaired"|"reported"]}: what was changed by hand in Moodle
)
"""Columns of the plan: one row per person, then one per account of the kinds above, by account id."""
