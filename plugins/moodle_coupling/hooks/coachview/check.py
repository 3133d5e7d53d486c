"""Whether a Coachview connection is fit for a run, what of the API is as we think, and what to mend where it is not.

Nothing is written to Coachview; a check takes about five requests and may use the budget's reserve. No finding holds a name, an
address or another value of a person.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Protocol

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
from moodle_coupling.hooks.coachview.connection import CategoriesVia, FreeShape
from moodle_coupling.hooks.coachview.persons import impossible
from moodle_coupling.hooks.coachview.rows import (
    CATEGORIES,
    PERSONS,
    UNPROVEN,
    CoachviewPerson,
    check_persons,
    definitions,
    free_codes,
    lowered,
    person,
    shapes_of,
)
from moodle_coupling.hooks.moodle.check import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from moodle_coupling.hooks.coachview.budget import BudgetLeft
    from moodle_coupling.hooks.coachview.connection import CoachviewSettings


class AskedCoachview(Protocol):
    """What a check asks of CoachviewHook."""

    @property
    def settings(self) -> CoachviewSettings:
        """The connection's settings."""

    def using_reserve(self) -> AbstractContextManager[None]:
        """Let what is asked in the block use the reserve of the budget."""

    def token_lifetime(self) -> float:
        """Ask for a token and give its lifetime in seconds."""

    def ask(self, ask: Ask) -> Listing:
        """Ask for the rows of a page."""

    def categories(self, ids: Collection[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Give the categories of persons."""

    def confidential_fields(self, person: str) -> dict[str, bool]:
        """Tell which free fields of a person are confidential."""

    def budget_left(self) -> BudgetLeft:
        """Tell how many requests are left of the day."""


def check_coachview(
    hook: AskedCoachview, *, free_fields: Sequence[str] = (), categories: bool = False
) -> list[Finding]:
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


def _persons(hook: AskedCoachview, wanted: Sequence[str], *, categories: bool) -> Iterator[Finding]:
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


def _counted(hook: AskedCoachview, sample: Listing) -> Iterator[Finding]:
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


def _typed(hook: AskedCoachview, rows: list[dict[str, Any]]) -> Iterator[Finding]:
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


def _dates(hook: AskedCoachview) -> Iterator[Finding]:
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


def _categories(hook: AskedCoachview, person_id: str, *, needed: bool) -> Iterator[Finding]:
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


def _budget(hook: AskedCoachview) -> Iterator[Finding]:
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


def check_free_fields(hook: AskedCoachview, rows: list[dict[str, Any]], wanted: Sequence[str]) -> Iterator[Finding]:
    """Say in which shape free fields stand on a sample of rows (keys in lower case), and how it is with the wanted codes.

    Raises a CoachviewError for a shape that cannot be read.
    """
    shapes = sorted({shape for row in rows for shape in shapes_of(row)})
    said = hook.settings.free_fields
    if not shapes:
        yield Finding(
            Level.ERROR if wanted and said is FreeShape.AUTO else Level.WARNING if wanted else Level.OK,
            "free_fields",
            f"None of {len(rows)} persons looked at shows free fields in a shape that is known.",
            "If they have some in Coachview, compare with its Swagger page; else set 'free_fields' in the connection to the shape "
            "your Coachview uses."
            if wanted
            else "",
        )
        return
    if said is not FreeShape.AUTO and shapes != [said]:
        yield Finding(
            Level.ERROR,
            "free_shape",
            f"Free fields come in the shape {' and '.join(shapes)}; the connection says '{said}'.",
            "Set 'free_fields' to 'auto' or to what comes.",
        )
    flags = _flags(hook, rows)
    if isinstance(flags, Finding):
        yield flags
        flags = {}
    codes = sorted({code for row in rows for code in free_codes(row)}, key=str.lower)
    hidden = sum(flags.get(code.lower(), False) for code in codes)
    yield Finding(
        Level.OK,
        "free_fields",
        f"Free fields come in the shape {' and '.join(shapes)}: {len(codes)} codes, {hidden} confidential.",
    )
    seen = {code.lower() for code in codes}
    yield from (_wanted_field(hook, code, seen, flags) for code in dict.fromkeys(wanted))


def _flags(hook: AskedCoachview, rows: list[dict[str, Any]]) -> dict[str, bool] | Finding:
    """Give which codes (in lower case) are confidential: from the rows, else from Coachview's list for one person."""
    flags = {code: secret for row in rows for code, secret in definitions(row).items()}
    holder = next((row for row in rows if free_codes(row)), None)
    if flags or holder is None:
        return flags
    try:
        return hook.confidential_fields(str(holder.get("id") or ""))
    except CoachviewError as error:
        return Finding(
            Level.WARNING,
            "free_field_list",
            f"Which free fields are confidential cannot be found out: {error}",
            "A run refuses free fields of which that is not known; name those that are not confidential in the connection's "
            "field 'public_free_fields'.",
        )


def _wanted_field(hook: AskedCoachview, code: str, seen: set[str], flags: dict[str, bool]) -> Finding:
    lower = code.lower()
    vouched = lower in {one.lower() for one in hook.settings.public_free_fields}
    if flags.get(lower):
        return Finding(
            Level.ERROR,
            "free_field_confidential",
            f"Free field {code} is confidential (vertrouwelijk) and is never sent to Moodle.",
            "Take it out of the mapping, or make it not confidential in Coachview.",
        )
    if lower not in seen:
        return Finding(
            Level.WARNING,
            "free_field_unseen",
            f"Free field {code} is on none of the persons looked at.",
            "Compare the code with Coachview's settings for free fields.",
        )
    if lower not in flags and not vouched:
        return Finding(
            Level.ERROR,
            "free_field_unproven",
            f"Nothing tells whether free field {code} is confidential.",
            "If it is not, name it in the connection's field 'public_free_fields'.",
        )
    return Finding(Level.OK, "free_field", f"Free field {code} is there and not confidential.")
