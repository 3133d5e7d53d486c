"""Which recordings are replayed, on which site, in which order; and which are not, each with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.recording import Recording

OUT_OF_SCOPE: dict[str, str] = {
    "client_disconnects_during_create": "only the outcome was kept, not the request; tests/sandbox hangs up likewise",
    "same_create_batch_twice_in_parallel": "a race: the sandbox does one write at a time; tests/sandbox tries it",
    "same_email_race": "a race, and only its count was kept; the sandbox does one write at a time, so never shows it",
    "same_idnumber_two_usernames": "two calls in one recording; create_duplicate_idnumber shows the same",
}

# Recorded later, on a site without the test accounts of the others.
_COUNTRIES = ("create_country_invalid", "create_country_name", "create_country_lowercase", "create_country_ok")
# In the order in which they were made: the ids show that the creates came first.
_ZERO_AND_ENTITY = ("create_idnumber_zero", "by_field_idnumber_zero", "create_firstname_amp_entity", "by_field_lt_amp")
# Cohorts, courses, enrolments and groups of the first lab: on a site with three of its people, in the order of the calls.
FIRST_OF_ACCESS, LAST_OF_ACCESS = 222, 246
# The lab's site was emptied of test accounts here.
_SECOND_SITE = "post_7_9MB_ok"
# From here on the recordings are of two other sites, 5.1 on PostgreSQL and 4.5 on MariaDB, and say what was there before.
FIRST_OF_OTHER_SITES = 310


def reason_left_out(recording: Recording) -> str:
    """Give why a recording is not replayed, '' if it is."""
    return OUT_OF_SCOPE.get(recording.name, "")


def episodes(recordings: list[Recording]) -> list[list[Recording]]:
    """Give the recordings to replay as runs, each on a site of its own."""
    in_scope = [r for r in recordings if not reason_left_out(r)]
    by_name = {r.name: r for r in in_scope}
    apart = [[by_name[name] for name in names if name in by_name] for names in (_COUNTRIES, _ZERO_AND_ENTITY)]
    apart.append([r for r in in_scope if FIRST_OF_ACCESS <= r.order <= LAST_OF_ACCESS])
    elsewhere = {r.name for run in apart for r in run}
    later = [r for r in in_scope if r.order >= FIRST_OF_OTHER_SITES]
    rest = [r for r in in_scope if r.order < FIRST_OF_OTHER_SITES and r.name not in elsewhere]
    turn = next(n for n, r in enumerate(rest) if r.name == _SECOND_SITE)
    return [run for run in (rest[:turn], rest[turn:], *apart, later) if run]
