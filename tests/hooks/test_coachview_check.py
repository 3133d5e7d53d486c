"""The check of a Coachview connection tells apart what is the matter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
import requests_mock as mocking
from hooks.coachview_small import URL, SmallCoachview, guid, hook_for, people, person_row

from moodle_coupling.hooks.coachview.check import check_coachview
from moodle_coupling.hooks.coachview.connection import CategoriesVia, FreeShape
from moodle_coupling.hooks.moodle.check import Finding, Level, explain, is_fit

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN_URL = f"{URL}/auth/connect/token"


@pytest.fixture
def mock() -> Iterator[mocking.Mocker]:
    with mocking.Mocker() as mocker:
        yield mocker


@pytest.fixture
def site(mock: mocking.Mocker) -> SmallCoachview:
    small = SmallCoachview(people(5))
    small.headers = {"X-Rate-Limit-Remaining": "4900", "X-Rate-Limit-Reset": "2026-11-26T00:00:00Z"}
    small.other["Persoonscategorieen"] = lambda _params: [{"id": "k1", "naam": "Docent"}]
    small.serve(mock)
    return small


def check(**settings: Any) -> list[Finding]:
    return check_coachview(hook_for(**settings))


def codes(findings: list[Finding], *levels: Level) -> list[str]:
    return [finding.code for finding in findings if not levels or finding.level in levels]


def text_of(findings: list[Finding], code: str) -> str:
    (found,) = [finding for finding in findings if finding.code == code]
    return f"{found.message} {found.remedy}"


def bad(findings: list[Finding]) -> list[str]:
    return codes(findings, Level.WARNING, Level.ERROR)


def test_a_coachview_as_it_should_be_is_fit_and_takes_few_requests(site: SmallCoachview) -> None:
    hook = hook_for()
    findings = check_coachview(hook)
    assert is_fit(findings), explain(findings)
    assert bad(findings) == []
    assert {"token", "scope", "keys", "person_id", "extern_id", "filter", "categories", "budget"} <= set(
        codes(findings)
    )
    assert "valid for 60 minutes" in text_of(findings, "token")
    assert "4900 requests are left until 2026-11-26 00:00 UTC, 4650 of them for runs" in text_of(findings, "budget")
    assert hook.requests_made <= 5


def test_no_finding_holds_anything_of_a_person(site: SmallCoachview) -> None:
    said = explain(check_coachview(hook_for(), free_fields=["VrijveldA"]))
    assert not [word for word in ("Jansen", "Jan ", "@", "Zwolle", guid(0)) if word in said]


# ---- getting in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"exc": requests.ConnectTimeout}, "unreachable"),
        ({"exc": requests.ConnectionError(ConnectionRefusedError(111, "refused"))}, "unreachable"),
        ({"exc": requests.exceptions.SSLError(__import__("ssl").SSLError(1, "wrong version"))}, "tls"),
        ({"exc": requests.ReadTimeout}, "unavailable"),
        ({"status_code": 503}, "unavailable"),
        ({"status_code": 400, "json": {"error": "invalid_client"}}, "token_refused"),
        ({"status_code": 400, "json": {"error": "invalid_scope"}}, "scope_missing"),
        ({"status_code": 404}, "not_a_coachview"),
        ({"status_code": 302, "headers": {"Location": "https://elders.example.org/"}}, "not_a_coachview"),
        ({"text": "<html><title>Welkom</title></html>"}, "not_a_coachview"),
        ({"json": {}}, "unreadable"),
        ({"status_code": 429, "headers": {"Retry-After": "9999"}}, "budget_spent"),
    ],
)
def test_without_a_token_it_says_why_and_stops(mock: mocking.Mocker, answer: dict[str, Any], code: str) -> None:
    mock.post(TOKEN_URL, **answer)
    findings = check()
    assert codes(findings) == [code]
    assert not is_fit(findings)


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"status_code": 403}, "scope_missing", "Personen.Lezen"),
        ({"text": json.dumps([{"id": "x"}, {"id": "x"}])}, "scope_missing", "Personen.Lezen"),
        ({"status_code": 401}, "token_refused", "just given"),
        ({"status_code": 500}, "unavailable", "too long"),
        ({"status_code": 400}, "refused", "order"),
        ({"status_code": 404}, "not_a_coachview", "Coachview URL"),
        ({"text": "{}"}, "unreadable", "a list of rows was expected"),
    ],
)
def test_without_persons_it_says_why_and_what_is_left(
    site: SmallCoachview, answer: dict[str, Any], code: str, said: str
) -> None:
    site.before = lambda _number, _params: answer
    findings = check()
    assert codes(findings) == ["token", code, "budget"]
    assert said in text_of(findings, code)
    assert not is_fit(findings)


def test_a_coachview_without_persons_is_no_error(site: SmallCoachview) -> None:
    site.rows = []
    findings = check()
    assert bad(findings) == ["nobody"]
    assert is_fit(findings)


# ---- the answers -----------------------------------------------------------------------------------------------------


def test_a_header_that_is_dropped_on_the_way_is_an_error(site: SmallCoachview) -> None:
    site.before = lambda number, _params: {"text": json.dumps(site.rows)} if number == 1 else None
    assert codes(check(), Level.ERROR) == ["row_count"]


def test_fewer_rows_than_asked_for_name_the_page_size_to_set(site: SmallCoachview) -> None:
    site.rows = people(60)
    site.before = lambda number, _params: (
        {"text": json.dumps(site.rows[:25]), "headers": {"RowCount": "60"}} if number == 1 else None
    )
    assert "Set 'page_size' in the connection to 25." in text_of(check(page_size=50), "page_size")


def test_a_filter_that_is_not_obeyed_is_an_error(site: SmallCoachview) -> None:
    site.obeys_dates = False
    assert codes(check(), Level.ERROR) == ["filter_ignored"]


def test_keys_that_are_not_there_are_named(site: SmallCoachview) -> None:
    site.rows = [{"id": guid(n), "achternaam": "x", "externId": ""} for n in range(3)]
    findings = check()
    assert {"keys", "inactive"} <= set(codes(findings, Level.WARNING))
    assert "No row has email2, email3, externSource, auditTrail" in text_of(findings, "keys")
    assert is_fit(findings)


def test_a_person_id_key_that_is_not_there_or_not_unique_is_an_error(site: SmallCoachview) -> None:
    assert "no row has 'persoonNummer'" in text_of(check(person_id_key="persoonNummer"), "unreadable")
    assert codes(check(person_id_key="adres.plaats"), Level.ERROR) == ["person_id"]
    assert is_fit(check(person_id_key="externId"))
    site.rows[0]["externId"] = None
    assert "1 of 5 persons looked at have no 'externId'" in text_of(check(person_id_key="externId"), "person_id")


@pytest.mark.parametrize(
    ("pairs", "collide"),
    [
        ([("7", "HR"), ("8", "HR")], False),
        ([("7", "HR"), ("7", "SIS")], True),
        ([("a7", "HR"), ("A7 ", "hr")], True),
        ([("", ""), ("", "")], False),
        ([(None, None), ("7", None)], False),
    ],
)
def test_extern_ids_of_two_sources_may_collide(
    site: SmallCoachview, pairs: list[tuple[Any, Any]], *, collide: bool
) -> None:
    site.rows = [person_row(n, externId=id_, externSource=source) for n, (id_, source) in enumerate(pairs)]
    assert ("extern_id" in codes(check(), Level.WARNING)) is collide


# ---- free fields -----------------------------------------------------------------------------------------------------


def listed(*fields: tuple[str, Any, bool]) -> list[dict[str, Any]]:
    return [
        {"data": value, "vrijveldDefinitie": {"code": code, "vertrouwelijk": secret}} for code, value, secret in fields
    ]


def checked_for(site: SmallCoachview, *wanted: str, **settings: Any) -> list[Finding]:
    return check_coachview(hook_for(**settings), free_fields=wanted)


def test_the_shape_and_the_number_of_free_fields_are_told(site: SmallCoachview) -> None:
    site.rows = [person_row(1, vrijevelden=listed(("VrijveldA", "x", False), ("VrijveldB", "y", True)))]
    assert "shape list: 2 codes, 1 confidential" in text_of(check(), "free_fields")
    assert codes(check(free_fields=FreeShape.OBJECT), Level.ERROR) == ["free_shape"]


def test_what_the_mapping_wants_is_looked_at_one_by_one(site: SmallCoachview) -> None:
    site.rows = [person_row(1, vrijevelden=listed(("VrijveldA", "x", False), ("VrijveldB", "y", True)))]
    findings = checked_for(site, "vrijveldA", "VrijveldB", "VrijveldC")
    assert codes(findings, Level.OK).count("free_field") == 1
    assert codes(findings, Level.ERROR) == ["free_field_confidential"]
    assert codes(findings, Level.WARNING) == ["free_field_unseen"]


@pytest.mark.parametrize("values", [{"vrijevelden": {"VrijveldA": "x"}}, {"VrijveldA": "x"}])
def test_where_rows_do_not_tell_the_list_of_one_person_does(site: SmallCoachview, values: dict[str, Any]) -> None:
    site.rows = [person_row(1), person_row(2, **values)]
    site.other["Personen/Vrijevelden"] = lambda _params: listed(("VrijveldA", "x", False))
    assert is_fit(checked_for(site, "VrijveldA"))
    assert [asked["where"] for asked in site.asked if "Vrijevelden" in asked["endpoint"]] == [f"recordId={guid(2)}"]

    site.other["Personen/Vrijevelden"] = lambda _params: listed(("VrijveldA", "x", True))
    assert codes(checked_for(site, "VrijveldA"), Level.ERROR) == ["free_field_confidential"]


def test_where_nothing_tells_a_wanted_field_is_an_error_unless_the_connection_vouches(site: SmallCoachview) -> None:
    site.rows = [person_row(1, vrijevelden={"VrijveldA": "x"})]
    site.before = lambda _number, params: {"status_code": 404} if "recordId" in params.get("where", "") else None
    findings = checked_for(site, "VrijveldA")
    assert codes(findings, Level.ERROR) == ["free_field_unproven"]
    assert "free_field_list" in codes(findings, Level.WARNING)
    assert is_fit(checked_for(site, "VrijveldA", public_free_fields=("VrijveldA",)))


@pytest.mark.parametrize(
    ("wanted", "settings", "level"),
    [
        ((), {}, Level.OK),
        (("VrijveldA",), {}, Level.ERROR),
        (("VrijveldA",), {"free_fields": FreeShape.LIST}, Level.WARNING),
    ],
)
def test_free_fields_that_show_nowhere(
    site: SmallCoachview, wanted: tuple[str, ...], settings: dict[str, Any], level: Level
) -> None:
    (found,) = [one for one in checked_for(site, *wanted, **settings) if one.code == "free_fields"]
    assert found.level is level


def test_free_fields_in_an_unknown_form_are_a_finding_and_the_rest_goes_on(site: SmallCoachview) -> None:
    site.rows = [person_row(1, vrijevelden="geen")]
    findings = check()
    assert codes(findings, Level.ERROR) == ["unreadable"]
    assert "filter" in codes(findings)


# ---- categories and budget -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("needed", "level"), [(True, Level.ERROR), (False, Level.WARNING)])
def test_categories_that_cannot_be_read_matter_where_the_mapping_needs_them(
    site: SmallCoachview, *, needed: bool, level: Level
) -> None:
    site.before = lambda _number, params: {"status_code": 403} if "PersoonId" in params else None
    findings = check_coachview(hook_for(), categories=needed)
    assert codes(findings, level) == ["scope_missing"]
    assert "Persoonscategorieen.Lezen" in text_of(findings, "scope_missing")


def test_categories_that_are_off_matter_where_the_mapping_needs_them(site: SmallCoachview) -> None:
    hook = hook_for(categories_via=CategoriesVia.OFF)
    assert bad(check_coachview(hook)) == []
    assert bad(check_coachview(hook, categories=True)) == ["categories_off"]


def test_a_limit_that_is_not_told_is_a_warning(site: SmallCoachview) -> None:
    site.headers = {}
    findings = check()
    assert bad(findings) == ["limit_untold"]
    assert "by our own count 4997 until" in text_of(findings, "limit_untold")


def test_the_check_goes_on_in_the_reserve_and_says_so(site: SmallCoachview) -> None:
    site.headers = {"X-Rate-Limit-Remaining": "100", "X-Rate-Limit-Reset": "2026-11-26T00:00:00Z"}
    findings = check()
    assert bad(findings) == ["budget_low"]
    assert "100 requests are left until 2026-11-26 00:00 UTC: the reserve" in text_of(findings, "budget_low")
