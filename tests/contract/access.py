"""Cohorts, courses, enrolments and groups in the recordings: what was there before a call, and what then stood in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract.recording import person

from moodle_coupling.sandbox.moodle.access_file import read_access

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.comparing import Ids
    from contract.recording import Recording

    from moodle_coupling.sandbox.moodle import SandboxMoodle

_FUNCTIONS = ("core_cohort_", "core_course_", "core_group_", "core_enrol_", "enrol_manual_", "core_completion_")
_STUDENT = 5
_OF_COURSE = 2  # the course that nearly all recorded calls are about, on either site


def is_about_access(recording: Recording) -> bool:
    """Tell whether a recording is of a function of cohorts, courses, enrolments, groups or completion."""
    return recording.function.startswith(_FUNCTIONS)


def with_accounts(params: Any, here: Callable[[Any], Any]) -> Any:
    """Give parameters with the recorded ids of accounts in memberships and enrolments replaced by the sandbox's."""
    if isinstance(params, list):
        return [with_accounts(item, here) for item in params]
    if not isinstance(params, dict):
        return params
    changed = {key: with_accounts(value, here) for key, value in params.items()}
    if "userid" in changed:
        changed["userid"] = here(changed["userid"])
    if changed.get("usertype", {}).get("type") == "id":
        changed["usertype"] = {"type": "id", "value": here(changed["usertype"]["value"])}
    return changed


# ---- what was there before -------------------------------------------------------------------------------------------

_FIRST_LAB = {
    "cohorts": [{"name": "Alle relaties", "idnumber": "alle"}],
    "courses": [{"shortname": f"LAB-{n}", "fullname": f"Lab course {n}"} for n in (1, 2, 3)],
}
_OTHER_LABS = {
    "cohorts": [
        {"name": "Alle relaties 2", "idnumber": "rec-alle"},
        {"name": "In de categorie", "idnumber": "rec-cat", "category": "Opleidingen"},
        {"name": "Verborgen groep", "idnumber": "rec-hidden", "visible": False},
    ],
    "courses": [
        {"category": "Opleidingen", "completion": False, **course}
        for course in (
            {"shortname": "REC-CURSUS", "fullname": "Cursus een", "idnumber": "REC-C1"},
            {"shortname": "REC-UIT", "fullname": "Cursus twee", "idnumber": "REC-C2", "manual": "off"},
            {"shortname": "REC-LEEG", "fullname": "Cursus drie", "idnumber": "REC-C3", "manual": "none"},
            {"shortname": "REC-ONZICHTBAAR", "fullname": "Cursus vier", "idnumber": "REC-C4", "visible": False},
        )
    ],
}
# As `enrolled` of a recording says it: account 1 plain, 2 with dates, 3 suspended, 4 ended.
_FOUR_KINDS = ((1, 0, 0, 0), (2, 0, 1793491200, 1825027200), (3, 1, 0, 0), (4, 0, 0, 1700000000))
# The calls before these were left out of the recordings.
_ENROLLED_AGAIN = (738, 739)
_ENDED = {696: 4, 739: 4}
_MADE_MEMBERS = {230: ((1, 3),), 659: ((2, 1), (2, 2), (3, 1))}
_IN_GROUP = {745: (1, 2)}


def make_access_ready(site: SandboxMoodle, recording: Recording, ids: Ids) -> None:
    """Make what the recording says was there, and what calls that were left out had made."""
    order, before = recording.order, recording.data.get("site_before", {})
    if recording.name == "cohort_get_all":
        _first_lab(site, recording, ids)
    if recording.name == "cohort2_get_all":
        site.add_access(read_access(_OTHER_LABS))
        for number, account in enumerate(before["accounts"], start=1):
            _cursist(site, number, account["id"], ids)
    _strangers(site, recording, ids)
    if "enrolled" in before or order in _ENROLLED_AGAIN:
        for number, status, start, end in _FOUR_KINDS:
            site.access.unenrol(_OF_COURSE, _cursist_id(site, number))
            site.access.enrol(_OF_COURSE, _cursist_id(site, number), _STUDENT, status, start, end)
    for cohort, number in _MADE_MEMBERS.get(order, ()):
        site.access.add_member(cohort, _cursist_id(site, number))
    if order in _ENDED:
        site.access.unenrol(_OF_COURSE, _cursist_id(site, _ENDED[order]))
    for number in _IN_GROUP.get(order, ()):
        site.access.add_group_member(1, _cursist_id(site, number))


def _first_lab(site: SandboxMoodle, recording: Recording, ids: Ids) -> None:
    """Make the first lab's three people, who had been through other calls by then, its cohort and its courses."""
    site.add_access(read_access(_FIRST_LAB))
    first = 51 if recording.version == "5.1" else 6
    for number, city in enumerate(("twee", "NaFout", ""), start=1):
        (made,) = site.add_accounts([{**person(number), "password": "x", "city": city}])
        ids.known[first + number - 1] = made


def _cursist(site: SandboxMoodle, number: int, recorded: int, ids: Ids) -> None:
    name = f"rec.cursist{number}"
    (made,) = site.add_accounts(
        [
            {"username": name, "auth": "oidc", "firstname": f"Cursist{number}", "lastname": "Test",
             "email": f"{name}@example.org", "idnumber": f"CUR-{number}"}
        ]
    )  # fmt: skip
    ids.known[recorded] = made


def _cursist_id(site: SandboxMoodle, number: int) -> int:
    account = site.account(f"rec.cursist{number}") or site.account(f"user{number:05}")
    assert account is not None
    return int(account["id"])


def _strangers(site: SandboxMoodle, recording: Recording, ids: Ids) -> None:
    """Make the accounts of the last calls, of which nothing but the id is known, and delete whom the call says is deleted."""
    if recording.order < 765:
        return
    for row in recording.data["params"]["enrolments"]:
        if row["userid"] not in ids.known:
            name = f"stranger{row['userid']}"
            (ids.known[row["userid"]],) = site.add_accounts([{"username": name, "email": f"{name}@example.org"}])
    if recording.name == "enrol2_deleted_account":
        deleted = recording.data["params"]["enrolments"][0]["userid"]
        site.table.update(ids.known[deleted], {"deleted": 1})


# ---- what then stood in the database ---------------------------------------------------------------------------------


def access_differences(recording: Recording, site: SandboxMoodle, ids: Ids) -> list[str]:
    """Give each difference as a sentence."""
    rows = recording.data.get("database_after")
    if rows is None:
        return []
    recorded = [{key: ids.here(value) if key == "userid" else value for key, value in row.items()} for row in rows]
    names = list(rows[0]) if rows else ["userid"]
    kept = [{key: str(row[key]) for key in names} for row in _kept(recording, site)]
    return [] if recorded == kept else [f"effect: Moodle {recorded}, sandbox {kept}"]


def _kept(recording: Recording, site: SandboxMoodle) -> list[dict[str, Any]]:
    if recording.function.startswith("core_cohort_"):
        members = [
            {"cohortid": cohort["id"], "userid": userid}
            for cohort in site.access.cohorts()
            for userid in sorted(site.access.members(cohort["id"]))
        ]
        return [{"n": len(members)}] if recording.order < 310 else members
    if recording.function.startswith("core_group_"):
        return [{"groupid": 1, "userid": userid} for userid in site.access.group_members(1)]
    params = recording.data["params"]
    courseid = params["courseid"] if "courseid" in params else params["enrolments"][0]["courseid"]
    return site.access.enrolments(int(courseid))
