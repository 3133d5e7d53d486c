"""Reading persons: whoever is in Coachview comes, once in each version, whatever happens between two pages."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests_mock as mocking
from hooks.coachview_small import TODAY, SmallCoachview, guid, hook_for, ids_of, people, person_row

from moodle_coupling.errors import (
    BudgetSpent,
    CoachviewAnswerUnreadable,
    CoachviewIncomplete,
    CoachviewRefused,
    CoachviewScopeMissing,
    CoachviewTimedOut,
    CoachviewUnavailable,
    InputError,
)
from moodle_coupling.hooks.coachview.connection import FullRead
from moodle_coupling.hooks.coachview.persons import PersonFields, Resume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = dt.timedelta(days=1)


@pytest.fixture
def site() -> Iterator[SmallCoachview]:
    small = SmallCoachview()
    with mocking.Mocker() as mock:
        small.serve(mock)
        yield small


def once(at: int, then: Callable[[], Any]) -> Callable[[int, dict[str, str]], dict[str, Any] | None]:
    """Do something right before a request is answered, the first time that number comes by."""

    def before(number: int, _params: dict[str, str]) -> dict[str, Any] | None:
        return then() if number == at else None

    return before


def wheres(site: SmallCoachview) -> list[str]:
    return [asked.get("where", "") for asked in site.asked]


# ---- everyone --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 19, 20, 28, 29, 50])
def test_a_small_school_is_read_without_windows_and_every_row_comes_once(site: SmallCoachview, count: int) -> None:
    site.rows = people(count)
    assert ids_of(hook_for().persons()) == [guid(n) for n in range(count)]
    assert set(wheres(site)) == {""}


@pytest.mark.parametrize("at_a_time", [1, 3])
@pytest.mark.parametrize("count", [51, 137, 400])
def test_a_large_school_is_read_by_windows_of_change_dates(site: SmallCoachview, count: int, at_a_time: int) -> None:
    site.rows = people(count)
    found = ids_of(hook_for(parallel_requests=at_a_time).persons())
    assert sorted(found) == [guid(n) for n in range(count)]
    assert all(int(asked["skip"]) <= 50 for asked in site.asked)


def test_what_is_older_than_the_first_day_comes_too(site: SmallCoachview) -> None:
    site.rows = [
        *people(40, first=dt.date(1999, 1, 1)),
        *[person_row(n, dt.date(2024, 1, n % 28 + 1)) for n in range(40, 90)],
    ]
    found = ids_of(hook_for(first_day=dt.date(2015, 1, 1)).persons())
    assert sorted(found) == [guid(n) for n in range(90)]
    assert "audittrail.gewijzigddatumtijd=01-01-1900,01-01-2015" in wheres(site)


def test_a_page_says_up_to_which_day_everyone_is_in(site: SmallCoachview) -> None:
    site.rows = people(120)
    days = [page.read_until for page in hook_for().persons() if page.read_until]
    assert days == sorted(days)
    assert days[0] == dt.date(2010, 1, 1)
    assert days[-1] == TODAY + 2 * DAY


def test_a_hundred_thousand_persons_take_less_than_twelve_hundred_requests() -> None:
    rows = [{"id": guid(n), "achternaam": "Jansen", "auditTrail": {"gewijzigdDatumTijd": (dt.date(2011, 1, 1) + DAY * (n % 5800)).isoformat()}}
            for n in range(100_000)]  # fmt: skip
    site = IndexedCoachview(rows)
    with mocking.Mocker() as mock:
        site.serve(mock)
        hook = hook_for(page_size=100, window_rows=5000)
        found = sum(len(page.persons) for page in hook.persons())
    assert found == 100_000
    assert hook.requests_made < 1200


class IndexedCoachview(SmallCoachview):
    """The same, with each window's rows found once."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__(rows)
        self._known: dict[str, list[dict[str, Any]]] = {}

    def found(self, where: str) -> Iterator[dict[str, Any]]:
        if where not in self._known:
            self._known[where] = list(super().found(where))
        return iter(self._known[where])


def test_one_day_with_more_rows_than_a_window_is_read_on_by_skip(site: SmallCoachview) -> None:
    site.rows = [person_row(n, dt.date(2022, 3, 1)) for n in range(95)]
    assert sorted(ids_of(hook_for().persons())) == [guid(n) for n in range(95)]


# ---- high skips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_a_time", [1, 4])
def test_a_page_that_times_out_makes_the_windows_smaller(site: SmallCoachview, at_a_time: int) -> None:
    site.rows, site.deepest = people(400), 30
    found = ids_of(hook_for(window_rows=1000, parallel_requests=at_a_time).persons())
    assert sorted(set(found)) == [guid(n) for n in range(400)]
    assert len(found) == 400


def test_a_day_too_large_for_skip_is_read_on_by_id(site: SmallCoachview) -> None:
    site.rows, site.deepest = [person_row(n, dt.date(2022, 3, 1)) for n in range(95)], 30
    assert sorted(ids_of(hook_for().persons())) == [guid(n) for n in range(95)]
    assert any(";id>" in where for where in wheres(site))


def test_where_ids_are_not_compared_that_is_noticed(site: SmallCoachview) -> None:
    site.rows, site.deepest, site.compares_ids = [person_row(n, dt.date(2022, 3, 1)) for n in range(95)], 30, False
    with pytest.raises(CoachviewIncomplete, match="read on by id"):
        ids_of(hook_for().persons())


def test_by_pages_everyone_is_read_by_skip_and_then_by_id(site: SmallCoachview) -> None:
    site.rows = [person_row(n, auditTrail=None) for n in range(95)]
    assert ids_of(hook_for(full_read=FullRead.PAGES).persons()) == [guid(n) for n in range(95)]
    site.deepest = 30
    assert ids_of(hook_for(full_read=FullRead.PAGES).persons()) == [guid(n) for n in range(95)]
    assert not any("audittrail" in where for where in wheres(site))


def test_a_coachview_that_only_times_out_is_left_alone_after_some_requests(site: SmallCoachview) -> None:
    site.rows = people(100)
    site.before = lambda _number, _params: {"status_code": 500}
    with pytest.raises(CoachviewTimedOut):
        ids_of(hook_for().persons())
    assert len(site.asked) < 50


# ---- changes between pages -------------------------------------------------------------------------------------------


def test_somebody_who_is_added_between_two_pages_comes_too(site: SmallCoachview) -> None:
    site.rows = people(35)
    site.before = once(2, lambda: site.rows.append(person_row(0xFFFF)))
    assert sorted(ids_of(hook_for().persons())) == [*[guid(n) for n in range(35)], guid(0xFFFF)]


def test_somebody_who_goes_and_somebody_who_comes_do_not_hide_a_third(site: SmallCoachview) -> None:
    # The count stays the same, and without a row in common nobody would see that the rows moved.
    site.rows = people(35)

    def swap() -> None:
        del site.rows[3]
        site.rows.append(person_row(0xFFFF))

    site.before = once(2, swap)
    found = set(ids_of(hook_for().persons()))
    assert found >= {*[guid(n) for n in range(35) if n != 3], guid(0xFFFF)}


def test_whoever_changes_while_we_read_comes_as_changed_in_the_end(site: SmallCoachview) -> None:
    # Of the first, a middle and the last window; a change moves a person to the window of today, which is read last.
    some = (0, 55, 119)
    site.rows = people(120)
    ids_of(hook_for().persons())
    requests = len(site.asked)
    for at in range(2, requests):
        site.rows, site.asked = people(120), []
        site.before = once(at, lambda: [site.change(n, voornaam="Johanna") for n in some] and None)
        latest = {one.id: one.firstname for page in hook_for().persons() for one in page.persons}
        assert set(latest) == {guid(n) for n in range(120)}
        if at < requests - 1:  # the last request but one is the window of today
            assert [latest[guid(n)] for n in some] == ["Johanna"] * 3, at


def test_a_changed_version_is_announced_as_such_and_an_unchanged_one_is_dropped(site: SmallCoachview) -> None:
    site.rows = people(120)
    pages = []
    for page in hook_for().persons():
        if page.persons and not pages:
            site.change(0, voornaam="Johanna")
        pages += [page] if page.persons else []
    assert sorted(ids_of(pages)) == sorted([*[guid(n) for n in range(120)], guid(0)])
    assert [page.again for page in pages if page.again] == [frozenset({guid(0)})]


def test_somebody_added_after_the_last_window_was_read_is_found_by_the_count(site: SmallCoachview) -> None:
    site.rows = people(120)

    def before(_number: int, params: dict[str, str]) -> None:
        # The only count without a filter after the first page.
        if len(site.asked) > 1 and "where" not in params and len(site.rows) == 120:
            site.rows.append(person_row(0xFFFF, TODAY))

    site.before = before
    assert guid(0xFFFF) in ids_of(hook_for().persons())


def test_a_list_that_never_stands_still_is_an_error(site: SmallCoachview) -> None:
    site.rows = people(35)
    site.before = lambda number, _params: site.rows.append(person_row(0x1000 + number)) if number % 2 == 0 else None
    with pytest.raises(CoachviewIncomplete, match="a page later"):
        ids_of(hook_for().persons())


# ---- less than announced ---------------------------------------------------------------------------------------------


def answer_of(rows: list[dict[str, Any]], count: int | None) -> dict[str, Any]:
    return {"text": json.dumps(rows), "headers": {} if count is None else {"RowCount": str(count)}}


def test_fewer_rows_than_announced_are_an_error_and_the_page_size_is_named(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: answer_of(people(7), 35)
    with pytest.raises(CoachviewIncomplete, match=r"7 rows came where 10 were announced.*page size"):
        ids_of(hook_for().persons())
    assert len(site.asked) == 3


def test_an_early_end_is_an_error(site: SmallCoachview) -> None:
    site.rows = people(35)
    site.before = lambda _number, params: answer_of([], 35) if params["skip"] == "18" else None
    with pytest.raises(CoachviewIncomplete, match="0 rows came where 10 were announced, after 18 of 35"):
        ids_of(hook_for().persons())


def test_one_broken_page_is_read_again(site: SmallCoachview) -> None:
    site.rows = people(35)
    site.before = once(3, lambda: answer_of([], 35))
    assert ids_of(hook_for().persons()) == [guid(n) for n in range(35)]


def test_more_rows_than_announced_are_an_error(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: answer_of(people(7), 5)
    with pytest.raises(CoachviewIncomplete, match="7 rows came where 5 were announced"):
        ids_of(hook_for().persons())


def test_a_row_that_comes_twice_is_an_error(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: answer_of([person_row(1), person_row(2), person_row(1)], 3)
    with pytest.raises(CoachviewIncomplete, match="a row came twice"):
        ids_of(hook_for().persons())


def test_without_a_row_count_nobody_can_tell_and_that_is_said(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: answer_of(people(7), None)
    with pytest.raises(CoachviewAnswerUnreadable, match="RowCount"):
        ids_of(hook_for().persons())


def test_rows_that_all_carry_the_same_id_mean_that_the_scope_is_missing(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: answer_of([person_row(1, voornaam=name) for name in "ab"], 2)
    with pytest.raises(CoachviewScopeMissing, match=r"Personen\.Lezen") as caught:
        ids_of(hook_for().persons())
    assert caught.value.scope == "Personen.Lezen"


def test_persons_without_a_change_date_are_missed_and_that_is_said(site: SmallCoachview) -> None:
    site.rows = [*people(120), person_row(0xFFFF, auditTrail=None)]
    with pytest.raises(CoachviewIncomplete, match=r"120 persons were read .* counts 121.*full_read"):
        ids_of(hook_for().persons())


def test_who_is_deleted_while_we_read_makes_it_incomplete(site: SmallCoachview) -> None:
    site.rows = people(120)
    pages = hook_for().persons()
    while not next(pages).persons:
        pass
    del site.rows[0]
    with pytest.raises(CoachviewIncomplete, match="120 persons were read, and Coachview counts 119"):
        ids_of(pages)


def test_a_filter_on_dates_that_is_not_obeyed_is_found_out_before_everyone_is_asked_for_again(
    site: SmallCoachview,
) -> None:
    site.rows, site.obeys_dates = people(120), False
    with pytest.raises(CoachviewRefused, match="does not obey the filter on change dates"):
        ids_of(hook_for().persons())
    assert len(site.asked) == 2


# ---- who changed -----------------------------------------------------------------------------------------------------


def test_who_changed_comes_in_one_request_with_a_day_more_on_either_side(site: SmallCoachview) -> None:
    site.rows = people(100)
    found = ids_of(hook_for().persons((dt.date(2020, 1, 3), dt.date(2020, 1, 3))))
    assert set(found) == {guid(n) for n in range(10, 40)}
    assert wheres(site)[0] == "audittrail.gewijzigddatumtijd=02-01-2020,05-01-2020"


def test_a_changed_only_reading_of_few_takes_one_request(site: SmallCoachview) -> None:
    site.rows = [*people(100), person_row(200, TODAY)]
    hook = hook_for()
    assert ids_of(hook.persons((TODAY, TODAY))) == [guid(200)]
    assert hook.requests_made == 1


def test_nobody_changed_gives_no_person_and_says_until_when(site: SmallCoachview) -> None:
    (page,) = hook_for().persons((TODAY, TODAY))
    assert (page.persons, page.read_until) == ((), TODAY + 2 * DAY)


def test_many_changes_are_cut_by_day_and_counted_at_the_end(site: SmallCoachview) -> None:
    site.rows = people(200)
    found = ids_of(hook_for().persons((dt.date(2020, 1, 1), dt.date(2020, 1, 31))))
    assert sorted(found) == [guid(n) for n in range(200)]


def test_a_period_that_ends_before_it_begins_is_refused(site: SmallCoachview) -> None:
    with pytest.raises(InputError, match="must not be before"):
        ids_of(hook_for().persons((TODAY, TODAY - DAY)))


def test_a_count_takes_one_request(site: SmallCoachview) -> None:
    site.rows = people(100)
    hook = hook_for()
    assert hook.count_persons() == 100
    assert hook.count_persons((dt.date(2020, 1, 3), dt.date(2020, 1, 3))) == 30
    assert hook.requests_made == 2


# ---- some ------------------------------------------------------------------------------------------------------------


def test_some_are_asked_for_several_at_a_time(site: SmallCoachview) -> None:
    site.rows = people(100)
    hook = hook_for()
    assert ids_of(hook.persons(ids=[guid(n).upper() for n in range(25)])) == [guid(n) for n in range(25)]
    assert hook.requests_made == 3


def test_an_unknown_id_gives_nobody_and_no_ids_ask_nothing(site: SmallCoachview) -> None:
    site.rows = people(5)
    hook = hook_for()
    assert ids_of(hook.persons(ids=[guid(99)])) == []
    assert hook.requests_made == 1
    assert ids_of(hook.persons(ids=[])) == []
    assert hook.requests_made == 1


def test_they_may_be_asked_for_by_another_key(site: SmallCoachview) -> None:
    site.rows = people(5)
    assert ids_of(hook_for().persons(ids=["e3", "E1"], by="externId")) == [guid(1), guid(3)]


def test_an_extern_id_that_two_sources_use_gives_both(site: SmallCoachview) -> None:
    site.rows = [person_row(1, externId="42", externSource="HR"), person_row(2, externId="42", externSource="SIS")]
    assert ids_of(hook_for().persons(ids=["42"], by="externId")) == [guid(1), guid(2)]


@pytest.mark.parametrize("bad", ["", "a,b", "a;inactief=true", "a>b", " a", "a\n", "x" * 101])
def test_an_id_that_would_be_part_of_the_filter_is_refused_and_nothing_is_asked(site: SmallCoachview, bad: str) -> None:
    with pytest.raises(InputError, match="cannot be asked for"):
        ids_of(hook_for().persons(ids=[bad]))
    assert site.asked == []


def test_rows_nobody_asked_for_mean_that_the_filter_is_not_obeyed(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: answer_of([person_row(1)], 1)
    with pytest.raises(CoachviewRefused, match="does not obey"):
        ids_of(hook_for().persons(ids=[guid(2)]))


def test_ids_and_days_together_are_refused(site: SmallCoachview) -> None:
    with pytest.raises(InputError):
        ids_of(hook_for().persons((TODAY, TODAY), ids=["a"]))


# ---- stopping and going on -------------------------------------------------------------------------------------------


def read_until_spent(site: SmallCoachview) -> tuple[set[str], dt.date]:
    """Read until the headers say that only the reserve is left; give who came, and the day up to which all are in."""
    site.headers = {"X-Rate-Limit-Remaining": "4000"}
    found: set[str] = set()
    until = dt.date.min
    pages = hook_for().persons()
    with contextlib.suppress(BudgetSpent):
        for page in pages:
            found |= {one.id for one in page.persons}
            until = page.read_until or until
            if len(found) > 100:
                site.headers = {"X-Rate-Limit-Remaining": "250"}
        pytest.fail("the budget was not looked at")
    assert until > dt.date(2020, 1, 2)
    site.headers = {}
    return found, until


def test_a_reading_that_was_stopped_by_the_budget_goes_on_where_it_stopped(site: SmallCoachview) -> None:
    site.rows = people(200)
    found, until = read_until_spent(site)
    assert 0 < len(found) < 200
    asked = len(site.asked)
    more = ids_of(hook_for().persons(resume=Resume(until, frozenset(found))))
    assert found | set(more) == {guid(n) for n in range(200)}
    first = f"{until - DAY:%d-%m-%Y}"
    assert site.asked[asked]["where"].startswith(f"audittrail.gewijzigddatumtijd={first},")


def test_who_changed_in_the_meantime_comes_again(site: SmallCoachview) -> None:
    site.rows = people(200)
    found, until = read_until_spent(site)
    site.change(0, voornaam="Johanna")
    pages = list(hook_for().persons(resume=Resume(until, frozenset(found))))
    assert guid(0) in {each for page in pages for each in page.again}


def test_who_was_deleted_in_the_meantime_is_no_error_then(
    site: SmallCoachview, caplog: pytest.LogCaptureFixture
) -> None:
    site.rows = people(200)
    found, until = read_until_spent(site)
    del site.rows[0]
    ids_of(hook_for().persons(resume=Resume(until, frozenset(found))))
    assert "200 persons were read over two days, Coachview counts 199" in caplog.text


def test_by_pages_there_is_nothing_to_go_on_from_and_everyone_is_read(site: SmallCoachview) -> None:
    site.rows = people(35)
    hook = hook_for(full_read=FullRead.PAGES)
    assert len(ids_of(hook.persons(resume=Resume(TODAY, frozenset({guid(0)}))))) == 35


def test_whom_nobody_has_read_is_an_error_then_too(site: SmallCoachview) -> None:
    site.rows = people(200)
    found, until = read_until_spent(site)
    with pytest.raises(CoachviewIncomplete, match="Coachview counts 200"):
        ids_of(hook_for().persons(resume=Resume(until, frozenset(found - {guid(0)}))))


# ---- the rows --------------------------------------------------------------------------------------------------------


def test_only_what_is_wanted_is_asked_for(site: SmallCoachview) -> None:
    site.rows = [person_row(1, vrijevelden=[])]
    ids_of(hook_for().persons())
    ids_of(hook_for().persons(fields=PersonFields(free=("VrijveldA",), extra_fields=True, relations=True)))
    assert "Inclusief" not in str(site.asked[0])
    assert {key: value for key, value in site.asked[1].items() if key.startswith("Inclusief")} == {
        "InclusiefVrijevelden": "true",
        "InclusiefExtraVelden": "true",
        "InclusiefDirecteRelaties": "true",
    }


def test_further_keys_and_free_fields_come_along(site: SmallCoachview) -> None:
    site.rows = [person_row(1, bedrijf={"naam": "Bakkerij"}, vrijevelden=[
        {"data": "rood", "vrijveldDefinitie": {"code": "VrijveldKleur", "vertrouwelijk": False}},
        {"data": "geheim", "vrijveldDefinitie": {"code": "VrijveldBsn", "vertrouwelijk": True}},
    ])]  # fmt: skip
    fields = PersonFields(free=("VrijveldKleur", "VrijveldBsn"), extra=("bedrijf.naam", "geboorteplaats"))
    (page,) = hook_for().persons(fields=fields)
    assert page.persons[0].free == {"VrijveldKleur": "rood", "VrijveldBsn": ""}
    assert page.persons[0].extra == {"bedrijf.naam": "Bakkerij", "geboorteplaats": ""}
    assert page.confidential == {"VrijveldBsn"}
    assert "geheim" not in repr(page)


def test_the_next_reading_of_changes_begins_on_the_day_this_one_began(site: SmallCoachview) -> None:
    site.rows = people(5)
    hook = hook_for()
    began = hook.today()
    ids_of(hook.persons())
    site.change(2)
    assert ids_of(hook.persons((began, hook.today()))) == [guid(2)]


@pytest.mark.parametrize("odd", [None, "", True, {"a": 1}])
def test_a_row_without_an_id_is_refused(site: SmallCoachview, odd: Any) -> None:
    site.before = lambda _number, _params: answer_of([person_row(1), person_row(2, id=odd)], 2)
    with pytest.raises(CoachviewAnswerUnreadable, match="a row has no id"):
        ids_of(hook_for().persons())


def test_rows_of_something_else_are_refused(site: SmallCoachview) -> None:
    site.rows = [{"id": guid(n), "naam": "Excel"} for n in range(3)]
    with pytest.raises(CoachviewAnswerUnreadable, match="they are no persons"):
        ids_of(hook_for().persons())


def test_the_query_is_percent_encoded_and_in_the_order_of_ids(site: SmallCoachview) -> None:
    hook = hook_for()
    ids_of(hook.persons((dt.date(2020, 1, 3), dt.date(2020, 1, 3))))
    assert site.queries == [
        "skip=0&take=10&where=audittrail.gewijzigddatumtijd%3D02-01-2020%2C05-01-2020&orderby=id%20asc&Count=true"
    ]


def test_an_outage_in_the_middle_that_lasts_ends_the_reading(site: SmallCoachview) -> None:
    site.rows = people(35)
    site.before = lambda number, _params: {"status_code": 503} if number > 2 else None
    with pytest.raises(CoachviewUnavailable):
        ids_of(hook_for(parallel_requests=3).persons())
    assert len(site.asked) <= 2 + 3 * 4
