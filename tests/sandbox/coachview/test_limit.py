"""The limit on requests: told with every answer, and 429 beyond it until the reset."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from sandbox.coachview.client import guid

HEADERS = {"X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset"}


def remaining(answer):
    return int(answer.headers["X-Rate-Limit-Remaining"])


def test_every_answer_tells_how_the_limit_stands(client):
    answers = [
        client.get(),
        client.get(where="nonsense"),
        client.get("Opleidingen"),
        client.get("Persoonscategorieen", PersoonId=guid(1)),
        client.get(skip=999_999),
        client.token(),
        client.token(client_secret="guess"),
    ]
    client.session.headers["Authorization"] = "Bearer guess"
    answers.append(client.get())

    assert all(set(answer.headers) >= HEADERS for answer in answers)
    assert [remaining(answer) for answer in answers] == [4999, 4998, 4997, 4996, 4995, 4995, 4995, 4994]
    assert {answer.headers["X-Rate-Limit-Limit"] for answer in answers} == {"5000"}
    assert len({answer.headers["X-Rate-Limit-Reset"] for answer in answers}) == 1


def test_a_request_for_a_token_can_count_too(office, client):
    office.settings.change({"token_counts": True})

    assert [remaining(client.token()), remaining(client.get())] == [4999, 4998]


def test_beyond_the_limit_comes_429_until_the_reset(office, client):
    office.settings.change({"rate_limit": 2, "rate_window": 3600})
    answers = [client.get() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert [remaining(answer) for answer in answers] == [1, 0, 0, 0]
    assert "Retry-After" not in answers[2].headers
    assert client.token().status_code == 200
    office.clock.advance(3600)
    client.log_in()
    again = client.get()
    assert (again.status_code, remaining(again)) == (200, 1)


def test_a_429_can_say_how_long_to_wait(office, client):
    office.settings.change({"rate_limit": 0, "retry_after": True})

    assert 86_390 <= int(client.get().headers["Retry-After"]) <= 86_400


def test_the_day_begins_with_its_first_request(office, client):
    before = office.clock.now()
    reset = dt.datetime.fromisoformat(client.get().headers["X-Rate-Limit-Reset"])

    assert before + 86_400 <= reset.timestamp() <= office.clock.now() + 86_400


@pytest.mark.parametrize(
    ("form", "pattern"), [("iso", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z"), ("epoch", r"\d{10}")]
)
def test_the_reset_can_be_written_in_two_ways(office, client, form, pattern):
    office.settings.change({"reset_format": form})

    assert re.fullmatch(pattern, client.get().headers["X-Rate-Limit-Reset"])


@pytest.mark.parametrize(("window", "period"), [(86_400, "1d"), (7200, "2h"), (900, "15m"), (1.5, "1.5s")])
def test_the_limit_can_be_told_as_a_period(office, client, window, period):
    office.settings.change({"limit_format": "period", "rate_window": window})

    assert client.get().headers["X-Rate-Limit-Limit"] == period
