"""What each rejection, failure and mismatch means, and how a person mends it."""

from __future__ import annotations

from typing import Final

from moodle_coupling.contract.verdicts import VERDICTS, Verdict
from moodle_coupling.people.rules import RULE_BY_CODE
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus

_WORDS: Final = {
    "account_gone": "The account is no longer there",
    "account_missing": "No account to change",
    "account_twice": "Two rows for one account",
    "account_unreadable": "An account that Moodle cannot show",
    "answer_lost": "The answer got lost",
    "changed_meanwhile": "Changed in Moodle after the plan was made",
    "denied": "Moodle says no to us",
    "dmlwriteexception": "Moodle's database refused it",
    "idnumber_twice": "Two rows for one idnumber",
    "incomplete": "An account without its idnumber",
    "invalidparameter": "Moodle refused a value",
    "paused": "Not sent: the environment is paused",
    "protected": "Protected",
    "setting_wrong": "Not sent: a setting is wrong",
    "too_large": "Too large for one call",
    "too_many_failures": "Not sent: too many went wrong before",
    "unavailable": "Not sent: Moodle was away",
    "value_not_kept": "Moodle keeps another value",
    "value_unseen": "A value that Moodle does not show",
    "value_withheld": "Without a value that Moodle does not keep",
    "value_not_taken": "Moodle does not take a value",
    "username_taken": "The username was taken in the meantime",
}
MEND: Final = {
    "account_gone": "It was deleted after the plan was made; the next run plans anew.",
    "account_unreadable": "Give the account with this idnumber a username the site allows, in Moodle.",
    "answer_lost": "Look the account up in Moodle; the next run reads back what is there and sends what is not.",
    "changed_meanwhile": "Run again: the next plan looks at the account as it is now.",
    "denied": "Mend the token, its service or its rights (moodle_check_connection says which), then run again.",
    "dmlwriteexception": "A value is too long for Moodle, or its database was read-only at the time. Look at the values, then "
    "at the site.",
    "duplicate_person": "Decide at the source which of them is right.",
    "email_taken": "Find out whose address it is: correct the person at the source or the other account in Moodle. If "
    "addresses may be shared there, set matching.shared_email.",
    "incomplete": "Give the account its idnumber in Moodle, or delete it; then run again.",
    "invalidparameter": "A value is not allowed there (e-mail address, username, language, auth plugin); only a site with "
    "debugging says which. Look at the person's values.",
    "paused": "Run again after resuming; what was done is kept.",
    "setting_wrong": "Mend the connection, then run again.",
    "too_large": "Shorten the person's values, or raise the site's limits (post_max_size, max_input_vars).",
    "too_many_failures": "Most likely something that all of them share is not allowed on this site (auth, lang, theme, password in "
    "the mapping file), or its database is in trouble: mend that, then run again.",
    "unavailable": "Run again when the site is back; what was done is kept.",
    "value_not_kept": "Put the value right in Moodle, and say in the mapping file what the profile field takes: type, options, years or "
    "date_format.",
    "value_unseen": "Check the shortname under Site administration > Users > User profile fields, and whether the field is visible.",
    "value_withheld": "Mend the profile field in the mapping file; the next run sends it again.",
    "value_not_taken": "The message names the field. Install what is missing on the site (language pack, theme, auth plugin), or "
    "change the value in the mapping file or the source; then run again: whoever is in stays.",
    "username_taken": "Run again: the next plan chooses another name.",
}
_BY_STATUS: Final = {
    OutcomeStatus.REJECTED: "Read the message, and correct the person at the source or the account in Moodle.",
    OutcomeStatus.FAILED: "Run again; nothing about this person needs mending.",
    OutcomeStatus.UNKNOWN: "Look the account up in Moodle, then run again.",
}


def in_words(code: str) -> str:
    """Give what a code of an outcome, a rule or a verdict means, in a few words."""
    if code in VERDICTS and code not in _WORDS:
        return VERDICTS[Verdict(code)].code.en
    return _WORDS.get(code) or code.replace("_", " ").capitalize() or "Without reason"


def how_to_mend(code: str, status: str) -> str:
    """Give what a person does about an outcome with this code and status."""
    if code in RULE_BY_CODE:
        return RULE_BY_CODE[code].mend
    return MEND.get(code) or _BY_STATUS.get(OutcomeStatus(status), "")
