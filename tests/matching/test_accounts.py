"""Accounts as read back become one frame."""

from __future__ import annotations

import pytest

from moodle_coupling.contract.fields import Account
from moodle_coupling.errors import SettingError
from moodle_coupling.matching.frames import accounts_frame, no_accounts


def test_accounts_read_back_become_a_frame_with_absent_as_empty() -> None:
    frame = accounts_frame(
        [Account(9, "b", email=None, profile={"klas": "4B"}), Account(3, "a", email="a@example.org", suspended=True)]
    )
    assert list(frame["id"]) == [3, 9]
    assert list(frame["email"]) == ["a@example.org", ""]
    assert list(frame["profile_field_klas"]) == ["", "4B"]
    assert list(frame["suspended"]) == [True, False]


def test_accounts_without_any_address_are_hidden_and_not_empty() -> None:
    with pytest.raises(SettingError, match="viewuseridentity"):
        accounts_frame([Account(9, "b"), Account(3, "a")])


def test_an_empty_moodle_has_the_same_columns() -> None:
    assert list(no_accounts().columns) == list(accounts_frame([Account(3, "a", email="a@example.org")]).columns)
