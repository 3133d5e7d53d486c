"""What Coachview's answers mean, one by one."""

from __future__ import annotations

import datetime as dt
import json
from email.utils import format_datetime
from typing import Any

import pytest

from moodle_coupling.errors import (
    CoachviewAnswerUnreadable,
    CoachviewError,
    CoachviewRefused,
    CoachviewScopeMissing,
    CoachviewTimedOut,
    CoachviewTokenRefused,
    CoachviewUnavailable,
    NotACoachview,
)
from moodle_coupling.hooks.coachview.answers import read_listing, retry_after
from moodle_coupling.hooks.wire import RawAnswer

pytestmark = pytest.mark.clock


def answer(body: Any = (), status: int = 200, **headers: str) -> RawAnswer:
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return RawAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def error_of(raw: RawAnswer) -> CoachviewError:
    with pytest.raises(CoachviewError) as caught:
        read_listing(raw, "Personen")
    return caught.value


def test_a_bare_list_gives_rows_and_the_header_how_many_there_are() -> None:
    listing = read_listing(answer([{"id": "a"}, {"id": "b"}], rowcount="12"), "Personen")
    assert [row["id"] for row in listing.rows] == ["a", "b"]
    assert listing.count == 12
    assert read_listing(answer([]), "Personen").count is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"data": [], "total": 3}, r"an object \(data, total\)"),
        ({}, r"an object \(empty\)"),
        ("null", "null"),
        ('"ok"', "a text"),
        ("3", "a number"),
        ("true", "true or false"),
        (["x"], "a list with something else in it"),
        ({"message": "Onderhoud"}, "an object .*Onderhoud"),
    ],
)
def test_anything_else_than_a_list_is_refused_and_named(body: Any, said: str) -> None:
    error = error_of(answer(body))
    assert isinstance(error, CoachviewAnswerUnreadable)
    assert error.endpoint == "Personen"
    with pytest.raises(CoachviewAnswerUnreadable, match=said):
        raise error


def test_what_came_is_named_by_its_keys_and_never_by_its_values() -> None:
    assert "Jansen" not in str(error_of(answer({"achternaam": "Jansen"})))


@pytest.mark.parametrize("value", ["", "-1", "many", "1.5"])
def test_a_row_count_that_is_no_number_is_refused(value: str) -> None:
    assert "RowCount" in str(error_of(answer([], rowcount=value)))


@pytest.mark.parametrize(
    ("rows", "are_examples"),
    [
        ([{"id": "a"}, {"id": "a"}], True),
        ([{"Id": "a", "naam": "x"}, {"Id": "a", "naam": "y"}], True),
        ([{"id": "a"}], False),
        ([{"id": "a"}, {"id": "b"}, {"id": "a"}], False),
        ([{"naam": "x"}, {"naam": "x"}], False),
    ],
)
def test_rows_that_all_carry_the_same_id_are_example_rows(rows: list[dict[str, Any]], *, are_examples: bool) -> None:
    if not are_examples:
        assert len(read_listing(answer(rows), "Personen").rows) == len(rows)
        return
    error = error_of(answer(rows))
    assert isinstance(error, CoachviewScopeMissing)
    assert error.scope == "Personen.Lezen"


def test_the_scope_of_what_stands_under_persons_is_that_of_persons() -> None:
    with pytest.raises(CoachviewScopeMissing) as caught:
        read_listing(answer(status=403), "Personen/Vrijevelden")
    assert caught.value.scope == "Personen.Lezen"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CoachviewRefused),
        (401, CoachviewTokenRefused),
        (403, CoachviewScopeMissing),
        (404, NotACoachview),
        (405, NotACoachview),
        (407, NotACoachview),
        (408, CoachviewUnavailable),
        (422, CoachviewRefused),
        (204, NotACoachview),
        (301, NotACoachview),
        (302, NotACoachview),
        (500, CoachviewTimedOut),
        (502, CoachviewUnavailable),
        (503, CoachviewUnavailable),
        (504, CoachviewTimedOut),
        (599, CoachviewUnavailable),
    ],
)
def test_a_status_says_what_to_do(status: int, kind: type[CoachviewError]) -> None:
    error = error_of(answer("", status))
    assert type(error) is kind
    assert error.status == status
    assert "Personen" in str(error)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "Het veld bestaat niet"}, "Het veld bestaat niet"),
        ({"type": "x", "title": "One or more errors", "detail": "where is wrong"}, "where is wrong"),
        ({"Message": "Fout"}, "Fout"),
        ("<html><title>Runtime &amp; Error</title></html>", "Runtime & Error"),
    ],
)
def test_words_in_a_body_are_repeated_whatever_its_form(body: Any, said: str) -> None:
    assert said in str(error_of(answer(body, 400)))


@pytest.mark.parametrize("body", ["", "no json", "{", "[1]", '{"message": 3}', "<html>"])
def test_a_body_without_words_is_no_trouble(body: str) -> None:
    assert type(error_of(answer(body, 500))) is CoachviewTimedOut


def test_a_redirect_is_not_followed_and_only_its_host_is_named() -> None:
    text = str(error_of(answer("", 302, location="https://jan:geheim@login.example.org/?token=abc")))
    assert "login.example.org" in text
    assert "geheim" not in text
    assert "abc" not in text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<!doctype html><title>Onderhoud</title>", CoachviewUnavailable),
        ("", CoachviewUnavailable),
        ('[{"id": "a"}, {"id', CoachviewUnavailable),
        ("Service temporarily", CoachviewUnavailable),
    ],
)
def test_a_page_and_half_an_answer_may_be_asked_for_again(body: str, kind: type[CoachviewError]) -> None:
    assert type(error_of(answer(body))) is kind


def test_seconds_and_dates_in_retry_after() -> None:
    assert retry_after({"retry-after": "7"}) == pytest.approx(7)
    later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=60)
    assert retry_after({"retry-after": format_datetime(later, usegmt=True)}) == pytest.approx(60, abs=5)
    assert retry_after({}) is None
    assert retry_after({"retry-after": "straks"}) is None
