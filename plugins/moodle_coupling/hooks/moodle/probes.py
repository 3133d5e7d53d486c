"""What is found out about a site by asking: what a token sees of other people's accounts, and which values Moodle takes.

Hidden is not empty, and whoever is hidden looks new. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from moodle_coupling.contract.fields import FIELD_BY_NAME, NEEDS_PASSWORD, NEVER_FOR_NEW
from moodle_coupling.errors import MoodleAccessDenied, MoodleRefused
from moodle_coupling.hooks.moodle.access_records import (
    ADD_COHORT_MEMBERS,
    CREATE_COHORTS,
    DELETE_COHORT_MEMBERS,
    ENROL_USERS,
    GET_COHORT_MEMBERS,
    GET_COHORTS,
    GET_COURSES_BY_FIELD,
    GET_ENROLLED_USERS,
    UNENROL_USERS,
    Enrolment,
    Membership,
    NewCohort,
    Unenrolment,
    cohort_to_make,
    enrolment_to_write,
    member_to_delete,
    unenrolment_to_write,
)
from moodle_coupling.hooks.moodle.answers import without_function
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.errors import MoodleError
    from moodle_coupling.hooks.moodle.access_records import Cohort, Course, MembersRead
    from moodle_coupling.hooks.moodle.connection import MoodleSettings
    from moodle_coupling.hooks.moodle.records import AccountsRead, SiteInfo
    from moodle_coupling.hooks.wire import RawAnswer

SAMPLE_IDS: Final = 200
"""The lowest ids are asked for; a site's guest and first administrator have 1 and 2, or 1 to 20 on a database cluster."""

_SEE_HIDDEN: Final = Sentence("check.see_hidden")
EMAIL_HIDDEN: Final = Sentence(
    "check.email_hidden", by_site=Sentence("check.hidden_by_site", label=Sentence("check.label.email"))
)
SUSPENDED_HIDDEN: Final = Sentence("check.hidden_by_site", label=Sentence("check.label.suspended"))


def unseen_field(field: str) -> tuple[Sentence, Sentence]:
    """Give what is said of a field that no account shows, and how that is mended."""
    return (
        Sentence("check.field_unseen", field=field),
        Sentence("check.field_unseen.mend", field=field, see_hidden=_SEE_HIDDEN),
    )


class Site(Protocol):
    """The part of MoodleHook that a check asks a site with; each method raises a MoodleError."""

    @property
    def settings(self) -> MoodleSettings:
        """The connection's settings."""

    def site_info(self, *, patient: bool = True) -> SiteInfo:
        """Ask the site about itself and the token's service."""

    def call_once(self, function: str, /, **params: Any) -> Any:
        """Call a web service function without trying again."""

    def post(self, body: bytes, function: str, **other: str) -> RawAnswer:
        """Post one body and give the raw answer."""

    def accounts_by_field(self, field: str, values: Iterable[str | int]) -> AccountsRead:
        """Look accounts up by id, idnumber, username or email."""

    def takes_values(self, values: Sequence[Value]) -> bool:
        """Tell whether Moodle takes these values; nothing is written."""

    def takes_variables(self, count: int) -> bool:
        """Tell whether a form of so many variables arrives whole."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Accounts other than the service user's own, which it always sees whole, and which of them look-ups found.

    ``found_by_username`` and ``found_by_idnumber`` are None when no account was there to try it on.
    """

    others: tuple[Account, ...]
    found_by_username: bool | None
    found_by_idnumber: bool | None

    def hidden(self) -> Iterator[tuple[str, Sentence, Sentence]]:
        """Give code, what is the matter and the remedy for all that the token should see and does not."""
        if not self.others:
            yield _hidden("accounts_invisible", Sentence("check.accounts_invisible.mend"))
            return
        if self.found_by_username is not True or self.found_by_idnumber is False:
            yield _hidden("idnumber_invisible", Sentence("check.idnumber_invisible.mend"))
        if any(account.email is None for account in self.others):
            yield _hidden("email_invisible", EMAIL_HIDDEN)
        if any(account.suspended is None for account in self.others):
            mend = Sentence("check.suspended_invisible.mend", by_site=SUSPENDED_HIDDEN, see_hidden=_SEE_HIDDEN)
            yield _hidden("suspended_invisible", mend)

    def unseen(self, fields: Iterable[str]) -> list[str]:
        """Give those of these fields of Account in which no account shows a value."""
        return [field for field in fields if not any(account.value(field) for account in self.others)]

    def profile_types(self) -> dict[str, str]:
        """Give the types of the profile fields that some account shows, by shortname."""
        return {name: type_ for account in self.others for name, type_ in account.profile_types.items()}


def take_sample(hook: Site, compared: Iterable[str] = (), known_ids: Iterable[int] = ()) -> Sample:
    """Look at some accounts and look some of them up again.

    Where they do not show all fields of ``compared``, the accounts ``known_ids``, which the coupling wrote to, are looked
    at too. Raises a MoodleError.
    """
    own = hook.site_info(patient=False).userid
    guest = hook.accounts_by_field("username", ["guest"]).accounts
    lowest = hook.accounts_by_field("id", range(1, SAMPLE_IDS + 1)).accounts
    others = {account.id: account for account in (*lowest, *guest) if account.id != own}
    numbered = [account.idnumber for account in others.values() if account.idnumber][:5]
    found = Sample(
        tuple(others.values()),
        bool(guest)
        or _found(hook, "username", [account.username for account in others.values() if account.username][:5]),
        _found(hook, "idnumber", numbered),
    )
    if not found.unseen(compared):
        return found
    written = hook.accounts_by_field("id", known_ids).accounts
    return replace(found, others=(*found.others, *(one for one in written if one.id != own)))


def _hidden(code: str, mend: Sentence) -> tuple[str, Sentence, Sentence]:
    return code, Sentence(f"check.{code}"), mend


def _found(hook: Site, field: str, values: list[str]) -> bool | None:
    return bool(hook.accounts_by_field(field, values).accounts) if values else None


Value: TypeAlias = tuple[str, str]
"""A Moodle field's name and a value of it."""

CHOICES: Final = ("auth", "lang", "theme")
"""Fields of which Moodle takes only what is installed on the site (recordings 117, 118, 151, 159, 580 to 618)."""


def refused_values(values: Sequence[Value], takes: Callable[[Sequence[Value]], bool]) -> list[Value]:
    """Give those that are not taken: one call when all are, else about log2(n) + 1 more for each that is not.

    The parameter check judges a value by itself: where many are refused and all but one are taken, that one is to blame.
    """
    found: list[Value] = []
    rest = list(values)
    while rest and not takes(rest):
        refused = rest
        while len(refused) > 1:
            left, right = refused[: len(refused) // 2], refused[len(refused) // 2 :]
            if takes(left):
                rest = [value for value in rest if value not in left]
                refused = right
            else:
                refused = left
        found += refused
        rest = [value for value in rest if value not in refused]
    return found


def unfit_for_new(auths: Collection[str], *, with_password: bool) -> dict[str, Sentence]:
    """Give the auth plugins among these with which Moodle makes no account, and why; '' is manual."""
    found = {}
    for auth in auths:
        if auth in NEVER_FOR_NEW:
            found[auth] = Sentence("value.never_for_new", auth=auth)
        elif not with_password and (auth or "manual") in NEEDS_PASSWORD:
            found[auth] = Sentence("value.needs_password", auth=auth or "manual")
    return found


def not_taken(value: Value) -> Sentence:
    """Say, as a clause, that Moodle does not take a value; one that tells something of a person is not repeated."""
    field, text = value
    known = FIELD_BY_NAME.get(field)
    if known is not None and not known.names_someone:
        return Sentence("value.not_taken", field=field, value=text)
    return Sentence("value.not_taken_unnamed", field=field)


def mend_value(field: str) -> Sentence:
    """Say what a person does about it."""
    return Sentence(f"value.{field}.mend") if field in CHOICES else Sentence("value.mend", field=field)


NOBODY: Final = 2_000_000_000
"""An account id far beyond any site's."""
_TRIED: Final = 5
"""Cohorts, and courses, that rights are tried on; one role in the system context counts for all of them."""


@dataclass(frozen=True, slots=True)
class AccessWants:
    """What of cohorts and courses a mapping asks for. What it does not ask for is neither named nor tried.

    ``cohorts`` and ``courses``: whether it gives any of them. ``cohort_idnumbers`` and ``named_courses`` (field, as in
    COURSE_FIELDS, and value): those that it names itself. ``create_cohorts``: those that are not there are made. ``roles``: the
    roles it gives in courses, by shortname, or by number. ``active``: whether it must know whose enrolment counts now.
    """

    cohorts: bool = False
    courses: bool = False
    cohort_idnumbers: Sequence[str] = ()
    named_courses: Sequence[tuple[str, str]] = ()
    create_cohorts: bool = False
    roles: Sequence[str | int] = ()
    active: bool = False

    def functions(self) -> list[str]:
        """Give the web service functions that the service must have for it."""
        found = [GET_COHORTS, GET_COHORT_MEMBERS, ADD_COHORT_MEMBERS, DELETE_COHORT_MEMBERS] if self.cohorts else []
        found += [CREATE_COHORTS] if self.cohorts and self.create_cohorts else []
        found += [GET_COURSES_BY_FIELD, GET_ENROLLED_USERS, ENROL_USERS, UNENROL_USERS] if self.courses else []
        return found


class AccessSite(Site, Protocol):
    """The part of MoodleHook that access is tried on; each method raises a MoodleError."""

    def cohorts(self, ids: Iterable[int] = ()) -> list[Cohort]:
        """Give the cohorts of these ids, or all."""

    def cohort_members(self, cohort_ids: Iterable[int]) -> MembersRead:
        """Give the ids of the accounts in each cohort."""

    def courses_by_field(self, field: str, values: Iterable[str | int]) -> dict[str, Course]:
        """Look courses up by id, shortname or idnumber."""

    def roles_in(self, course_ids: Iterable[int]) -> dict[str, int]:
        """Give the ids of the roles that people hold in these courses, by shortname."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a mapping's access needs and that is not there; ``stops`` a run, or is only good to know."""

    code: str
    said: Sentence
    mend: Sentence
    stops: bool = True


Try: TypeAlias = "tuple[str, str, Callable[[], object]]"
"""Code of the problem, the capability, and the call that Moodle refuses without it."""


def cohort_problems(hook: AccessSite, wants: AccessWants) -> Iterator[Problem]:
    """Give what is wrong with cohorts, each capability by its name."""
    try:
        cohorts = hook.cohorts()
    except MoodleAccessDenied as error:
        yield _denied("cohort_view_denied", "moodle/cohort:view", error)
        cohorts = []
    else:
        yield from _unknown_cohorts(cohorts, wants)
        if not cohorts:
            yield Problem(
                "cohorts_untried",
                Sentence("check.cohorts_untried"),
                Sentence("check.cohorts_untried.mend"),
                stops=False,
            )
    own = hook.site_info(patient=False).userid
    if (other := _without(hook, cohorts, own)) is not None:
        yield from _tried([("cohort_assign_denied", "moodle/cohort:assign", lambda: _take_out(hook, other))])
    elif cohorts:
        said = Sentence("check.cohort_assign_untried")
        yield Problem("cohort_assign_untried", said, Sentence("check.cohort_assign_untried.mend"), stops=False)
    if wants.create_cohorts:
        yield from _tried([("cohort_manage_denied", "moodle/cohort:manage", lambda: _make_impossible(hook))])


def _unknown_cohorts(cohorts: Sequence[Cohort], wants: AccessWants) -> Iterator[Problem]:
    there = {cohort.idnumber for cohort in cohorts}
    for idnumber in wants.cohort_idnumbers:
        if idnumber not in there and not wants.create_cohorts:
            said = Sentence("check.cohort_unknown", idnumber=idnumber)
            yield Problem("cohort_unknown", said, Sentence("check.cohort_unknown.mend"), stops=False)


def _without(hook: AccessSite, cohorts: Sequence[Cohort], account_id: int) -> Membership | None:
    """Give a cohort that an account is not in: taking it out there asks for the right, and changes nothing."""
    members = hook.cohort_members([cohort.id for cohort in cohorts[:_TRIED]]).members
    return next((Membership(id_, account_id) for id_, ids in members.items() if account_id not in ids), None)


def _take_out(hook: AccessSite, row: Membership) -> None:
    hook.call_once(DELETE_COHORT_MEMBERS, members=[member_to_delete(row)])


def _make_impossible(hook: AccessSite) -> None:
    """Ask for a cohort of which neither name nor idnumber fits the database: refused after the right was asked for."""
    hook.call_once(CREATE_COHORTS, cohorts=[cohort_to_make(NewCohort("x" * 300, "x" * 300))])


def course_problems(hook: AccessSite, wants: AccessWants) -> Iterator[Problem]:
    """Give what is wrong with courses: those that the mapping names, and each capability by its name, tried on some of them."""
    courses: dict[int, Course] = {}
    for field, value in wants.named_courses:
        found = hook.courses_by_field(field, [value])
        courses.update((course.id, course) for course in found.values())
        if not found:
            said = Sentence("check.course_unknown", field=field, value=value)
            yield Problem("course_unknown", said, Sentence("check.course_unknown.mend"), stops=False)
    for course in courses.values():
        if not course.manual:
            said = Sentence("check.manual_off", course=course.shortname)
            yield Problem("manual_off", said, Sentence("moodle.wsnoinstance.mend"))
    tried = [course for course in courses.values() if course.manual][:_TRIED]
    if not tried:
        yield Problem(
            "courses_untried", Sentence("check.courses_untried"), Sentence("check.courses_untried.mend"), stops=False
        )
        return
    yield from _course_rights(hook, [course.id for course in tried], wants)


def _course_rights(hook: AccessSite, course_ids: Sequence[int], wants: AccessWants) -> Iterator[Problem]:
    problems: dict[str, Problem] = {}
    for course_id in course_ids:
        found = list(_tried(_tries(hook, course_id, wants)))
        problems |= {problem.code: problem for problem in found}
    yield from problems.values()
    if not problems:
        yield from _roles(hook, course_ids, wants)


def _tries(hook: AccessSite, course_id: int, wants: AccessWants) -> Iterator[Try]:
    def read(**options: object) -> None:
        asked = {"userfields": "id", "limitnumber": 1, **options}
        pairs = [{"name": name, "value": value} for name, value in asked.items()]
        hook.call_once(GET_ENROLLED_USERS, courseid=course_id, options=pairs)

    yield "participants_denied", "moodle/course:viewparticipants", read
    if wants.active:
        yield "review_denied", "moodle/course:enrolreview", lambda: read(onlyactive=1)
    # Nobody has that id: refused after the right was asked for, and rolled back. No role is 0 (recordings 697, 698, 716, 722).
    yield "enrol_denied", "enrol/manual:enrol", lambda: _enrol_nobody(hook, course_id, 0)
    row = unenrolment_to_write(Unenrolment(course_id, NOBODY))
    yield "unenrol_denied", "enrol/manual:unenrol", lambda: hook.call_once(UNENROL_USERS, enrolments=[row])


def _enrol_nobody(hook: AccessSite, course_id: int, role_id: int) -> None:
    row = enrolment_to_write(Enrolment(course_id, NOBODY, role_id))
    hook.call_once(ENROL_USERS, enrolments=[row])


def _roles(hook: AccessSite, course_ids: Sequence[int], wants: AccessWants) -> Iterator[Problem]:
    """Say which roles may not be assigned. A shortname is only known where somebody holds the role."""
    names = [role for role in wants.roles if isinstance(role, str)]
    known = hook.roles_in(course_ids) if names else {}
    for role in wants.roles:
        number = known.get(role) if isinstance(role, str) else role
        if number is None:
            yield Problem(
                "role_unknown",
                Sentence("check.role_unknown", role=role),
                Sentence("check.role_unknown.mend"),
                stops=False,
            )
        elif not _may_assign(hook, course_ids[0], number):
            said = Sentence("check.role_not_assignable", role=role)
            yield Problem("role_not_assignable", said, Sentence("moodle.wsusercannotassign.mend"))


def _may_assign(hook: AccessSite, course_id: int, role_id: int) -> bool:
    try:
        _enrol_nobody(hook, course_id, role_id)
    except MoodleRefused as error:
        return error.errorcode != "wsusercannotassign"
    return True


def _tried(tries: Iterable[Try]) -> Iterator[Problem]:
    for code, capability, call in tries:
        try:
            call()
        except MoodleAccessDenied as error:
            # A course that may not be opened is told before any other right is looked at.
            closed = error.errorcode in ("requireloginerror", "errorcoursecontextnotvalid")
            yield _denied("course_closed", "moodle/course:view", error) if closed else _denied(code, capability, error)
        except MoodleRefused:
            pass


def _denied(code: str, capability: str, error: MoodleError) -> Problem:
    said = Sentence("check.capability_missing", capability=capability, said=without_function(error))
    return Problem(code, said, Sentence("check.role"))
