"""The token: asked for once, used until nearly expired, shared encrypted, renewed once when it is refused."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests_mock as mocking
from cryptography.fernet import Fernet
from hooks.coachview_small import (
    CLIENT,
    SECRET,
    URL,
    Clock,
    SmallCoachview,
    Together,
    hook_for,
    ids_of,
    people,
    settings_for,
)

from moodle_coupling.errors import (
    BudgetSpent,
    CoachviewAnswerUnreadable,
    CoachviewError,
    CoachviewScopeMissing,
    CoachviewTokenRefused,
    CoachviewUnavailable,
    NotACoachview,
)
from moodle_coupling.hooks.coachview.budget import OwnState, SealedState, StateAway
from moodle_coupling.hooks.coachview.hook import CoachviewHook
from moodle_coupling.hooks.coachview.wire import Token, TokenKeeper, read_token, token_form
from moodle_coupling.hooks.wire import RawAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moodle_coupling.hooks.coachview.budget import Shared

pytestmark = pytest.mark.clock


@pytest.fixture
def site() -> Iterator[SmallCoachview]:
    small = SmallCoachview(people(3))
    with mocking.Mocker() as mock:
        small.serve(mock)
        yield small


def read(hook: CoachviewHook) -> None:
    assert len(ids_of(hook.persons())) == 3


def keeper(clock: Clock, lives: list[float], shared: Shared | None = None) -> TokenKeeper:
    given = iter(range(1, 100))
    return TokenKeeper(
        settings_for(), lambda: Token(f"t{next(given)}", lives.pop(0)), shared or OwnState(), now=clock, mask=lambda _: None
    )  # fmt: skip


# ---- when it is asked for --------------------------------------------------------------------------------------------


def test_it_is_asked_for_once(site: SmallCoachview) -> None:
    hook = hook_for()
    for _ in range(5):
        read(hook)
    assert site.tokens == 1


@pytest.mark.parametrize(("life", "used"), [(900, 840), (3600, 3540), (30, 15), (1, 0.5)])
def test_it_is_used_until_nearly_expired(life: float, used: float) -> None:
    clock = Clock()
    tokens = keeper(clock, [life, life])
    assert tokens.current() == "t1"
    clock.now += used - 0.1
    assert tokens.current() == "t1"
    clock.now += 0.2
    assert tokens.current() == "t2"


def test_many_threads_get_one_token() -> None:
    tokens = keeper(Clock(), [3600])
    barrier, found = threading.Barrier(8), []

    def get() -> None:
        barrier.wait()
        found.append(tokens.current())

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["t1"] * 8


def test_a_token_that_expires_on_the_way_is_renewed_once_and_the_question_repeated(site: SmallCoachview) -> None:
    hook = hook_for()
    read(hook)
    site.good = "another"
    read(hook)
    assert site.tokens == 2


def test_a_token_that_is_refused_twice_is_an_error(site: SmallCoachview) -> None:
    site.before = lambda _number, _params: {"status_code": 401}
    with pytest.raises(CoachviewTokenRefused, match="refuses the token it has just given"):
        read(hook_for())
    assert (len(site.asked), site.tokens) == (2, 2)


def test_threads_whose_token_is_refused_together_renew_it_once() -> None:
    clock = Clock()
    tokens = keeper(clock, [3600, 3600])
    first = tokens.current()
    assert [tokens.renewed(first) for _ in range(5)] == ["t2"] * 5


# ---- shared ----------------------------------------------------------------------------------------------------------


def shared_hook(together: Together, seal: Fernet | None, **settings: Any) -> CoachviewHook:
    return CoachviewHook.from_settings(settings_for(**settings), sharing=together, seal=seal, now=Clock())


def test_tasks_share_it_encrypted(site: SmallCoachview) -> None:
    seal, together = Fernet(Fernet.generate_key()), Together()
    read(shared_hook(together, seal))
    read(shared_hook(together, seal))
    assert site.tokens == 1
    written = json.dumps(together.written())
    assert len(together.written("token")) == 1
    assert site.good not in written
    assert SECRET not in written


def test_without_a_key_nothing_is_written_and_nothing_shared(site: SmallCoachview) -> None:
    together = Together()
    read(shared_hook(together, None))
    read(shared_hook(together, None))
    assert site.tokens == 2
    assert together.written("token") == []
    assert site.good not in json.dumps(together.written())


def test_a_task_whose_token_is_refused_takes_the_one_another_task_got(site: SmallCoachview) -> None:
    seal, together = Fernet(Fernet.generate_key()), Together()
    one, other = shared_hook(together, seal), shared_hook(together, seal)
    read(one)
    read(other)
    site.good = "revoked"
    read(one)
    read(other)
    assert site.tokens == 2


@pytest.mark.parametrize(
    "change", [{"client_secret": "new"}, {"scopes": ("api",)}, {"base_url": f"{URL}/b"}, {"client_id": "b"}]
)
def test_a_token_got_with_other_settings_is_not_used(change: dict[str, Any]) -> None:
    import dataclasses

    seal, clock, together = Fernet(Fernet.generate_key()), Clock(), Together()
    hooks = [
        CoachviewHook.from_settings(
            dataclasses.replace(settings_for(), **changed), sharing=together, seal=seal, now=clock
        )
        for changed in ({}, change, {})
    ]
    with mocking.Mocker() as mock:
        small = SmallCoachview()
        mock.post(mocking.ANY, text=small._token)
        mock.get(mocking.ANY, text="[]", headers={"RowCount": "0"})
        for hook in hooks:
            list(hook.persons())
        used = [request.headers["Authorization"] for request in mock.request_history if request.method == "GET"]
    assert used[0] != used[1]


def test_one_whose_life_is_over_is_not_taken_from_another_task() -> None:
    clock, seal = Clock(), Fernet(Fernet.generate_key())
    shared = SealedState(OwnState(), seal)
    assert keeper(clock, [900], shared).current() == "t1"
    clock.now += 1000
    other = TokenKeeper(settings_for(), lambda: Token("fresh", 900), shared, now=clock, mask=lambda _: None)
    assert other.current() == "fresh"


def test_while_one_task_waits_for_a_token_that_never_comes_others_get_theirs() -> None:
    shared, hanging, go_on = OwnState(), threading.Event(), threading.Event()

    def hang() -> Token:
        hanging.set()
        go_on.wait(10)
        return Token("late", 900)

    def one_that_is(ask: Callable[[], Token]) -> TokenKeeper:
        return TokenKeeper(settings_for(), ask, shared, now=Clock(), mask=lambda _: None)

    slow = threading.Thread(target=one_that_is(hang).current)
    slow.start()
    assert hanging.wait(10)
    assert one_that_is(lambda: Token("prompt", 900)).current() == "prompt"
    assert not go_on.is_set()
    go_on.set()
    slow.join()


def test_a_place_that_is_away_is_no_reason_to_be_without_a_token() -> None:
    class Away:
        @contextlib.contextmanager
        def held(self) -> Iterator[Any]:
            raise StateAway("away")
            yield

    tokens = keeper(Clock(), [900], Away())
    assert tokens.current() == tokens.current() == "t1"


def test_every_token_is_masked_before_it_is_used() -> None:
    masked: list[str] = []
    shared = SealedState(OwnState(), Fernet(Fernet.generate_key()))
    for _ in range(2):
        TokenKeeper(settings_for(), lambda: Token("t", 900), shared, now=Clock(), mask=masked.append).current()
    assert masked == ["t", "t"]


# ---- what is asked and answered --------------------------------------------------------------------------------------


def test_the_form_is_what_oauth_wants_and_the_secret_stands_only_there(site: SmallCoachview) -> None:
    with mocking.Mocker() as mock:
        site.serve(mock)
        read(hook_for())
        token, *lists = mock.request_history
    assert token.url == f"{URL}/auth/connect/token"
    assert token.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert token.body == token_form(settings_for())
    assert b"grant_type=client_credentials" in token.body
    assert b"scope=api+Personen.Lezen+Persoonscategorieen.Lezen" in token.body
    assert b"client_secret=s3cr3t%26s3cr3t%2F%25c0ffee" in token.body
    assert all(request.headers["Authorization"] == f"Bearer {site.good}" for request in lists)
    assert CLIENT not in "".join(request.url for request in lists)


def answer(body: Any, status: int = 200) -> RawAnswer:
    return RawAnswer(status, {}, body.encode() if isinstance(body, str) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [(3600, 3600), ("28800", 28800), (None, 900), ("soon", 900), (0, 900), (-5, 900), (10**12, 900)],
)
def test_a_lifetime_that_is_not_told_is_taken_as_the_shortest(lifetime: Any, seconds: float) -> None:
    assert read_token(answer({"access_token": "t", "expires_in": lifetime}), settings_for()).lifetime == seconds


@pytest.mark.parametrize(
    ("raw", "kind", "said"),
    [
        (
            answer({"error": "invalid_client"}, 400),
            CoachviewTokenRefused,
            "invalid_client.*client id and client secret",
        ),
        (answer({"error": "invalid_client"}, 401), CoachviewTokenRefused, "live and training"),
        (answer({"error": "invalid_scope"}, 400), CoachviewScopeMissing, "Personen.Lezen"),
        (answer({"error": "unauthorized_client"}, 400), CoachviewTokenRefused, "client credentials"),
        (answer({"error": "Een hele zin. Met punten"}, 400), CoachviewTokenRefused, "no token: HTTP 400. Check"),
        (answer(["x"], 400), CoachviewTokenRefused, "HTTP 400"),
        (answer("<title>Forbidden</title>", 403), CoachviewTokenRefused, "no token: HTTP 403. Check"),
        (answer("<title>Forbidden</title>", 503), CoachviewUnavailable, r"not available \(HTTP 503\)"),
        (answer("[" * 100_000, 200), CoachviewAnswerUnreadable, "nested"),
        (answer("[" * 100_000, 400), CoachviewTokenRefused, "HTTP 400"),
        (answer("", 404), NotACoachview, "Check the Coachview URL"),
        (answer("<html>", 200), NotACoachview, "HTML"),
        (answer({"token": "t"}), CoachviewAnswerUnreadable, "without an access token"),
        (answer({"access_token": 5}), CoachviewAnswerUnreadable, "without an access token"),
        (answer({"access_token": "a b\r\nX: y"}), CoachviewAnswerUnreadable, "without an access token"),
        (answer([]), CoachviewAnswerUnreadable, "without an access token"),
        (answer("", 503), CoachviewUnavailable, "not available"),
    ],
)
def test_an_answer_without_a_token_says_what_to_mend(raw: RawAnswer, kind: type[CoachviewError], said: str) -> None:
    with pytest.raises(kind, match=said):
        read_token(raw, settings_for())


def test_an_outage_of_the_token_is_tried_again_a_few_times() -> None:
    clock = Clock()
    with mocking.Mocker() as mock:
        mock.post(f"{URL}/auth/connect/token", status_code=503)
        with pytest.raises(CoachviewUnavailable):
            list(hook_for(clock).persons())
        assert mock.call_count == 4
    assert len(clock.waits) == 3


def test_a_refusal_of_the_token_for_now_says_until_when() -> None:
    with mocking.Mocker() as mock:
        mock.post(f"{URL}/auth/connect/token", status_code=429, headers={"Retry-After": "3600"})
        with pytest.raises(BudgetSpent, match="2026-11-25 13:00 UTC"):
            list(hook_for().persons())
        assert mock.call_count == 1
