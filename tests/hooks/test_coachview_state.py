"""What is shared: changed in turn, encrypted where it must be, and under keys that tell nothing."""

from __future__ import annotations

import json
import threading

import pytest
from cryptography.fernet import Fernet

from moodle_coupling.hooks.coachview.budget import OwnState, SealedState, state_key


def test_threads_change_a_document_of_ones_own_in_turn() -> None:
    state = OwnState()

    def count_up() -> None:
        for _ in range(200):
            with state.held() as held:
                held.document["count"] = held.document.get("count", 0) + 1

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with state.held() as held:
        assert held.document == {"count": 800}


def test_sealed_it_is_not_to_be_read_without_the_key() -> None:
    shared, key = OwnState(), Fernet(Fernet.generate_key())
    with SealedState(shared, key).held() as held:
        held.document["token"] = "geheim"
    with shared.held() as written:
        assert "geheim" not in json.dumps(written.document)
    with SealedState(shared, key).held() as held:
        assert held.document == {"token": "geheim"}


def test_what_is_only_looked_at_is_not_written_again() -> None:
    shared, key = OwnState(), Fernet(Fernet.generate_key())
    with SealedState(shared, key).held() as held:
        held.document["a"] = 1
    with shared.held() as written:
        was = dict(written.document)
    with SealedState(shared, key).held() as held:
        assert held.document == {"a": 1}
    with shared.held() as written:
        assert written.document == was


@pytest.mark.parametrize(
    "content",
    ["", "{", Fernet(Fernet.generate_key()).encrypt(b"{}").decode(), None, 7],
    ids=["nothing", "half", "another key", "null", "a number"],
)
def test_what_cannot_be_decrypted_counts_as_empty_and_is_written_over(content: object) -> None:
    shared, key = OwnState(), Fernet(Fernet.generate_key())
    with shared.held() as written:
        written.document["sealed"] = content
    with SealedState(shared, key).held() as held:
        assert held.document == {}
        held.document["a"] = 1
    with SealedState(shared, key).held() as held:
        assert held.document == {"a": 1}


def test_a_key_tells_nothing_and_differs_for_other_values() -> None:
    assert "client" not in state_key("token", "https://x", "client")
    assert state_key("token", "a", "bc") != state_key("token", "ab", "c")
    assert state_key("token", "a") != state_key("budget", "a")
