"""Keys of accounts are kept from one reading of everyone to the next, by environment, and never in the open."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from moodle_coupling.ledger.accounts import HOLDS_FOR, AccountKeys
from moodle_coupling.ledger.ledger import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


def keys(*pairs: tuple[int, str]) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=["account_id", "key"])


@pytest.fixture
def demo(ledger: Ledger) -> AccountKeys:
    return AccountKeys(ledger, "demo")


def test_before_everyone_was_read_nothing_is_known(demo: AccountKeys) -> None:
    assert demo.highest() is None
    assert demo.accounts_with(["idnumber cv-1"]) == []
    demo.keep_more(keys((7, "idnumber cv-1")), 7)
    assert demo.highest() is None
    assert demo.accounts_with(["idnumber cv-1"]) == []


def test_accounts_are_found_by_any_of_their_keys_and_several_may_have_one(demo: AccountKeys) -> None:
    demo.keep_everyone(keys((7, "idnumber cv-1"), (9, "idnumber cv-1"), (7, "email a@x.org"), (8, "email b@x.org")), 12)
    assert demo.highest() == 12
    assert demo.accounts_with(["idnumber cv-1", "email a@x.org", "email nobody@x.org"]) == [7, 9]
    # An ID number that looks like somebody's address is not that address.
    assert demo.accounts_with(["idnumber b@x.org"]) == []
    assert demo.accounts_with([]) == []


def test_a_reading_of_everyone_takes_the_place_of_the_last_one(demo: AccountKeys) -> None:
    demo.keep_everyone(keys((7, "idnumber cv-1"), (8, "idnumber cv-2")), 12)
    demo.keep_everyone(keys((8, "idnumber cv-2")), 11)
    assert demo.accounts_with(["idnumber cv-1", "idnumber cv-2"]) == [8]
    assert demo.highest() == 11
    demo.keep_everyone(keys(), 11)
    assert demo.accounts_with(["idnumber cv-2"]) == []


def test_newcomers_come_on_top_and_the_highest_never_goes_down(demo: AccountKeys) -> None:
    demo.keep_everyone(keys((7, "idnumber cv-1")), 12)
    demo.keep_more(keys((15, "idnumber cv-9"), (7, "idnumber cv-1")), 15)
    demo.keep_more(keys(), 13)
    assert demo.accounts_with(["idnumber cv-1", "idnumber cv-9"]) == [7, 15]
    assert demo.highest() == 15


def test_what_was_read_a_week_ago_counts_no_more(demo: AccountKeys, clock: Clock) -> None:
    demo.keep_everyone(keys((7, "idnumber cv-1")), 12)
    clock.forward(seconds=HOLDS_FOR.total_seconds())
    assert demo.highest() == 12
    clock.forward(seconds=1)
    demo.keep_more(keys(), 20)  # newcomers make nothing younger
    assert demo.highest() is None


def test_one_environment_knows_nothing_of_another(ledger: Ledger, demo: AccountKeys) -> None:
    other = AccountKeys(ledger, "other")
    demo.keep_everyone(keys((7, "idnumber cv-1")), 12)
    other.keep_everyone(keys((8, "idnumber cv-1")), 9)
    demo.keep_everyone(keys(), 12)
    assert (demo.accounts_with(["idnumber cv-1"]), other.accounts_with(["idnumber cv-1"])) == ([], [8])


def test_nobody_is_named_in_the_database(demo: AccountKeys, execute: Callable[[str], list[tuple[object, ...]]]) -> None:
    demo.keep_everyone(keys((7, "email anna.y@example.org"), (8, "idnumber sp-mixed")), 12)
    kept = repr(execute("SELECT * FROM account_keys"))
    assert "anna" not in kept
    assert "mixed" not in kept


def test_a_reader_sees_one_reading_or_the_other_and_never_half_of_one(url: str) -> None:
    writer, reader = open_ledger(url), open_ledger(url)
    readings = [keys(*((id_, f"idnumber {letter}{id_}") for id_ in range(300))) for letter in "ab"]
    asked = [f"idnumber {letter}{id_}" for letter in "ab" for id_ in range(300)]
    AccountKeys(writer, "demo").keep_everyone(readings[0], 300)

    def write() -> None:
        for number in range(8):
            AccountKeys(writer, "demo").keep_everyone(readings[number % 2], 300)

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        assert len(AccountKeys(reader, "demo").accounts_with(asked)) == 300
    thread.join()
    for ledger in (writer, reader):
        ledger.close()
