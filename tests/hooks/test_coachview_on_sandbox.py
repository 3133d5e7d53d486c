"""The hook against the sandbox Coachview over real HTTP: every fault and everything unknown that the facts name."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from hooks.coachview_small import Together, ids_of

from moodle_coupling.errors import (
    BudgetSpent,
    CoachviewAnswerUnreadable,
    CoachviewError,
    CoachviewIncomplete,
    CoachviewRefused,
    CoachviewScopeMissing,
    CoachviewTimedOut,
    CoachviewTokenRefused,
    CoachviewUnavailable,
)
from moodle_coupling.hooks.coachview.check import check_coachview
from moodle_coupling.hooks.coachview.connection import CategoriesVia, CoachviewSettings, FreeShape, FullRead
from moodle_coupling.hooks.coachview.hook import CoachviewHook
from moodle_coupling.hooks.coachview.persons import PersonFields, Resume
from moodle_coupling.hooks.moodle.check import Level, explain, is_fit
from moodle_coupling.sandbox.coachview import Fault, FaultKind, SandboxCoachview, running_coachview
from moodle_coupling.sandbox.coachview.samples import generate_people

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 260
PEOPLE = list(generate_people(COUNT, first_day=dt.date(2024, 1, 1), last_day=dt.date(2024, 3, 31)))
EVERYONE = sorted(person["id"] for person in PEOPLE)
YESTERDAY_TO_TODAY = (dt.datetime.now(tz=dt.UTC).date() - dt.timedelta(days=1), dt.datetime.now(tz=dt.UTC).date())


@pytest.fixture
def site() -> Iterator[SandboxCoachview]:
    with running_coachview(people=PEOPLE) as running:
        yield running


def hook_for(site: SandboxCoachview, **settings: Any) -> CoachviewHook:
    given = {"page_size": 20, "window_rows": 80, "first_day": dt.date(2024, 1, 15), **settings}
    return CoachviewHook.from_settings(
        CoachviewSettings("demo", site.url, site.client_id, site.client_secret, **given), sleep=lambda _seconds: None
    )


def everyone(site: SandboxCoachview, **settings: Any) -> list[str]:
    with hook_for(site, **settings) as hook:
        return sorted(ids_of(hook.persons()))


def asked(site: SandboxCoachview, endpoint: str = "Personen") -> int:
    return len(site.calls.all(endpoint))


# ---- everyone, whatever is not known ---------------------------------------------------------------------------------


def test_everyone_comes_once(site: SandboxCoachview) -> None:
    assert everyone(site) == EVERYONE


@pytest.mark.parametrize(
    "unknown",
    [
        {"guid_order": "sql_server"},
        {"period_includes_end": True},
        {"time_in_filter": True},
        {"case_sensitive": True},
        {"empty_values": "null"},
        {"empty_values": "empty"},
        {"timezone": "Pacific/Auckland"},
        {"timezone": "Pacific/Honolulu"},
        {"reset_format": "epoch"},
        {"limit_format": "period"},
        {"token_counts": True},
        {"take_maximum": 20},
        {"deep_skip": 60},
        {"deep_skip": 40, "guid_order": "sql_server"},
    ],
    ids=str,
)
def test_what_is_not_known_of_coachview_makes_no_difference(site: SandboxCoachview, unknown: dict[str, Any]) -> None:
    with site.settings.changed(**unknown):
        assert everyone(site) == EVERYONE


@pytest.mark.parametrize("guid_order", ["text", "sql_server"])
@pytest.mark.parametrize("full_read", list(FullRead))
def test_a_bulk_import_on_one_day_is_read_past_the_deepest_skip(guid_order: str, full_read: FullRead) -> None:
    people = list(generate_people(150, first_day=dt.date(2024, 5, 1), last_day=dt.date(2024, 5, 1)))
    with running_coachview(people=people, settings={"deep_skip": 50, "guid_order": guid_order}) as site:
        assert everyone(site, full_read=full_read) == sorted(person["id"] for person in people)


def test_a_page_size_over_coachviews_maximum_is_named(site: SandboxCoachview) -> None:
    with (
        site.settings.changed(take_maximum=15),
        pytest.raises(CoachviewIncomplete, match="if 15 is the most Coachview gives"),
    ):
        everyone(site)
    with (
        site.settings.changed(take_maximum=15, take_over_maximum="refused"),
        pytest.raises(CoachviewRefused, match="page size"),
    ):
        everyone(site)


def test_a_filter_that_is_not_obeyed_is_found_out(site: SandboxCoachview) -> None:
    with site.settings.changed(where_obeyed=False):
        with pytest.raises(CoachviewRefused, match="full_read"):
            everyone(site)
        assert everyone(site, full_read=FullRead.PAGES) == EVERYONE
        with pytest.raises(CoachviewRefused):
            ids_of(hook_for(site).persons(ids=[EVERYONE[0]]))


@pytest.mark.parametrize("how", ["examples", "forbidden"])
def test_a_missing_scope_is_named_however_coachview_answers(site: SandboxCoachview, how: str) -> None:
    with site.settings.changed(missing_scope=how, scopes=("api", "Persoonscategorieen.Lezen")):
        for read in ({}, {"ids": [EVERYONE[0]]}, {"changed": YESTERDAY_TO_TODAY}):
            hook = hook_for(site, scopes=("api", "Persoonscategorieen.Lezen"))
            with pytest.raises(CoachviewScopeMissing, match=r"Personen\.Lezen"):
                ids_of(hook.persons(**read))
    with pytest.raises(CoachviewScopeMissing, match="invalid_scope"):
        everyone(site, scopes=("api", "Opleidingen.Lezen"))


def test_a_wrong_secret_is_told_apart(site: SandboxCoachview) -> None:
    hook = CoachviewHook.from_settings(CoachviewSettings("demo", site.url, site.client_id, "wrong"))
    with pytest.raises(CoachviewTokenRefused, match="client id and client secret"):
        ids_of(hook.persons())
    with (
        site.settings.changed(client_credentials=False),
        pytest.raises(CoachviewTokenRefused, match="client credentials"),
    ):
        everyone(site)


# ---- faults ----------------------------------------------------------------------------------------------------------

PASSES = [
    FaultKind.RESET,
    FaultKind.ERROR_500,
    FaultKind.ERROR_502,
    FaultKind.ERROR_503,
    FaultKind.ERROR_504,
    FaultKind.HTML,
    FaultKind.BROKEN_JSON,
    FaultKind.TOKEN_REFUSED,
    FaultKind.SHORT_PAGE,
    FaultKind.WRONG_ROW_COUNT,
    FaultKind.DUPLICATE_ROW,
    FaultKind.EDIT_PERSON,
]


@pytest.mark.parametrize("at_a_time", [1, 3])
@pytest.mark.parametrize("kind", PASSES)
def test_a_fault_that_passes_changes_nothing(site: SandboxCoachview, kind: FaultKind, at_a_time: int) -> None:
    site.faults.add(Fault(kind, endpoint="Personen", skip=4, first=1))
    found = everyone(site, parallel_requests=at_a_time)
    assert sorted(set(found)) == EVERYONE
    # Who changed may come a second time, as changed.
    assert Counter(found).total() - len(EVERYONE) in ({0, 1} if kind is FaultKind.EDIT_PERSON else {0})


@pytest.mark.parametrize(("kind", "size"), [(FaultKind.TRUNCATED, 100), (FaultKind.SLOW_DRIP, 500)])
def test_an_answer_cut_or_dripping_is_read_again_or_waited_for(
    site: SandboxCoachview, kind: FaultKind, size: int
) -> None:
    site.faults.add(Fault(kind, endpoint="Personen", size=size, seconds=0.001, skip=4, first=1))
    assert everyone(site) == EVERYONE


@pytest.mark.parametrize("first", [1, 2])
def test_an_answer_that_does_not_come_is_asked_for_again(site: SandboxCoachview, first: int) -> None:
    site.faults.add(Fault(FaultKind.HOLD, endpoint="Personen", skip=4, first=first))
    assert everyone(site, read_timeout=0.5) == EVERYONE


ALWAYS = [
    (FaultKind.RESET, CoachviewUnavailable),
    (FaultKind.ERROR_500, CoachviewTimedOut),
    (FaultKind.ERROR_502, CoachviewUnavailable),
    (FaultKind.ERROR_503, CoachviewUnavailable),
    (FaultKind.ERROR_504, CoachviewTimedOut),
    (FaultKind.HTML, CoachviewUnavailable),
    (FaultKind.BROKEN_JSON, CoachviewUnavailable),
    (FaultKind.TOKEN_REFUSED, CoachviewTokenRefused),
    (FaultKind.QUOTA, BudgetSpent),
    (FaultKind.SHORT_PAGE, CoachviewIncomplete),
    (FaultKind.NO_ROW_COUNT, CoachviewAnswerUnreadable),
    (FaultKind.DUPLICATE_ROW, CoachviewIncomplete),
    (FaultKind.INSERT_PERSON, CoachviewIncomplete),
]


@pytest.mark.parametrize("full_read", list(FullRead))
@pytest.mark.parametrize(("kind", "error"), ALWAYS)
def test_a_fault_that_stays_is_an_error_and_never_a_smaller_school(
    site: SandboxCoachview, kind: FaultKind, error: type[CoachviewError], full_read: FullRead
) -> None:
    site.faults.add(Fault(kind, endpoint="Personen", skip=3))
    with pytest.raises(error):
        everyone(site, full_read=full_read)
    assert asked(site) < 60


@pytest.mark.parametrize("rows", [-1, 1, 1000])
@pytest.mark.parametrize("full_read", list(FullRead))
def test_a_row_count_that_stays_wrong_is_an_error(site: SandboxCoachview, rows: int, full_read: FullRead) -> None:
    site.faults.add(Fault(FaultKind.WRONG_ROW_COUNT, endpoint="Personen", rows=rows))
    with pytest.raises(CoachviewError) as caught:
        everyone(site, full_read=full_read)
    assert isinstance(caught.value, CoachviewIncomplete | CoachviewRefused)


def test_somebody_inserted_between_two_pages_comes_too(site: SandboxCoachview) -> None:
    site.faults.add(Fault(FaultKind.INSERT_PERSON, endpoint="Personen", skip=4, first=1))
    found = everyone(site)
    assert len(set(found)) == COUNT + 1
    assert set(found) > set(EVERYONE)


@pytest.mark.parametrize("at", range(0, 24, 3))
def test_somebody_removed_while_we_read_never_hides_another(site: SandboxCoachview, at: int) -> None:
    site.faults.add(Fault(FaultKind.REMOVE_PERSON, endpoint="Personen", skip=at, first=1))
    try:
        found = everyone(site)
    except CoachviewIncomplete:
        return  # somebody who had been read already is gone: read again
    left = {person["id"] for person in site.people.all()}
    assert left <= set(found)


def test_a_token_that_cannot_be_had_for_a_moment_is_asked_for_again(site: SandboxCoachview) -> None:
    site.faults.add(Fault(FaultKind.ERROR_503, endpoint="token", first=2))
    assert everyone(site) == EVERYONE


# ---- token and budget ------------------------------------------------------------------------------------------------


@pytest.mark.clock
def test_a_token_that_expires_in_the_middle_is_renewed(site: SandboxCoachview) -> None:
    site.settings.change({"token_lifetime": 900})
    pages = hook_for(site).persons()
    found = ids_of([next(pages)])
    site.clock.advance(901)
    found += ids_of(pages)
    assert sorted(found) == EVERYONE
    assert asked(site, "token") == 2


@pytest.mark.clock
def test_tasks_share_token_and_count(site: SandboxCoachview) -> None:
    seal, together = Fernet(Fernet.generate_key()), Together()
    settings = CoachviewSettings("demo", site.url, site.client_id, site.client_secret)
    for _ in range(3):
        with CoachviewHook.from_settings(settings, sharing=together, seal=seal) as hook:
            ids_of(hook.persons(YESTERDAY_TO_TODAY))
    assert (asked(site, "token"), asked(site)) == (1, 3)
    assert hook.budget_left().left == 5000 - 3


@pytest.mark.clock
def test_a_changed_only_reading_takes_one_request(site: SandboxCoachview) -> None:
    some = EVERYONE[:7]
    for person_id in some:
        site.people.change(person_id, {"voornaam": "Johanna"})
    with hook_for(site) as hook:
        assert sorted(ids_of(hook.persons(YESTERDAY_TO_TODAY))) == some
        assert hook.requests_made == 1


@pytest.mark.parametrize("reset_format", ["iso", "epoch"])
@pytest.mark.clock
def test_a_reading_stops_at_the_reserve_and_goes_on_after_the_reset(site: SandboxCoachview, reset_format: str) -> None:
    # Twelve requests get past the first window, and are fewer than everyone's pages: however many windows today's date makes.
    # One at a time: an answer does not count the request beside it, so that with two at a time it may be one more.
    site.settings.change({"rate_limit": 22, "reset_format": reset_format})
    pages = hook_for(site, budget_reserve=10, parallel_requests=1).persons()
    found: list[str] = []
    until = dt.date.min
    spent: BudgetSpent | None = None
    try:
        for page in pages:
            found += [one.id for one in page.persons]
            until = page.read_until or until
    except BudgetSpent as error:
        spent = error
    assert 0 < len(found) < COUNT
    assert asked(site) == 12
    assert until >= dt.date(2024, 1, 15)
    assert spent is not None
    assert spent.resets is not None
    assert dt.timedelta(hours=23) < spent.resets - dt.datetime.now(tz=dt.UTC) < dt.timedelta(hours=25)

    site.budget.renew()
    site.settings.change({"rate_limit": 5000})
    found += ids_of(hook_for(site).persons(resume=Resume(until, frozenset(found))))
    assert sorted(set(found)) == EVERYONE


@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.clock
def test_a_limit_that_others_used_up_is_told_with_its_end(site: SandboxCoachview, *, retry_after: bool) -> None:
    site.settings.change({"retry_after": retry_after})
    site.budget.use(5000)
    hook = hook_for(site)
    with pytest.raises(BudgetSpent, match="HTTP 429") as caught:
        ids_of(hook.persons())
    assert caught.value.resets is not None
    assert asked(site) == 1


# ---- free fields and categories --------------------------------------------------------------------------------------

FIELDS = PersonFields(free=("Vrijveld1", "VrijveldNotitie", "VrijveldAfdeling"))


@pytest.mark.parametrize("empty", ["absent", "null"])
@pytest.mark.parametrize("shape", ["list", "object", "top_level"])
def test_free_fields_come_in_every_shape_and_confidential_ones_never(shape: str, empty: str) -> None:
    person = {
        "id": EVERYONE[0],
        "achternaam": "Jansen",
        "vrijevelden": {"Vrijveld1": "Groep 7", "VrijveldNotitie": "geheim"},
    }
    with running_coachview(people=[person], settings={"free_fields": shape, "empty_values": empty}) as site:
        for said in (FreeShape.AUTO, FreeShape(shape)):
            (page,) = hook_for(site, free_fields=said).persons(fields=FIELDS)
            assert page.persons[0].free == {"Vrijveld1": "Groep 7", "VrijveldNotitie": "", "VrijveldAfdeling": ""}
            assert page.confidential == {"VrijveldNotitie"}
            assert "geheim" not in repr(page)


def test_every_key_of_a_person_arrives(site: SandboxCoachview) -> None:
    (page,) = hook_for(site).persons(ids=[PEOPLE[49]["id"]])
    (found,) = page.persons
    theirs = site.people.get(found.id)
    assert theirs is not None
    assert (found.firstname, found.infix, found.lastname) == (
        theirs["voornaam"],
        theirs["tussenvoegsels"],
        theirs["achternaam"],
    )
    assert (found.email1, found.extern_id, found.inactive) == (theirs["email1"], theirs["externId"], True)
    assert (found.city, found.country) == (theirs["adres"]["plaats"], theirs["adres"]["landCode"])
    assert found.changed == theirs["auditTrail"]["gewijzigdDatumTijd"]


@pytest.mark.parametrize("via", [CategoriesVia.PER_PERSON, CategoriesVia.BATCHED])
def test_categories_come_per_person_or_for_many_where_coachview_does_that(
    site: SandboxCoachview, via: CategoriesVia
) -> None:
    some = EVERYONE[:45]
    wanted = {person_id: tuple((site.people.get(person_id) or {}).get("categorieen", ())) for person_id in some}
    assert any(wanted.values())
    site.settings.change({"categories_of_several": via is CategoriesVia.BATCHED})
    with hook_for(site, categories_via=via) as hook:
        assert dict(hook.categories(some)) == wanted
        assert hook.requests_made == (45 if via is CategoriesVia.PER_PERSON else 5)


def test_categories_for_many_are_refused_where_coachview_does_not_do_that(site: SandboxCoachview) -> None:
    with pytest.raises(CoachviewRefused):
        list(hook_for(site, categories_via=CategoriesVia.BATCHED).categories(EVERYONE[:5]))


# ---- the check -------------------------------------------------------------------------------------------------------


def test_a_sandbox_as_it_comes_is_fit(site: SandboxCoachview) -> None:
    hook = hook_for(site)
    findings = check_coachview(hook, free_fields=["Vrijveld1"], categories=True)
    assert is_fit(findings), explain(findings)
    assert hook.requests_made <= 5
    said = explain(findings)
    assert not [one for one in PEOPLE if one["email1"] in said or one["id"] in said]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"scopes": ("api",), "missing_scope": "examples"}, "scope_missing"),
        ({"scopes": ("api",), "missing_scope": "forbidden"}, "scope_missing"),
        ({"client_credentials": False}, "token_refused"),
        ({"where_obeyed": False}, "filter_ignored"),
        ({"take_maximum": 15}, "page_size"),
        ({"free_fields": "object"}, "free_shape"),
    ],
    ids=str,
)
def test_the_check_says_what_is_wrong(site: SandboxCoachview, settings: dict[str, Any], code: str) -> None:
    site.settings.change(settings)
    scopes = settings.get("scopes", CoachviewSettings("x", "x", "x", "x").scopes)
    hook = hook_for(site, scopes=scopes, free_fields=FreeShape.LIST)
    findings = check_coachview(hook)
    assert code in [finding.code for finding in findings if finding.level is Level.ERROR]
    assert not hook.test_connection()[0]


def test_the_check_works_in_the_reserve_and_after_the_limit_says_so(site: SandboxCoachview) -> None:
    site.budget.use(4800)
    findings = check_coachview(hook_for(site))
    assert "budget_low" in [finding.code for finding in findings]
    assert is_fit(findings)
    site.budget.use(5000)
    findings = check_coachview(hook_for(site))
    assert "budget_spent" in [finding.code for finding in findings]


def test_two_sources_of_extern_ids_that_collide_are_seen() -> None:
    people = [
        {"achternaam": "Jansen", "externId": "42", "externSource": source, "email1": f"{source}@example.org"}
        for source in ("HR", "SIS")
    ]
    with running_coachview(people=people) as site:
        findings = check_coachview(hook_for(site))
    assert "extern_id" in [finding.code for finding in findings if finding.level is Level.WARNING]


def test_settings_are_not_changed_by_use(site: SandboxCoachview) -> None:
    hook = hook_for(site)
    before = dataclasses.asdict(hook.settings)
    ids_of(hook.persons(YESTERDAY_TO_TODAY))
    assert dataclasses.asdict(hook.settings) == before
