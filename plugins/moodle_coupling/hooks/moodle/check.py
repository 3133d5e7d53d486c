"""Whether a Moodle is fit for a run, and what to mend where it is not; nothing is written to it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from moodle_coupling.contract.profile_types import contradicts
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
from moodle_coupling.hooks.moodle.answers import SITE_INFO
from moodle_coupling.hooks.moodle.form import CONTROL_VARIABLES
from moodle_coupling.hooks.moodle.probes import (
    Sample,
    Value,
    mend_value,
    not_taken,
    refused_values,
    take_sample,
    unfit_for_new,
    unseen_field,
)
from moodle_coupling.hooks.moodle.records import CREATE_USERS, GET_USERS, GET_USERS_BY_FIELD, UPDATE_USERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from moodle_coupling.hooks.moodle.probes import Site
    from moodle_coupling.hooks.moodle.records import SiteInfo

NEEDED_FUNCTIONS: Final = (SITE_INFO, CREATE_USERS, UPDATE_USERS, GET_USERS, GET_USERS_BY_FIELD)
OLDEST_TRIED: Final = (4, 5)
_CAPACITIES: Final = (10_000, 5000, 2000, 1000, 500, 250)
_FIELDS_PER_ACCOUNT: Final = 10
"""username, auth, first and last name, e-mail, idnumber, lang, country, city, createpassword."""


class Level(StrEnum):
    """How bad a finding is: an error makes the site unfit for a run."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the check found; ``code`` stays the same between versions, ``remedy`` is '' where none is needed."""

    level: Level
    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a mapping asks of its Moodle.

    ``profile_fields``: the shortnames it writes, and the type it says of each, '' for none. ``compared``: fields that a site may hide and that it writes to accounts
    that are there. ``known_ids``: accounts it wrote to, which show whether they can be seen. ``values``: what it gives in
    fields, whoever it is for, and where that stands in the mapping file. ``with_password``: Moodle is to make passwords.
    """

    profile_fields: Mapping[str, str] = field(default_factory=dict)
    compared: Sequence[str] = ()
    known_ids: Sequence[int] = ()
    values: Mapping[Value, str] = field(default_factory=dict)
    with_password: bool = True


NOTHING: Final = Wants()


def check_site(hook: Site, wants: Wants = NOTHING) -> list[Finding]:
    """Find out whether a run can work on the hook's Moodle, with what the mapping ``wants`` of it.

    Only reads, besides one create and one update that Moodle is certain to refuse. Raises CouplingPaused when the hook's
    guard does, SettingError for a wrong connection; whatever Moodle answers becomes a finding.
    """
    try:
        info = hook.site_info(patient=False)
    except MoodleError as error:
        return [_no_way_in(hook, error)]
    missing = [name for name in NEEDED_FUNCTIONS if name not in info.functions]
    findings = [*_about_site(hook, info), _functions(missing)]
    for needed, probe in _probes(hook, wants):
        if needed in info.functions:
            findings += _probed(hook, probe)
    return list(dict.fromkeys(findings))


def is_fit(findings: Sequence[Finding]) -> bool:
    """Whether nothing found stands in the way of a run."""
    return all(finding.level is not Level.ERROR for finding in findings)


def explain(findings: Sequence[Finding]) -> str:
    """Give the findings as lines to read, the worst first."""
    order = [Level.ERROR, Level.WARNING, Level.OK]
    lines = [
        f"{finding.level.upper()}: {finding.message}" + (f" {finding.remedy}" if finding.remedy else "")
        for finding in sorted(findings, key=lambda finding: order.index(finding.level))
    ]
    return "\n".join(lines)


# ---- getting in ------------------------------------------------------------------------------------------------------

_NO_WAY_IN: Final[tuple[tuple[type[MoodleError], str, str], ...]] = (
    (MoodleTlsFailed, "tls", ""),
    (MoodleUnreachable, "unreachable", ""),
    (MoodleMaintenance, "maintenance", "Check again when the site is back."),
    (MoodleOverloaded, "overloaded", "Check again later; if it stays, ask the site's host."),
    (MoodleTokenInvalid, "token_invalid", ""),
    (MoodleServiceUserBlocked, "service_user_blocked", ""),
    (MoodleFunctionMissing, "functions_missing", ""),
    (NotAMoodle, "not_a_moodle", ""),
    (AnswerLost, "no_answer", "The site answers, but not as it should; ask its host."),
)


def _no_way_in(hook: Site, error: MoodleError) -> Finding:
    if isinstance(error, MoodleAccessDenied):
        return _access_denied(hook, error)
    for kind, code, remedy in _NO_WAY_IN:
        if isinstance(error, kind):
            return Finding(Level.ERROR, code, str(error), remedy)
    return Finding(Level.ERROR, "refused", str(error), "Look in the site's log.")


def _access_denied(hook: Site, error: MoodleAccessDenied) -> Finding:
    if error.errorcode:
        return Finding(Level.ERROR, "access_denied", str(error))
    enabled = _web_services_enabled(hook)
    if enabled is None:
        return Finding(Level.ERROR, "web_services_off", str(error))
    if enabled:
        return Finding(
            Level.ERROR,
            "rest_off",
            "Web services are on, but the REST protocol is switched off (or a firewall forbids it).",
            "In Moodle: Site administration > Server > Web services > Manage protocols: enable REST.",
        )
    return Finding(
        Level.ERROR,
        "web_services_off",
        "Web services are switched off.",
        "In Moodle: Site administration > Advanced features > Enable web services.",
    )


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
        yield Finding(
            Level.WARNING,
            "version",
            f"'{info.sitename}' runs Moodle {info.release}; older than 4.5 was never tried.",
            "Try on a copy of the site first.",
        )
    else:
        yield Finding(
            Level.OK, "version", f"'{info.sitename}' runs Moodle {info.release}; the token is {info.username}'s."
        )
    ours, theirs = urlsplit(hook.settings.base_url), urlsplit(info.siteurl)
    if info.siteurl and (ours.hostname, ours.path.rstrip("/")) != (theirs.hostname, theirs.path.rstrip("/")):
        yield Finding(
            Level.WARNING,
            "site_url",
            f"The site calls itself {info.siteurl}, the connection says {hook.settings.base_url}.",
            "Make sure that this is the site you mean, and not a copy of it.",
        )


def _functions(missing: Sequence[str]) -> Finding:
    if not missing:
        return Finding(Level.OK, "functions", "The token's service has all the functions needed.")
    return Finding(
        Level.ERROR,
        "functions_missing",
        f"The token's service lacks {', '.join(missing)}.",
        "Add them under Server > Web services > External services > Functions.",
    )


# ---- probes ----------------------------------------------------------------------------------------------------------


def _probes(hook: Site, wants: Wants) -> list[tuple[str, Callable[[], list[Finding]]]]:
    return [
        (CREATE_USERS, lambda: [_may_create(hook)]),
        (UPDATE_USERS, lambda: [_may_update(hook)]),
        (UPDATE_USERS, lambda: list(_values(hook, wants))),
        (GET_USERS_BY_FIELD, lambda: _visibility(take_sample(hook, wants.compared, wants.known_ids), wants)),
        (GET_USERS_BY_FIELD, lambda: list(_capacity(hook, len(wants.profile_fields)))),
    ]


def _probed(hook: Site, probe: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return probe()
    except MoodleServiceUserBlocked as error:
        # site_info still answers such a user, nothing else does; every probe says the same, with another function.
        said = str(error).split(": ", 1)[-1]
        return [Finding(Level.ERROR, "service_user_blocked", f"The service user is held up: {said}")]
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
        return Finding(Level.OK, "may_create", "The service user may create accounts.")
    return Finding(
        Level.ERROR,
        "create_probe",
        "Moodle accepted an account without any name, which it must refuse.",
        "Look for an account with an empty username and delete it; tell the makers of this coupling.",
    )


def _may_update(hook: Site) -> Finding:
    # Nobody has id 0: with the capability that is a warning (164), without it a refusal (015).
    try:
        hook.call_once(UPDATE_USERS, users=[{"id": 0, "city": "x"}])
    except MoodleAccessDenied as error:
        return _capability_missing("update_denied", "moodle/user:update", error)
    return Finding(Level.OK, "may_update", "The service user may update accounts.")


def _values(hook: Site, wants: Wants) -> Iterator[Finding]:
    """Say which values of the mapping this Moodle does not take; a disabled auth plugin it does take, and nothing tells."""
    auths = [value for field, value in wants.values if field == "auth"]
    unfit = unfit_for_new(auths, with_password=wants.with_password)
    for auth, why in unfit.items():
        message = f"{why} The mapping gives it in {wants.values['auth', auth]}."
        yield Finding(_how_bad(wants.values["auth", auth]), "auth_unfit", message, mend_value("auth"))
    asked = [value for value in wants.values if not (value[0] == "auth" and value[1] in unfit)]
    refused = refused_values(asked, hook.takes_values)
    for value in refused:
        message = f"{not_taken(value)}, which the mapping gives in {wants.values[value]}."
        yield Finding(_how_bad(wants.values[value]), "value_not_taken", message, mend_value(value[0]))
    if asked and not refused:
        yield Finding(Level.OK, "values", "Moodle takes the mapping's fixed values.")


def _how_bad(where: str) -> Level:
    """Give how bad a refused value is: a default is only for those for whom the source says nothing."""
    return Level.WARNING if where.endswith(".default") else Level.ERROR


def _capability_missing(code: str, capability: str, error: MoodleError) -> Finding:
    said = str(error).split(": ", 1)[-1]
    return Finding(
        Level.ERROR,
        code,
        f"The service user lacks the capability {capability}: {said}",
        "Allow it in the service user's role, in the system context.",
    )


def _visibility(sample: Sample, wants: Wants) -> list[Finding]:
    hidden = [Finding(Level.ERROR, code, message, remedy) for code, message, remedy in sample.hidden()]
    fields = list(_profile_fields(sample, wants.profile_fields))
    fields += [Finding(Level.WARNING, "field_unseen", *unseen_field(field)) for field in sample.unseen(wants.compared)]
    if hidden:
        return [*hidden, *fields]
    return [Finding(Level.OK, "visible", "The service user sees ID numbers, usernames and e-mail addresses."), *fields]


def _profile_fields(sample: Sample, wanted: Mapping[str, str]) -> Iterator[Finding]:
    """Moodle drops values for an unknown shortname without a word, and shows a field only where it is filled."""
    seen = sample.profile_types()
    by_lower = {name.lower(): name for name in seen}
    for name, said in wanted.items():
        if contradicts(said, seen.get(name, "")):
            yield Finding(
                Level.ERROR,
                "profile_field_type",
                f"Profile field '{name}' is of type {seen[name]} on this site, and the mapping file says {said}; no run would write "
                "anything.",
                f"Correct profile_fields.{name}.type in the mapping file.",
            )
        elif name in seen:
            yield Finding(Level.OK, "profile_field", f"Profile field '{name}' exists, of type {seen[name]}.")
        elif name.lower() in by_lower:
            yield Finding(
                Level.ERROR,
                "profile_field_case",
                f"Profile field '{name}' is called '{by_lower[name.lower()]}' on this site; Moodle would drop its values.",
                "Write the shortname in the mapping file as the site has it.",
            )
        else:
            yield Finding(
                Level.WARNING,
                "profile_field_unverified",
                f"Profile field '{name}' could not be verified, nor its type: no account looked at has it filled and visible.",
                "Look under Site administration > Users > User profile fields, and say its type in the mapping file; an unknown "
                "shortname is dropped without a word.",
            )


def _capacity(hook: Site, profile_fields: int) -> Iterator[Finding]:
    limit, wanted = hook.settings.max_input_vars, hook.settings.batch_size
    if not hook.takes_variables(limit):
        fits = next((size for size in _CAPACITIES if size < limit and hook.takes_variables(size)), 0)
        yield Finding(
            Level.ERROR,
            "max_input_vars",
            f"The site takes fewer form variables than the connection's max_input_vars of {limit}; it drops the rest without "
            f"a word. {fits or 'Not even 250'} arrived whole.",
            f"Set max_input_vars in the connection to {fits}, or raise it in the site's PHP."
            if fits
            else "Raise it in PHP.",
        )
        return
    each = _FIELDS_PER_ACCOUNT + 2 * profile_fields
    holds = max(1, (limit - CONTROL_VARIABLES) // each)
    said = f"The site takes {limit} form variables, so a call holds {holds} accounts of {each} variables"
    if holds >= wanted:
        yield Finding(Level.OK, "batch_size", f"{said}; the batch size of {wanted} fits.")
        return
    more = next((size for size in _CAPACITIES if size > limit and hook.takes_variables(size)), 0)
    remedy = f"The site takes {more}: set max_input_vars in the connection to that." if more else ""
    yield Finding(Level.WARNING, "batch_size", f"{said}; batches of {wanted} will be made smaller.", remedy)
