"""MoodleHook's calls for cohorts, courses and enrolments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import InputError, MoodleRecordRefused
from moodle_coupling.hooks.moodle import access_records as records
from moodle_coupling.hooks.moodle.access_records import (
    ADD_COHORT_MEMBERS,
    COHORTS_AT_ONCE,
    COURSE_FIELDS,
    CREATE_COHORTS,
    DELETE_COHORT_MEMBERS,
    DELETE_COHORTS,
    ENROL_USERS,
    GET_COHORT_MEMBERS,
    GET_COHORTS,
    GET_COURSES_BY_FIELD,
    GET_ENROLLED_USERS,
    GONE,
    UNENROL_USERS,
    MembersRead,
)
from moodle_coupling.hooks.moodle.answers import answer_lost
from moodle_coupling.hooks.moodle.calls import MoodleCalls
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from moodle_coupling.hooks.moodle.access_records import (
        Cohort,
        Course,
        Enrolment,
        MemberResult,
        Membership,
        NewCohort,
        Participant,
        Unenrolment,
    )

_PARTICIPANTS_AT_ONCE: Final = 2000
_READINGS: Final = 3


class AccessCalls(MoodleCalls):
    """The calls of MoodleHook for cohorts, courses and enrolments; each raises a MoodleError.

    Adding, deleting, enrolling and unenrolling may be done twice over: the second time changes nothing. A call whose answer
    was lost is therefore tried again by itself (``access_records.MAY_BE_REPEATED``).
    """

    # ---- cohorts ------------------------------------------------------------------------------------------------------

    def cohorts(self, ids: Iterable[int] = ()) -> list[Cohort]:
        """Give the cohorts of these ids, or all of the site in one call; ids that are not there are left out.

        Cohorts of course categories and hidden ones are among them. Moodle has no look-up by idnumber: compare it yourself.
        Needs moodle/cohort:view.
        """
        wanted = list(dict.fromkeys(ids))
        answer = self.call(GET_COHORTS, cohortids=wanted)
        return records.cohorts_in(answer)

    def create_cohorts(self, cohorts: Sequence[NewCohort]) -> list[Cohort]:
        """Make cohorts in one call, all or none, and give them in the order sent. Needs moodle/cohort:manage.

        Raises MoodleParameterRefused for an idnumber that is taken, AnswerLost when the answer is missing or does not fit what was
        sent: look with ``cohorts`` before trying again.
        """
        if not cohorts:
            return []
        answer = self.call(CREATE_COHORTS, cohorts=[records.cohort_to_make(one) for one in cohorts])
        return records.cohorts_made(answer, cohorts)

    def delete_cohorts(self, ids: Sequence[int]) -> None:
        """Delete cohorts, in one call; only tests do that, to clean up after themselves."""
        if ids:
            self.call(DELETE_COHORTS, cohortids=list(ids))

    def cohort_members(self, cohort_ids: Iterable[int]) -> MembersRead:
        """Give the ids of the accounts in each cohort; a hundred cohorts a call. Needs moodle/cohort:view.

        One cohort that is not there makes Moodle refuse a whole call; it is then isolated and reported.
        """
        wanted = list(dict.fromkeys(cohort_ids))
        members: dict[int, frozenset[int]] = {}
        unknown: list[int] = []
        for start in range(0, len(wanted), COHORTS_AT_ONCE):
            self._members(wanted[start : start + COHORTS_AT_ONCE], members, unknown)
        return MembersRead(members, tuple(unknown))

    def _members(self, ids: list[int], members: dict[int, frozenset[int]], unknown: list[int]) -> None:
        try:
            answer = self.call(GET_COHORT_MEMBERS, cohortids=ids)
        except MoodleRecordRefused as error:
            if error.errorcode not in GONE:
                raise
            if len(ids) == 1:
                unknown += ids
                return
            half = len(ids) // 2
            self._members(ids[:half], members, unknown)
            self._members(ids[half:], members, unknown)
            return
        members.update(records.members_in(answer, ids))

    def add_cohort_members(self, rows: Sequence[Membership]) -> list[MemberResult]:
        """Add members in one call, each on its own, and give what came of each in the order sent. Needs moodle/cohort:assign.

        A row that cannot be is skipped and the others are added. After a lost answer, what the first attempt had added is
        ALREADY there. Raises MoodleAccessDenied (nobody was added), AnswerLost.
        """
        if not rows:
            return []
        different = list(dict.fromkeys(rows))
        answer = self.call(ADD_COHORT_MEMBERS, members=[records.member_to_add(row) for row in different])
        results = {result.row: result for result in records.member_results(answer, different)}
        return [results[row] for row in rows]

    def delete_cohort_members(self, rows: Sequence[Membership]) -> None:
        """Take members out of cohorts in one call, all or none; who is not in it is passed over. Needs moodle/cohort:assign.

        Raises MoodleRecordRefused when an account or a cohort is not there (nobody was taken out then).
        """
        if rows:
            self.call(DELETE_COHORT_MEMBERS, members=[records.member_to_delete(row) for row in rows])

    # ---- courses ------------------------------------------------------------------------------------------------------

    def courses_by_field(self, field: str, values: Iterable[str | int]) -> dict[str, Course]:
        """Look courses up by id, shortname or idnumber, one a call; those not found are left out of the answer.

        A hidden course is not found without moodle/course:viewhiddencourses. MariaDB ignores the letter case of shortname and
        idnumber, PostgreSQL does not. Raises InputError for another field.
        """
        if field not in COURSE_FIELDS:
            raise InputError(Sentence("moodle.not_looked_up_by", fields=list(COURSE_FIELDS), field=field))
        found: dict[str, Course] = {}
        for value in dict.fromkeys(text for text in map(str, values) if text):
            answer = self.call(GET_COURSES_BY_FIELD, field=field, value=value)
            found.update((value, course) for course in records.courses_in(answer))
        return found

    def participants(self, course_id: int, *, with_active: bool = False) -> list[Participant]:
        """Give everyone enrolled in a course, by whatever method and with whatever dates, with their roles; by id.

        ``with_active`` asks a second time, for who is active now. Needs moodle/course:view and moodle/course:viewparticipants,
        and for ``with_active`` moodle/course:enrolreview. Raises MoodleRecordRefused for a course that is not there or not to
        be opened (``OF_ONE_TARGET``), AnswerLost when people kept coming and going while they were being read.
        """
        everyone = self._all_participants(course_id, {"userfields": "id,idnumber,roles"})
        if not with_active:
            return everyone
        now = self._all_participants(course_id, {"onlyactive": 1, "userfields": "id"})
        active = {one.account_id for one in now}
        return [replace(one, active=one.account_id in active) for one in everyone]

    def _all_participants(self, course_id: int, options: Mapping[str, Any]) -> list[Participant]:
        """Read page after page; each begins with the last person of the one before, or somebody came or went meanwhile."""
        for _ in range(_READINGS):
            found: list[Participant] = []
            while True:
                page = self._participants_from(course_id, options, max(0, len(found) - 1))
                if found and (not page or page[0].account_id != found[-1].account_id):
                    break
                found += page[1:] if found else page
                if len(page) < _PARTICIPANTS_AT_ONCE:
                    return found
        raise answer_lost(GET_ENROLLED_USERS, Sentence("moodle.participants_change", course=course_id))

    def _participants_from(self, course_id: int, options: Mapping[str, Any], first: int) -> list[Participant]:
        asked = {**options, "limitfrom": first, "limitnumber": _PARTICIPANTS_AT_ONCE, "sortby": "id"}
        pairs = [{"name": name, "value": value} for name, value in asked.items()]
        answer = self.call(GET_ENROLLED_USERS, courseid=course_id, options=pairs)
        return records.participants_in(answer)

    def roles_in(self, course_ids: Iterable[int]) -> dict[str, int]:
        """Give the ids of the roles that people hold in these courses, by shortname.

        No function of Moodle's lists the roles: a role that nobody holds there is not found, and its number has to be said.
        """
        seen = (role for course in course_ids for person in self.participants(course) for role in person.roles)
        return {role.shortname: role.id for role in seen}

    def enrol_users(self, enrolments: Sequence[Enrolment]) -> None:
        """Enrol people by hand in one call, all or none; an enrolment that is there is overwritten with what is said here.

        Needs moodle/course:view, enrol/manual:enrol, moodle/role:assign and a role that may assign the role. Raises
        MoodleRefused or MoodleAccessDenied, and nobody was enrolled; with an error code in ``OF_ONE_TARGET`` it is about one
        course or role of the call.
        """
        if enrolments:
            self.call(ENROL_USERS, enrolments=[records.enrolment_to_write(one) for one in enrolments])

    def unenrol_users(self, rows: Sequence[Unenrolment]) -> None:
        """End manual enrolments in one call, all or none; who is not enrolled is passed over without a word.

        Needs moodle/course:view and enrol/manual:unenrol. Raises as ``enrol_users``.
        """
        if rows:
            self.call(UNENROL_USERS, enrolments=[records.unenrolment_to_write(row) for row in rows])
