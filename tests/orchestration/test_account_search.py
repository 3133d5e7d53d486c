"""Looking for an account in Moodle by what somebody typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.orchestration.account_search import search_accounts
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "mvisser": ("Mariëlle", "Visser"),
    "rvisser": ("Rob", "Visser"),
    "jmeer": ("Jürgen", "van der Meer"),
    "ali": ("Ali", "Yıldız"),
    "zolc": ("Łukasz", "Żółć"),
}


@pytest.fixture(scope="module")
def moodle() -> Iterator[SandboxMoodle]:
    accounts = [
        {
            "username": name,
            "firstname": first,
            "lastname": last,
            "email": f"{name}@example.org",
            "idnumber": f"N-{name}",
        }
        for name, (first, last) in NAMES.items()
    ]
    with running_moodle(accounts=accounts) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def hook(moodle: SandboxMoodle) -> Iterator[MoodleHook]:
    with MoodleHook.from_settings(MoodleSettings("demo", moodle.url, moodle.token, allow_http=True)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("marielle", ["mvisser"]),
        ("Visser, Mariëlle", ["mvisser"]),
        ("mariëlle visser", ["mvisser"]),
        ("VISSER", ["mvisser", "rvisser"]),
        ("meer jurgen", ["jmeer"]),
        ("van der Meer", ["jmeer"]),
        ("ali", ["ali"]),
        ("yildiz", ["ali"]),
        ("rvisser@example", ["rvisser"]),
        ("N-rvisser", ["rvisser"]),
        ("rvisser", ["rvisser"]),
        ("lukasz", ["zolc"]),
        ("%", []),
        ("r%b", []),
        ("visser anna", []),
        ("  ", []),
    ],
)
def test_who_is_found_by_what_was_typed(hook: MoodleHook, typed: str, found: list[str]) -> None:
    assert [one.username for one in search_accounts(hook, typed)] == found


def test_an_account_is_found_by_its_number(hook: MoodleHook) -> None:
    (one,) = search_accounts(hook, "ali")
    assert one in search_accounts(hook, str(one.id))
