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
from moodle_coupling.words.sentence import Sentence

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
            return [failed(error)]
        findings = [
            Finding(
                Level.OK,
                "token",
                Sentence("coachview.check.token", site=hook.settings.base_url, minutes=f"{minutes:g}"),
            )
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


def failed(error: CoachviewError, level: Level = Level.ERROR) -> Finding:
    """Give what Coachview answered with as a finding."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "failed")
    return Finding(level, code, error.said)


def _caught(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Turn an error into the last finding."""
    try:
        yield from findings
    except CoachviewError as error:
        yield failed(error)


# ---- persons ---------------------------------------------------------------------------------------------------------


def _persons(hook: AskedCoachview, wanted: Sequence[str], *, categories: bool) -> Iterator[Finding]:
    sample = hook.ask(Ask.page(PERSONS, 0, hook.settings.page_size, more={"InclusiefVrijevelden": True}))
    yield from _counted(hook, sample)
    if not sample.rows:
        yield Finding(
            Level.WARNING,
            "nobody",
            Sentence("coachview.check.nobody"),
            Sentence("coachview.check.nobody.mend"),
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
            Sentence("coachview.check.no_row_count"),
            Sentence("coachview.check.no_row_count.mend"),
        )
        return
    yield Finding(Level.OK, "scope", Sentence("coachview.check.scope", scope=scope, n=sample.count))
    if have != min(take, sample.count):
        yield Finding(
            Level.ERROR,
            "page_size",
            Sentence("coachview.check.page_size", have=have, take=take, n=sample.count),
            Sentence("coachview.check.page_size.mend", have=have)
            if have >= 10
            else Sentence("coachview.check.page_size.ask"),
        )


def _keys(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    seen = {key for row in rows for key in row}
    if "inactief" not in seen:
        yield Finding(
            Level.WARNING,
            "inactive",
            Sentence("coachview.check.inactive"),
            Sentence("coachview.check.inactive.mend"),
        )
    missing = [key for key in UNPROVEN if key.lower() not in seen]
    if missing:
        yield Finding(
            Level.WARNING,
            "keys",
            Sentence("coachview.check.keys_missing", keys=", ".join(missing)),
            Sentence("coachview.check.keys_missing.mend"),
        )
    else:
        yield Finding(Level.OK, "keys", Sentence("coachview.check.keys", keys=", ".join(UNPROVEN)))


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
            Sentence("coachview.check.person_id_doubled", n=len(persons), doubled=doubled, key=key),
            Sentence("coachview.check.person_id_doubled.mend"),
        )
    elif len(with_id) < len(persons):
        yield Finding(
            Level.WARNING,
            "person_id",
            Sentence("coachview.check.person_id_missing", without=len(persons) - len(with_id), n=len(persons), key=key),
            Sentence("coachview.check.person_id_missing.mend"),
        )
    else:
        yield Finding(Level.OK, "person_id", Sentence("coachview.check.person_id", key=key, n=len(persons)))
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
            Sentence("coachview.check.extern_id_shared", n=len(with_id), shared=shared),
            Sentence("coachview.check.extern_id_shared.mend"),
        )
    else:
        yield Finding(
            Level.OK,
            "extern_id",
            Sentence("coachview.check.extern_id", with_id=len(with_id), n=len(persons)),
        )


# ---- filters, categories, budget -------------------------------------------------------------------------------------


def _dates(hook: AskedCoachview) -> Iterator[Finding]:
    found = hook.ask(Ask.page(PERSONS, 0, 2, impossible().where))
    if found.rows or found.count:
        yield Finding(
            Level.ERROR,
            "filter_ignored",
            Sentence("coachview.check.filter_ignored", part=impossible().said),
            Sentence("coachview.check.filter_ignored.mend"),
        )
    else:
        yield Finding(Level.OK, "filter", Sentence("coachview.check.filter"))


def _categories(hook: AskedCoachview, person_id: str, *, needed: bool) -> Iterator[Finding]:
    if hook.settings.categories_via is CategoriesVia.OFF:
        if needed:
            yield Finding(
                Level.ERROR,
                "categories_off",
                Sentence("coachview.check.categories_off"),
                Sentence("coachview.check.categories_off.mend"),
            )
        return
    try:
        found = [names for _, names in hook.categories([person_id])]
    except CoachviewError as error:
        level = Level.ERROR if needed or not isinstance(error, CoachviewDenied | CoachviewRefused) else Level.WARNING
        yield failed(error, level)
        return
    yield Finding(
        Level.OK,
        "categories",
        Sentence("coachview.check.categories", scope=scope_of(CATEGORIES), n=len(found[0])),
    )


def _budget(hook: AskedCoachview) -> Iterator[Finding]:
    left = hook.budget_left()
    until = Sentence("coachview.check.until", at=f"{left.resets:%Y-%m-%d %H:%M}") if left.resets else ""
    if not left.told:
        yield Finding(
            Level.WARNING,
            "limit_untold",
            Sentence("coachview.check.limit_untold", left=left.left, until=until),
            Sentence("coachview.check.limit_untold.mend"),
        )
    elif not left.for_runs:
        yield Finding(
            Level.WARNING,
            "budget_low",
            Sentence("coachview.check.budget_low", left=left.left, until=until),
            Sentence("coachview.check.budget_low.mend"),
        )
    else:
        yield Finding(
            Level.OK, "budget", Sentence("coachview.check.budget", left=left.left, until=until, for_runs=left.for_runs)
        )


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
            Sentence("coachview.check.free_none", n=len(rows)),
            Sentence("coachview.check.free_none.mend") if wanted else None,
        )
        return
    if said is not FreeShape.AUTO and shapes != [said]:
        yield Finding(
            Level.ERROR,
            "free_shape",
            Sentence("coachview.check.free_shape", shapes=[str(one) for one in shapes], said=str(said)),
            Sentence("coachview.check.free_shape.mend"),
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
        Sentence("coachview.check.free_fields", shapes=[str(one) for one in shapes], codes=len(codes), hidden=hidden),
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
            Sentence("coachview.check.free_list", error=error.said),
            Sentence("coachview.check.free_list.mend"),
        )


def _wanted_field(hook: AskedCoachview, code: str, seen: set[str], flags: dict[str, bool]) -> Finding:
    lower = code.lower()
    vouched = lower in {one.lower() for one in hook.settings.public_free_fields}
    if flags.get(lower):
        return Finding(
            Level.ERROR,
            "free_field_confidential",
            Sentence("coachview.check.free_confidential", code=code),
            Sentence("coachview.check.free_confidential.mend"),
        )
    if lower not in seen:
        return Finding(
            Level.WARNING,
            "free_field_unseen",
            Sentence("coachview.check.free_unseen", code=code),
            Sentence("coachview.check.free_unseen.mend"),
        )
    if lower not in flags and not vouched:
        return Finding(
            Level.ERROR,
            "free_field_unproven",
            Sentence("coachview.check.free_unproven", code=code),
            Sentence("coachview.check.free_unproven.mend"),
        )
    return Finding(Level.OK, "free_field", Sentence("coachview.check.free_field", code=code))
