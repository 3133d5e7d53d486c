"""The hook as Airflow uses it: its connection, its retries, categories, the test button."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import requests_mock as mocking
from airflow.sdk import Connection
from hooks.coachview_small import SECRET, URL, Clock, SmallCoachview, Together, guid, hook_for, ids_of, people

from moodle_coupling.errors import (
    CoachviewAnswerUnreadable,
    CoachviewError,
    CoachviewRefused,
    CoachviewScopeMissing,
    CoachviewTimedOut,
    CoachviewUnavailable,
    NotACoachview,
    SettingError,
)
from moodle_coupling.hooks.coachview import hook as module
from moodle_coupling.hooks.coachview.calls import Ask
from moodle_coupling.hooks.coachview.connection import CategoriesVia
from moodle_coupling.hooks.coachview.hook import CoachviewHook
from moodle_coupling.hooks.wire import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site() -> Iterator[SmallCoachview]:
    small = SmallCoachview(people(3))
    with mocking.Mocker() as mock:
        small.serve(mock)
        yield small


def read(hook: CoachviewHook) -> None:
    assert len(ids_of(hook.persons())) == 3


# ---- from airflow ----------------------------------------------------------------------------------------------------


def connection(monkeypatch: pytest.MonkeyPatch, conn_id: str = "coachview_demo", **extra: Any) -> None:
    made = Connection(
        conn_id=conn_id,
        conn_type="coachview",
        host=URL,
        login="c",
        password=SECRET,
        extra=json.dumps({"page_size": 10, **extra}),
    )
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{conn_id.upper()}", made.as_json() if hasattr(made, "as_json") else made.get_uri()
    )


def test_it_reads_its_airflow_connection_and_shares_where_it_is_told(
    site: SmallCoachview, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.fernet import Fernet

    seal, together = Fernet(Fernet.generate_key()), Together()
    monkeypatch.setattr(module, "airflow_seal", lambda: seal)
    connection(monkeypatch)
    for _ in range(2):
        with CoachviewHook("coachview_demo", sharing=together) as hook:
            read(hook)
    assert site.tokens == 1
    assert [document["used"] for document in together.written("budget")] == [2]
    assert [list(document) for document in together.written("token")] == [["sealed"]]


def test_secret_and_token_are_masked_in_airflows_logs(site: SmallCoachview, monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[object] = []
    monkeypatch.setattr("airflow.sdk.log.mask_secret", lambda value, *_: masked.append(value))
    connection(monkeypatch)
    read(CoachviewHook("coachview_demo"))
    assert SECRET in masked
    assert site.good in masked


def test_a_connection_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match="There is no connection 'coachview_nowhere'"):
        ids_of(CoachviewHook("coachview_nowhere").persons())


def test_airflows_key_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.crypto import get_fernet
    from cryptography.fernet import Fernet

    from moodle_coupling.hooks.coachview.budget import airflow_seal

    for key, there in ((Fernet.generate_key().decode(), True), ("", False), ("no key", False)):
        get_fernet.cache_clear()
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", key)
        seal = airflow_seal()
        assert (seal is not None) is there
        if seal is not None:
            assert seal.decrypt(seal.encrypt(b"x")) == b"x"
    get_fernet.cache_clear()


# ---- trying again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [502, 503, 408])
def test_an_outage_is_waited_for_a_few_times_and_then_raised(site: SmallCoachview, status: int) -> None:
    clock = Clock()
    site.before = lambda _number, _params: {"status_code": status}
    with pytest.raises(CoachviewUnavailable, match=f"HTTP {status}"):
        read(hook_for(clock))
    assert len(site.asked) == 4
    assert sum(clock.waits) <= LONGEST_WAIT


def test_it_comes_back_and_nobody_notices(site: SmallCoachview, caplog: pytest.LogCaptureFixture) -> None:
    site.before = lambda number, _params: {"status_code": 503} if number < 4 else None
    read(hook_for())
    assert caplog.text.count("trying again") == 3


def test_retry_after_is_respected_and_one_that_is_too_long_is_raised(site: SmallCoachview) -> None:
    clock = Clock()
    site.before = lambda number, _params: (
        {"status_code": 503, "headers": {"Retry-After": "40"}} if number == 1 else None
    )
    read(hook_for(clock))
    assert clock.waits[0] >= 40

    site.before = lambda _number, _params: {"status_code": 503, "headers": {"Retry-After": "600"}}
    site.asked.clear()
    with pytest.raises(CoachviewUnavailable) as caught:
        read(hook_for(clock))
    assert caught.value.retry_after == pytest.approx(600)
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, CoachviewRefused), (403, CoachviewScopeMissing), (404, NotACoachview), (301, NotACoachview)],
)
def test_what_does_not_pass_is_not_tried_again(site: SmallCoachview, status: int, kind: type[CoachviewError]) -> None:
    site.before = lambda _number, _params: {"status_code": status}
    with pytest.raises(kind):
        read(hook_for())
    assert len(site.asked) == 1


def test_a_page_that_times_out_is_asked_for_a_few_times_where_less_cannot_be_asked(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: {"status_code": 500}
    hook = hook_for()
    with pytest.raises(CoachviewTimedOut):
        hook.ask(Ask.page("Personen", 0, 10))
    assert len(site.asked) == 4
    with pytest.raises(CoachviewTimedOut):
        hook.ask(Ask.page("Personen", 90, 10, patient=False))
    assert len(site.asked) == 6


def test_logs_hold_no_names_and_no_addresses_of_persons(site: SmallCoachview, caplog: pytest.LogCaptureFixture) -> None:
    site.before = lambda number, _params: {"status_code": 503} if number == 2 else None
    with caplog.at_level(logging.DEBUG):
        read(hook_for())
    assert "Jansen" not in caplog.text
    assert "@example.org" not in caplog.text


# ---- categories ------------------------------------------------------------------------------------------------------


def with_categories(site: SmallCoachview) -> None:
    def answer(params: dict[str, str]) -> list[dict[str, Any]]:
        number = int(params["PersoonId"][:8], 16)
        return [
            {"id": f"{number}-{n}", "naam": f"Categorie {n}", "persoonId": params["PersoonId"]} for n in range(number)
        ]

    site.other["Persoonscategorieen"] = answer


@pytest.mark.parametrize("at_a_time", [1, 4])
def test_categories_come_per_person_in_the_order_asked(site: SmallCoachview, at_a_time: int) -> None:
    with_categories(site)
    wanted = [guid(2), guid(0), guid(1)]
    found = list(hook_for(parallel_requests=at_a_time).categories(wanted))
    assert found == [(guid(2), ("Categorie 0", "Categorie 1")), (guid(0), ()), (guid(1), ("Categorie 0",))]
    assert len(site.asked) == 3


def test_an_error_in_one_ends_it_and_the_others_are_not_asked(site: SmallCoachview) -> None:
    with_categories(site)
    site.before = lambda number, _params: {"status_code": 403} if number == 3 else None
    with pytest.raises(CoachviewScopeMissing, match=r"Persoonscategorieen\.Lezen"):
        list(hook_for().categories([guid(n) for n in range(1, 60)]))
    assert len(site.asked) == 3


def test_categories_may_be_off(site: SmallCoachview) -> None:
    assert list(hook_for(categories_via=CategoriesVia.OFF).categories([guid(1)])) == []
    assert site.asked == []


def test_example_rows_mean_that_their_scope_is_missing(site: SmallCoachview) -> None:
    site.other["Persoonscategorieen"] = lambda _params: [{"id": "x", "naam": "string"}] * 2
    with pytest.raises(CoachviewScopeMissing, match=r"Persoonscategorieen\.Lezen"):
        hook_for().categories_of(guid(1))


def test_categories_of_somebody_else_are_refused(site: SmallCoachview) -> None:
    site.other["Persoonscategorieen"] = lambda _params: [{"id": "x", "naam": "Docent", "persoonId": guid(9)}]
    with pytest.raises(CoachviewRefused, match="does not obey the filter on persons"):
        hook_for().categories_of(guid(1))


def test_fewer_categories_than_announced_are_refused(site: SmallCoachview) -> None:
    site.headers = {"RowCount": "2"}
    site.other["Persoonscategorieen"] = lambda _params: [{"id": "x", "naam": "Docent"}]
    with pytest.raises(CoachviewAnswerUnreadable, match="1 rows came where 2"):
        hook_for().categories_of(guid(1))


class TestManyInOneRequest:
    """Every person ``n`` of the small Coachview is in ``n % 3`` categories."""

    @pytest.fixture(autouse=True)
    def links(self, site: SmallCoachview) -> None:
        def answer(params: dict[str, str]) -> tuple[list[dict[str, Any]], int]:
            asked = params["PersoonId"].split(",")
            rows = [
                {"id": f"k{n}", "PersoonId": person, "naam": f"Categorie {n}"}
                for person in asked
                for n in range(int(person[:8], 16) % 3)
            ]
            return rows[: int(params["take"])], len(rows)

        site.other["Persoonscategorieen"] = answer

    def test_each_person_gets_its_own(self, site: SmallCoachview) -> None:
        hook = hook_for(categories_via=CategoriesVia.BATCHED)
        found = list(hook.categories([guid(n) for n in range(14)]))
        assert [len(names) for _, names in found] == [n % 3 for n in range(14)]
        assert [person for person, _ in found] == [guid(n) for n in range(14)]
        assert hook.requests_made == 3

    def test_more_than_a_page_is_asked_for_in_parts(self, site: SmallCoachview) -> None:
        hook = hook_for(categories_via=CategoriesVia.BATCHED, page_size=14)
        twice = [guid(n) for n in range(2, 60, 3)]
        assert all(names == ("Categorie 0", "Categorie 1") for _, names in hook.categories(twice[:7]))
        assert hook.requests_made == 1
        hook = hook_for(categories_via=CategoriesVia.BATCHED, page_size=10)
        site.other["Persoonscategorieen"], links = (
            lambda params: links({**params, "take": "8"}),
            site.other["Persoonscategorieen"],
        )
        assert all(names == ("Categorie 0", "Categorie 1") for _, names in hook.categories(twice[:5]))
        assert hook.requests_made == 3

    @pytest.mark.parametrize("headers", [{}, {"RowCount": "0"}, {"RowCount": "3"}])
    def test_without_the_right_count_it_is_refused(self, site: SmallCoachview, headers: dict[str, str]) -> None:
        row = {"id": "k", "PersoonId": guid(1), "naam": "x"}
        site.before = lambda _number, _params: {"text": json.dumps([row]), "headers": headers}
        with pytest.raises(CoachviewAnswerUnreadable, match="1 rows came where"):
            list(hook_for(categories_via=CategoriesVia.BATCHED).categories([guid(1)]))

    @pytest.mark.parametrize("row", [{"id": "k", "naam": "x"}, {"id": "k", "naam": "x", "persoonId": guid(9)}])
    def test_a_link_that_does_not_say_whose_it_is_is_refused(self, site: SmallCoachview, row: dict[str, Any]) -> None:
        site.before = lambda _number, _params: {"text": json.dumps([row]), "headers": {"RowCount": "1"}}
        with pytest.raises(CoachviewRefused, match="per_person"):
            list(hook_for(categories_via=CategoriesVia.BATCHED).categories([guid(1)]))


# ---- the test button -------------------------------------------------------------------------------------------------


def test_the_test_button_says_what_is_the_matter(site: SmallCoachview, monkeypatch: pytest.MonkeyPatch) -> None:
    site.other["Persoonscategorieen"] = lambda _params: []
    fit, said = hook_for().test_connection()
    assert fit
    assert "3 persons can be read" in said

    site.before = lambda _number, _params: {"status_code": 403}
    fit, said = hook_for().test_connection()
    assert not fit
    assert "Personen.Lezen" in said

    connection(monkeypatch, page_size=1)
    fit, said = CoachviewHook("coachview_demo").test_connection()
    assert not fit
    assert "page_size" in said


def test_a_closed_hook_opens_again(site: SmallCoachview) -> None:
    hook = hook_for()
    read(hook)
    hook.close()
    hook.close()
    read(hook)
