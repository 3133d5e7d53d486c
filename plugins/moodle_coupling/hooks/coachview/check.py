"""Whether a Coachview connection is fit for a run, what of the API is as we think, and what to mend where it is not.

Nothing is written to Coachview; a check takes about five requests and may use the budget's reserve. No finding holds a name, an
address or another value of a person.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import (
    BudgetSpent,
    CoachviewAnswerUnreadable,
    CoachviewDenied,
    CoachviewError,
    CoachviewRefused,
    CoachviewScopeMissing,
    CoachviewTlsFailed,
    CoachviewTokenRefused,
    CoachviewUnavailable,
    CoachviewUnreachable,
    NotACoachview,
)
from moodle_coupling.hooks.coachview.answers import Listing, scope_of
from moodle_coupling.hooks.coachview.calls import Ask
from moodle_coupling.hooks.coachview.check_free import check_free_fields
from moodle_coupling.hooks.coachview.connection import CategoriesVia
from moodle_coupling.hooks.coachview.hook import CATEGORIES, CoachviewHook
from moodle_coupling.hooks.coachview.rows import PERSONS, UNPROVEN, CoachviewPerson, check_persons, lowered, person
from moodle_coupling.hooks.coachview.windows import impossible
from moodle_coupling.hooks.moodle.check import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check_coachview(hook: CoachviewHook, *, free_fields: Sequence[str] = (), categories: bool = False) -> list[Finding]:
    """Find out whether a run can read from the hook's Coachview.

    ``free_fields`` are the codes the mapping uses, ``categories`` whether it asks for categories: what they lack is an error
    then, else a warning. Raises SettingError for a wrong connection; whatever Coachview answers becomes a finding.
    """
    with hook.using_reserve():
        try:
            minutes = hook.token_lifetime() / 60
        except CoachviewError as error:
            return [_failed(error)]
        findings = [
            Finding(Level.OK, "token", f"{hook.settings.base_url} gives a token, valid for {minutes:g} minutes.")
        ]
        findings += _caught(_persons(hook, free_fields, categories=categories))
        findings += _budget(hook)
    return list(dict.fromkeys(findings))


# ---- what went wrong -------------------------------------------------------------------------------------------------

_CODES: Final[tuple[tuple[type[CoachviewError], str], ...]] = (
    (CoachviewTlsFailed, "tls"),
    (CoachviewUnreachable, "unreachable"),
    (CoachviewUnavailable, "unavailable"),
    (CoachviewTokenRefused, "token_refused"),
    (CoachviewScopeMissing, "scope_missing"),
    (NotACoachview, "not_a_coachview"),
    (CoachviewAnswerUnreadable, "unreadable"),
    (CoachviewRefused, "refused"),
    (BudgetSpent, "budget_spent"),
)


def _failed(error: CoachviewError, level: Level = Level.ERROR) -> Finding:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "failed")
    return Finding(level, code, str(error))


def _caught(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Turn an error into the last finding."""
    try:
        yield from findings
    except CoachviewError as error:
        yield _failed(error)


# ---- persons ---------------------------------------------------------------------------------------------------------


def _persons(hook: CoachviewHook, wanted: Sequence[str], *, categories: bool) -> Iterator[Finding]:
    sample = hook.ask(Ask.page(PERSONS, 0, hook.settings.page_size, more={"InclusiefVrijevelden": True}))
    yield from _counted(hook, sample)
    if not sample.rows:
        yield Finding(
            Level.WARNING,
            "nobody",
            "There is no person in this Coachview, so nothing more can be found out.",
            "Is this the Coachview you mean, and may the API client see persons?",
        )
        return
    rows = [lowered(row) for row in sample.rows]
    yield from _keys(rows)
    yield from _caught(_typed(hook, rows))
    yield from _caught(check_free_fields(hook, rows, wanted))
    yield from _caught(_dates(hook))
    yield from _categories(hook, str(rows[0].get("id") or ""), needed=categories)


def _counted(hook: CoachviewHook, sample: Listing) -> Iterator[Finding]:
    scope, have, take = scope_of(PERSONS), len(sample.rows), hook.settings.page_size
    if sample.count is None:
        yield Finding(
            Level.ERROR,
            "row_count",
            "Answers have no header RowCount, so nobody can tell whether everyone came.",
            "Look whether a proxy on the way drops headers.",
        )
        return
    yield Finding(Level.OK, "scope", f"Scope {scope}: {sample.count} persons can be read.")
    if have != min(take, sample.count):
        yield Finding(
            Level.ERROR,
            "page_size",
            f"{have} rows came where {take} were asked for and {sample.count} are there.",
            f"Set 'page_size' in the connection to {have}." if have >= 10 else "Ask Coachview's support.",
        )


def _keys(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    seen = {key for row in rows for key in row}
    if "inactief" not in seen:
        yield Finding(
            Level.WARNING,
            "inactive",
            "No row has 'inactief', so nobody will be seen to have left.",
            "Ask Coachview's support how the API tells that a person is inactive.",
        )
    missing = [key for key in UNPROVEN if key.lower() not in seen]
    if missing:
        yield Finding(
            Level.WARNING,
            "keys",
            f"No row has {', '.join(missing)}; a mapping that needs them finds them empty.",
            "These spellings are not proven. Compare with the Swagger page of your Coachview.",
        )
    else:
        yield Finding(Level.OK, "keys", f"Rows have {', '.join(UNPROVEN)}.")


def _typed(hook: CoachviewHook, rows: list[dict[str, Any]]) -> Iterator[Finding]:
    key = hook.settings.person_id_key
    check_persons(rows, key)
    persons = [person(row, person_id_key=key, free={}) for row in rows]
    with_id = [one.person_id for one in persons if one.person_id.strip()]
    doubled = sum(times > 1 for times in Counter(with_id).values())
    if doubled:
        yield Finding(
            Level.ERROR,
            "person_id",
            f"Among {len(persons)} persons {doubled} values of '{key}' belong to more than one person.",
            "Choose another 'person_id_key' in the connection: it must tell persons apart.",
        )
    elif len(with_id) < len(persons):
        yield Finding(
            Level.WARNING,
            "person_id",
            f"{len(persons) - len(with_id)} of {len(persons)} persons looked at have no '{key}', so they have no person id.",
            "Choose another 'person_id_key' in the connection if that is not meant.",
        )
    else:
        yield Finding(
            Level.OK, "person_id", f"'{key}' is there and differs for all of {len(persons)} persons looked at."
        )
    yield from _extern_ids(persons)


def _extern_ids(persons: list[CoachviewPerson]) -> Iterator[Finding]:
    """Extern ids are only unique within their source, and compared without letter case."""
    with_id = [one for one in persons if one.extern_id.strip()]
    pairs = Counter((one.extern_id.strip().lower(), one.extern_source.strip().lower()) for one in with_id)
    ids = Counter(extern_id for extern_id, _ in pairs)
    shared = sum(times > 1 for times in ids.values()) + sum(times > 1 for times in pairs.values())
    if shared:
        yield Finding(
            Level.WARNING,
            "extern_id",
            f"Among {len(with_id)} persons with an extern id {shared} extern ids belong to more than one person.",
            "An extern id is unique only together with its source (externSource). Choose the person id as ID number, or have the "
            "mapping take one source only.",
        )
    else:
        yield Finding(
            Level.OK,
            "extern_id",
            f"{len(with_id)} of {len(persons)} persons looked at have an extern id, all different.",
        )


# ---- filters, categories, budget -------------------------------------------------------------------------------------


def _dates(hook: CoachviewHook) -> Iterator[Finding]:
    found = hook.ask(Ask.page(PERSONS, 0, 2, impossible().where))
    if found.rows or found.count:
        yield Finding(
            Level.ERROR,
            "filter_ignored",
            f"Persons come for {impossible()}, when nobody can have changed: the filter on change dates is not obeyed, and a run for "
            "what changed reads everyone.",
            "Set 'full_read' in the connection to 'pages', and plan full runs only.",
        )
    else:
        yield Finding(Level.OK, "filter", "The filter on change dates is obeyed: an impossible period gives nobody.")


def _categories(hook: CoachviewHook, person_id: str, *, needed: bool) -> Iterator[Finding]:
    if hook.settings.categories_via is CategoriesVia.OFF:
        if needed:
            yield Finding(
                Level.ERROR,
                "categories_off",
                "The mapping asks for categories, and the connection's 'categories_via' is 'off'.",
                "Set it to 'per_person'.",
            )
        return
    try:
        found = [names for _, names in hook.categories([person_id])]
    except CoachviewError as error:
        level = Level.ERROR if needed or not isinstance(error, CoachviewDenied | CoachviewRefused) else Level.WARNING
        yield _failed(error, level)
        return
    yield Finding(
        Level.OK,
        "categories",
        f"Scope {scope_of(CATEGORIES)}: one person's categories can be read ({len(found[0])} of them).",
    )


def _budget(hook: CoachviewHook) -> Iterator[Finding]:
    left = hook.budget_left()
    until = f" until {left.resets:%Y-%m-%d %H:%M} UTC" if left.resets else ""
    if not left.told:
        yield Finding(
            Level.WARNING,
            "limit_untold",
            f"Answers do not say how many requests are left; by our own count {left.left}{until}.",
            "Other programs with the same API client are not in that count: lower 'daily_budget' by what they use.",
        )
    elif not left.for_runs:
        yield Finding(
            Level.WARNING,
            "budget_low",
            f"{left.left} requests are left{until}: the reserve, which runs do not use.",
            "Runs go on when the day is over.",
        )
    else:
        yield Finding(Level.OK, "budget", f"{left.left} requests are left{until}, {left.for_runs} of them for runs.")
