"""The words of access: kinds of target, what a plan of access intends, and why; each once."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TargetKind(StrEnum):
    """What access is given to."""

    COHORT = "cohort"
    COURSE = "course"


class AccessAction(StrEnum):
    """What a plan of access intends for one person and one target."""

    GIVE = "give"
    EXTEND = "extend"
    """Enrolled by us already, with another window or suspension: written anew as a whole."""
    TAKE_BACK = "take_back"
    NONE = "none"
    REJECT = "reject"


ACCESS_WRITES: Final = frozenset({AccessAction.GIVE, AccessAction.EXTEND, AccessAction.TAKE_BACK})
ACCESS_GIVES: Final = frozenset({AccessAction.GIVE, AccessAction.EXTEND})


class AccessCode(StrEnum):
    """Why a row of a plan of access is as it is; its words are ``access.why.<code>`` of the catalogues."""

    WANTED = "wanted"
    TAKEN_BY_HAND = "taken_by_hand"
    WINDOW_CHANGED = "window_changed"
    NO_LONGER = "no_longer"
    LEFT = "left"
    WINDOW_ENDED = "window_ended"
    DOES_NOT_BELONG = "does_not_belong"
    GIVEN = "given"
    ALREADY_THERE = "already_there"
    NOT_BEGUN = "not_begun"
    GRACE = "grace"
    LEAVER_LATER = "leaver_later"
    LEAVER_KEEPS = "leaver_keeps"
    SOMEBODY_LEFT_OUT = "somebody_left_out"
    NEVER_TAKEN_BACK = "never_taken_back"
    GONE_ALREADY = "gone_already"
    PROTECTED = "protected"
    HELD = "held"
    ACCOUNT_UNKNOWN = "account_unknown"
    NO_ACCOUNT = "no_account"
    TARGET_MISSING = "target_missing"
    TARGET_ELSEWHERE = "target_elsewhere"
    TARGET_ASKED = "target_asked"
    """What was given stays while it is asked whether another name, by which the person belongs somewhere, stands for this."""
    TARGET_AMBIGUOUS = "target_ambiguous"
    NO_MANUAL_ENROLMENT = "no_manual_enrolment"
    ROLE_UNKNOWN = "role_unknown"
    ROLE_CHANGED = "role_changed"
    CONTRADICTS = "contradicts"
    STATE_UNKNOWN = "state_unknown"
    DATE_UNREAD = "date_unread"
    ENDS_BEFORE_START = "ends_before_start"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_AMBIGUOUS = "person_ambiguous"
    TARGET_UNNAMED = "target_unnamed"
    NOT_LOOKED = "not_looked"
    OUT_OF_SCOPE = "out_of_scope"


WAITING: Final = frozenset(
    {
        AccessCode.NOT_BEGUN,
        AccessCode.GRACE,
        AccessCode.LEAVER_LATER,
        AccessCode.SOMEBODY_LEFT_OUT,
        AccessCode.HELD,
        AccessCode.NO_ACCOUNT,
        AccessCode.NOT_LOOKED,
    }
)
"""Why nothing is done now that a later run may do by itself: the day has not come, or the account is not clear yet."""
