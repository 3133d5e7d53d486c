"""Whether a Moodle is fit for a run, and what to mend where it is not; nothing is written to it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from moodle_coupling.contract.fields import contradicts
from moodle_coupling.errors import (
    AnswerLost,
    MoodleAccessDenied,
    MoodleError,
    MoodleFunctionMissing,
    MoodleMaintenance,
    MoodleOverloaded,
    MoodleRefused,
    MoodleServiceUserBlocked,
    MoodleTlsFailed,
    MoodleTokenInvalid,
    MoodleUnreachable,
    NotAMoodle,
)
from moodle_coupling.hooks.moodle.answers import SITE_INFO, without_function
from moodle_coupling.hooks.moodle.probes import (
    AccessSite,
    AccessWants,
    Problem,
    Sample,
    Value,
    cohort_problems,
    course_problems,
    mend_value,
    not_taken,
    refused_values,
    take_sample,
    unfit_for_new,
    unseen_field,
)
from moodle_coupling.hooks.moodle.records import (
    CONTROL_VARIABLES,
    CREATE_USERS,
    GET_USERS,
    GET_USERS_BY_FIELD,
    UPDATE_USERS,
)
from moodle_coupling.words.sentence import ENGLISH, Sentence, as_sentence, in_lines, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from moodle_coupling.hooks.moodle.probes import Site
    from moodle_coupling.hooks.moodle.records import SiteInfo
    from moodle_coupling.words.sentence import Texts

NEEDED_FUNCTIONS: Final = (SITE_INFO, CREATE_USERS, UPDATE_USERS, GET_USERS, GET_USERS_BY_FIELD)
OLDEST_TRIED: Final = (4, 5)
_CAPACITIES: Final = (10_000, 5000, 2000, 1000, 500, 250)
_USUAL, _USUAL_PROFILE_FIELD, _USUAL_PASSWORD = 3.3, 0.8, 9.0
"""Milliseconds an account, 50 a call."""
_MUCH: Final = 2
_FIELDS_PER_ACCOUNT: Final = 10
"""username, auth, first and last name, e-mail, idnumber, lang, country, city, createpassword."""


class Level(StrEnum):
    """How bad a finding is: an error makes the site unfit for a run."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the check found; ``code`` stays the same between versions, ``mend`` is None where nothing is to be done.

    A text stands for a sentence that every language shows as it is.
    """

    level: Level
    code: str
    said: Sentence | str
    mend: Sentence | str | None = None

    @property
    def message(self) -> str:
        """What was found, in English."""
        return str(self.said)

    @property
    def remedy(self) -> str:
        """What to do about it, in English; '' where nothing is to be done."""
        return str(self.mend or "")

    def on(self, connection: str) -> Finding:
        """Give the finding with the name of its connection before it."""
        return replace(self, said=Sentence("check.of", connection=connection, said=self.said))


@dataclass(frozen=True, slots=True)
class Wants:
    """What a mapping asks of its Moodle.

    ``profile_fields``: the shortnames it writes, and the type it says of each, '' for none. ``compared``: fields that a site may hide and that it writes to accounts
    that are there. ``known_ids``: accounts it wrote to, which show whether they can be seen. ``values``: what it gives in
    fields, whoever it is for, and where that stands in the mapping file. ``with_password``: Moodle is to make passwords.
    ``access``: what of cohorts and courses it gives; nothing, unless it is said.
    """

    profile_fields: Mapping[str, str] = field(default_factory=dict)
    compared: Sequence[str] = ()
    known_ids: Sequence[int] = ()
    values: Mapping[Value, Sentence | str] = field(default_factory=dict)
    with_password: bool = True
    access: AccessWants = field(default_factory=AccessWants)


NOTHING: Final = Wants()


def check_site(hook: AccessSite, wants: Wants = NOTHING) -> list[Finding]:
    """Find out whether a run can work on the hook's Moodle, with what the mapping ``wants`` of it.

    Only reads, besides writes that Moodle is certain to refuse: of an account, and where access is wanted of a cohort and of
    enrolments; and the service user is taken out of a cohort that it is not in. Raises CouplingPaused when the hook's
    guard does, SettingError for a wrong connection; whatever Moodle answers becomes a finding.
    """
    try:
        info = hook.site_info(patient=False)
    except MoodleError as error:
        return [_no_way_in(hook, error)]
    needed = [*NEEDED_FUNCTIONS, *wants.access.functions()]
    missing = [name for name in needed if name not in info.functions]
    findings = [*_about_site(hook, info), _functions(missing)]
    for functions, probe in _probes(hook, wants):
        if info.functions.issuperset(functions):
            findings += _probed(hook, probe)
    return list(dict.fromkeys(findings))


def create_cost(accounts: int, milliseconds: float, wants: Wants = NOTHING) -> Finding:
    """Say what creating an account took in a run, as its calls were measured; a warning where it took much longer than is usual.

    Usual is what a Moodle 5.1 with 2 cores took where addresses were not looked for (docs/performance.md).
    """
    usual = _USUAL + len(wants.profile_fields) * _USUAL_PROFILE_FIELD + wants.with_password * _USUAL_PASSWORD
    took = {"ms": f"{milliseconds:.0f}", "n": accounts}
    if milliseconds <= _MUCH * usual:
        return Finding(Level.OK, "create_cost", Sentence("check.create_cost", **took))
    said = Sentence("check.create_cost_high", usual=f"{usual:.0f}", **took)
    return Finding(Level.WARNING, "create_cost", said, Sentence("check.create_cost_high.mend"))


def is_fit(findings: Sequence[Finding]) -> bool:
    """Whether nothing found stands in the way of a run."""
    return all(finding.level is not Level.ERROR for finding in findings)


def explain(findings: Sequence[Finding], texts: Texts = ENGLISH) -> str:
    """Give the findings as lines to read, the worst first."""
    return texts.say(in_lines(lines_of(findings)))


def lines_of(findings: Sequence[Finding]) -> list[Sentence]:
    """Give the findings, a sentence each, the worst first."""
    order = [Level.ERROR, Level.WARNING, Level.OK]
    return [
        Sentence(
            f"check.line.{finding.level}",
            said=in_turn(as_sentence(part) for part in (finding.said, finding.mend) if part),
        )
        for finding in sorted(findings, key=lambda finding: order.index(finding.level))
    ]


# ---- getting in ------------------------------------------------------------------------------------------------------

_NO_WAY_IN: Final[tuple[tuple[type[MoodleError], str, Sentence | None], ...]] = (
    (MoodleTlsFailed, "tls", None),
    (MoodleUnreachable, "unreachable", None),
    (MoodleMaintenance, "maintenance", Sentence("check.maintenance.mend")),
    (MoodleOverloaded, "overloaded", Sentence("check.overloaded.mend")),
    (MoodleTokenInvalid, "token_invalid", None),
    (MoodleServiceUserBlocked, "service_user_blocked", None),
    (MoodleFunctionMissing, "functions_missing", None),
    (NotAMoodle, "not_a_moodle", None),
    (AnswerLost, "no_answer", Sentence("check.no_answer.mend")),
)


def _no_way_in(hook: Site, error: MoodleError) -> Finding:
    if isinstance(error, MoodleAccessDenied):
        return _access_denied(hook, error)
    for kind, code, remedy in _NO_WAY_IN:
        if isinstance(error, kind):
            return Finding(Level.ERROR, code, error.said, remedy)
    return Finding(Level.ERROR, "refused", error.said, Sentence("check.refused.mend"))


def _access_denied(hook: Site, error: MoodleAccessDenied) -> Finding:
    if error.errorcode:
        return Finding(Level.ERROR, "access_denied", error.said)
    enabled = _web_services_enabled(hook)
    if enabled is None:
        return Finding(Level.ERROR, "web_services_off", error.said)
    code = "rest_off" if enabled else "web_services_off"
    return Finding(Level.ERROR, code, Sentence(f"check.{code}"), Sentence(f"check.{code}.mend"))


def _web_services_enabled(hook: Site) -> bool | None:
    """Ask the function every Moodle's login page for its app answers, without a token; None when it does not tell."""
    name = "tool_mobile_get_public_config"
    url = f"{hook.settings.base_url}/lib/ajax/service-nologin.php?info={name}"
    body = json.dumps([{"index": 0, "methodname": name, "args": {}}]).encode()
    try:
        raw = hook.post(body, name, url=url, content_type="application/json")
        data = json.loads(raw.body)[0]["data"]["enablewebservices"]
    except (MoodleError, ValueError, LookupError, TypeError):
        return None
    return str(data).lower() in ("1", "true")


# ---- what the site says of itself ------------------------------------------------------------------------------------


def _about_site(hook: Site, info: SiteInfo) -> Iterator[Finding]:
    found = re.match(r"(\d+)\.(\d+)", info.release)
    if found and (int(found[1]), int(found[2])) < OLDEST_TRIED:
        said = Sentence("check.version_old", site=info.sitename, release=info.release)
        yield Finding(Level.WARNING, "version", said, Sentence("check.version_old.mend"))
    else:
        said = Sentence("check.version", site=info.sitename, release=info.release, username=info.username)
        yield Finding(Level.OK, "version", said)
    ours, theirs = urlsplit(hook.settings.base_url), urlsplit(info.siteurl)
    if info.siteurl and (ours.hostname, ours.path.rstrip("/")) != (theirs.hostname, theirs.path.rstrip("/")):
        said = Sentence("check.site_url", theirs=info.siteurl, ours=hook.settings.base_url)
        yield Finding(Level.WARNING, "site_url", said, Sentence("check.site_url.mend"))


def _functions(missing: Sequence[str]) -> Finding:
    if not missing:
        return Finding(Level.OK, "functions", Sentence("check.functions"))
    said = Sentence("check.functions_missing", functions=list(missing))
    return Finding(Level.ERROR, "functions_missing", said, Sentence("check.functions_missing.mend"))


# ---- probes ----------------------------------------------------------------------------------------------------------


def _probes(hook: AccessSite, wants: Wants) -> Iterator[tuple[Sequence[str], Callable[[], list[Finding]]]]:
    """Give what is tried, and the functions it needs; a probe whose functions are missing says nothing more."""
    yield [CREATE_USERS], lambda: [_may_create(hook)]
    yield [UPDATE_USERS], lambda: [_may_update(hook)]
    yield [UPDATE_USERS], lambda: list(_values(hook, wants))
    yield [GET_USERS_BY_FIELD], lambda: _visibility(take_sample(hook, wants.compared, wants.known_ids), wants)
    yield [GET_USERS_BY_FIELD], lambda: list(_capacity(hook, len(wants.profile_fields)))
    access = wants.access
    if access.cohorts:
        functions = replace(access, courses=False).functions()
        yield functions, lambda: _access("cohorts", cohort_problems(hook, access))
    if access.courses:
        functions = replace(access, cohorts=False).functions()
        yield functions, lambda: _access("courses", course_problems(hook, access))


def _access(what: str, problems: Iterable[Problem]) -> list[Finding]:
    found = [Finding(Level.ERROR if one.stops else Level.WARNING, one.code, one.said, one.mend) for one in problems]
    return found or [Finding(Level.OK, f"may_{what}", Sentence(f"check.may_{what}"))]


def _probed(hook: Site, probe: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return probe()
    except MoodleServiceUserBlocked as error:
        # site_info still answers such a user, nothing else does; every probe says the same, with another function.
        said = Sentence("check.service_user_blocked", said=without_function(error))
        return [Finding(Level.ERROR, "service_user_blocked", said)]
    except MoodleError as error:
        return [_no_way_in(hook, error)]


def _may_create(hook: Site) -> Finding:
    # Blank names are refused after the capability check (054), as are a bad e-mail (075) and a manual account without
    # password (087): three reasons, so that nobody is created whatever the version.
    nobody = {"username": "", "firstname": "", "lastname": "", "email": "", "auth": "manual"}
    try:
        hook.call_once(CREATE_USERS, users=[nobody])
    except MoodleAccessDenied as error:
        return _capability_missing("create_denied", "moodle/user:create", error)
    except MoodleRefused:
        return Finding(Level.OK, "may_create", Sentence("check.may_create"))
    return Finding(Level.ERROR, "create_probe", Sentence("check.create_probe"), Sentence("check.create_probe.mend"))


def _may_update(hook: Site) -> Finding:
    # Nobody has id 0: with the capability that is a warning (164), without it a refusal (015).
    try:
        hook.call_once(UPDATE_USERS, users=[{"id": 0, "city": "x"}])
    except MoodleAccessDenied as error:
        return _capability_missing("update_denied", "moodle/user:update", error)
    return Finding(Level.OK, "may_update", Sentence("check.may_update"))


def _values(hook: Site, wants: Wants) -> Iterator[Finding]:
    """Say which values of the mapping this Moodle does not take; a disabled auth plugin it does take, and nothing tells."""
    auths = [value for field, value in wants.values if field == "auth"]
    unfit = unfit_for_new(auths, with_password=wants.with_password)
    for auth, why in unfit.items():
        where = wants.values["auth", auth]
        said = Sentence("check.auth_unfit", why=why, where=where)
        yield Finding(_how_bad(where), "auth_unfit", said, mend_value("auth"))
    asked = [value for value in wants.values if not (value[0] == "auth" and value[1] in unfit)]
    refused = refused_values(asked, hook.takes_values)
    for value in refused:
        where = wants.values[value]
        said = Sentence("check.value_not_taken", not_taken=not_taken(value), where=where)
        yield Finding(_how_bad(where), "value_not_taken", said, mend_value(value[0]))
    if asked and not refused:
        yield Finding(Level.OK, "values", Sentence("check.values"))


def _how_bad(where: Sentence | str) -> Level:
    """Give how bad a refused value is: a default is only for those for whom the source says nothing."""
    return Level.WARNING if str(where).endswith(".default") else Level.ERROR


def _capability_missing(code: str, capability: str, error: MoodleError) -> Finding:
    said = Sentence("check.capability_missing", capability=capability, said=without_function(error))
    return Finding(Level.ERROR, code, said, Sentence("check.role"))


def _visibility(sample: Sample, wants: Wants) -> list[Finding]:
    hidden = [Finding(Level.ERROR, *one) for one in sample.hidden()]
    fields = list(_profile_fields(sample, wants.profile_fields))
    fields += [Finding(Level.WARNING, "field_unseen", *unseen_field(field)) for field in sample.unseen(wants.compared)]
    return [*(hidden or [Finding(Level.OK, "visible", Sentence("check.visible"))]), *fields]


def _profile_fields(sample: Sample, wanted: Mapping[str, str]) -> Iterator[Finding]:
    """Moodle drops values for an unknown shortname without a word, and shows a field only where it is filled."""
    seen = sample.profile_types()
    by_lower = {name.lower(): name for name in seen}
    for name, type_ in wanted.items():
        if contradicts(type_, seen.get(name, "")):
            said = Sentence("check.profile_field_type", name=name, type=seen[name], said=type_)
            yield Finding(Level.ERROR, "profile_field_type", said, Sentence("check.profile_field_type.mend", name=name))
        elif name in seen:
            yield Finding(Level.OK, "profile_field", Sentence("check.profile_field", name=name, type=seen[name]))
        elif name.lower() in by_lower:
            said = Sentence("check.profile_field_case", name=name, theirs=by_lower[name.lower()])
            yield Finding(Level.ERROR, "profile_field_case", said, Sentence("check.profile_field_case.mend"))
        else:
            said = Sentence("check.profile_field_unverified", name=name)
            mend = Sentence("check.profile_field_unverified.mend")
            yield Finding(Level.WARNING, "profile_field_unverified", said, mend)


def _capacity(hook: Site, profile_fields: int) -> Iterator[Finding]:
    limit, wanted = hook.settings.max_input_vars, hook.settings.batch_size
    if not hook.takes_variables(limit):
        fits = next((size for size in _CAPACITIES if size < limit and hook.takes_variables(size)), 0)
        arrived = Sentence("check.arrived", n=fits) if fits else Sentence("check.none_arrived", n=_CAPACITIES[-1])
        mend = Sentence("check.max_input_vars.mend", fits=fits) if fits else Sentence("check.raise_in_php")
        said = Sentence("check.max_input_vars", limit=limit, arrived=arrived)
        yield Finding(Level.ERROR, "max_input_vars", said, mend)
        return
    each = _FIELDS_PER_ACCOUNT + 2 * profile_fields
    holds = max(1, (limit - CONTROL_VARIABLES) // each)
    room = {"limit": limit, "holds": holds, "each": each, "wanted": wanted}
    if holds >= wanted:
        yield Finding(Level.OK, "batch_size", Sentence("check.batch_fits", **room))
        return
    more = next((size for size in _CAPACITIES if size > limit and hook.takes_variables(size)), 0)
    remedy = Sentence("check.takes_more", more=more) if more else None
    yield Finding(Level.WARNING, "batch_size", Sentence("check.batch_smaller", **room), remedy)
