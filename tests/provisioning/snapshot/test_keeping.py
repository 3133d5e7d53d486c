"""A reading that was stopped goes on with what it kept; one that was finished, or is old, leaves nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from provisioning.snapshot.site import (
    READ,
    RETRIEVE,
    SEARCH,
    STRATEGIES,
    MemoryKeeper,
    account,
    names,
    offer_report,
    read,
)

from moodle_coupling.contract.fields import Account
from moodle_coupling.errors import CouplingPaused
from moodle_coupling.matching.frames import accounts_frame
from moodle_coupling.provisioning.snapshot import by_report, everyone
from moodle_coupling.provisioning.snapshot.reading import KEPT_FOR, Piece, Pieces, joined, packed, unpacked
from moodle_coupling.sandbox.moodle import running_moodle

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(everyone, "AT_ONCE", 50)
    monkeypatch.setattr(everyone, "BEYOND", 200)
    monkeypatch.setattr(by_report, "_AT_ONCE", 50)


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        offer_report(sandbox)
        sandbox.add_accounts(account(f"u{n}", idnumber=f"CV-{n}") for n in range(400))
        sandbox.add_accounts([account("jos\u00e9", idnumber="CV-odd", email="o@example.org")])
        yield sandbox


def pausing(after: int):
    """Give a wrapper that lets so many calls pass and then says that the environment is paused."""
    calls = []

    def wrap(method):
        def paused(*arguments):
            calls.append(arguments)
            if len(calls) > after:
                raise CouplingPaused("demo", "try-out")
            return method(*arguments)

        return paused

    return wrap


def asked(moodle) -> int:
    return len([call for function in (READ, SEARCH) for call in moodle.calls.all(function)])


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pause_in_the_middle_loses_little(moodle, strategy, parallel):
    whole = read(moodle, strategy=strategy)
    at_once = asked(moodle)
    moodle.calls.clear()

    keep = MemoryKeeper()
    stop = pausing(at_once // 2)
    with pytest.raises(CouplingPaused):
        read(
            moodle, strategy=strategy, keep=keep, parallel_requests=parallel,
            replaced={"accounts_by_field": stop, "find_accounts": stop},
        )  # fmt: skip
    before = asked(moodle)
    resumed = read(moodle, strategy=strategy, keep=keep, parallel_requests=parallel)

    assert before > at_once // 4
    # Lost is at most what was under way: a place's piece each, and one that waited.
    assert asked(moodle) <= at_once + 2 * parallel + 12
    assert_frame_equal(resumed.accounts, whole.accounts)
    assert (resumed.unreadable, resumed.total) == (whole.unreadable, whole.total)


def test_the_report_itself_is_always_read_anew(moodle):
    keep = MemoryKeeper()
    with pytest.raises(CouplingPaused):
        read(moodle, strategy="report", keep=keep, replaced={"accounts_by_field": pausing(5)})
    moodle.add_accounts([account("nieuw", idnumber="CV-nieuw")])
    assert "nieuw" in names(read(moodle, strategy="report", keep=keep))
    assert len(moodle.calls.all(RETRIEVE)) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_finished_reading_is_not_used_again(moodle, strategy):
    keep = MemoryKeeper()
    read(moodle, strategy=strategy, keep=keep)
    moodle.table.update(60, {"city": "Assen"})
    assert read(moodle, strategy=strategy, keep=keep).accounts.set_index("id").loc[60, "city"] == "Assen"


def test_what_is_kept_counts_as_read_but_not_for_the_rate(moodle, caplog):
    caplog.set_level("INFO")
    keep, told = MemoryKeeper(), []
    with pytest.raises(CouplingPaused):
        read(moodle, strategy="fields", keep=keep, parallel_requests=1, replaced={"accounts_by_field": pausing(6)})
    read(moodle, strategy="fields", keep=keep, progress=lambda *told_: told.append(told_))
    assert told[-1] == (403, 403)
    assert "goes on" in caplog.text


class TestPieces:
    def test_a_piece_comes_back_while_it_is_fresh(self):
        keep, clock = MemoryKeeper(), [NOW]
        Pieces(keep, "fields", lambda: clock[0]).put("ids-1-2", Piece(unreadable=("1",)))
        clock[0] = NOW + KEPT_FOR
        again = Pieces(keep, "fields", lambda: clock[0])
        assert again.get("ids-1-2").unreadable == ("1",)
        clock[0] += timedelta(seconds=1)
        assert again.get("ids-1-2") is None

    def test_another_strategy_begins_anew(self):
        keep = MemoryKeeper()
        Pieces(keep, "fields", lambda: NOW).put("x", Piece())
        assert Pieces(keep, "fields", lambda: NOW).get("x") is not None
        assert Pieces(keep, "listing", lambda: NOW + timedelta(seconds=1)).get("x") is None

    def test_a_finished_one_leaves_nothing(self):
        keep = MemoryKeeper()
        first = Pieces(keep, "fields", lambda: NOW)
        first.put("x", Piece())
        first.finish()
        assert Pieces(keep, "fields", lambda: NOW + timedelta(seconds=1)).get("x") is None

    def test_nothing_is_kept_without_a_keeper(self):
        pieces = Pieces(None, "fields")
        pieces.put("x", Piece())
        pieces.finish()
        assert pieces.get("x") is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ACCOUNTS = st.lists(
    st.builds(
        Account,
        id=st.integers(1, 10**9),
        username=TEXT,
        email=TEXT,
        idnumber=TEXT,
        suspended=st.booleans(),
        profile=st.dictionaries(st.sampled_from(["a", "b"]), TEXT.filter(bool)),
    ),
    max_size=4,
    unique_by=lambda one: one.id,
)


@settings(max_examples=30, deadline=None)
@given(accounts=ACCOUNTS, unreadable=st.lists(TEXT), deleted=st.lists(st.integers(1, 10**9)), odd=st.lists(TEXT))
def test_what_is_packed_comes_out_as_it_went_in(accounts, unreadable, deleted, odd):
    piece = Piece(accounts_frame(accounts), tuple(unreadable), tuple(deleted), tuple(odd))
    keep = MemoryKeeper()
    keep.put("x", packed(piece, NOW))
    again, read_at = unpacked(keep.get("x"))
    assert read_at == NOW
    assert_frame_equal(again.accounts, piece.accounts)
    assert (again.unreadable, again.deleted, again.odd) == (piece.unreadable, piece.deleted, piece.odd)


def test_joined_frames_hold_everyone_once_with_all_profile_fields():
    old = accounts_frame([Account(2, "b", email="", profile={"x": "1"}), Account(1, "a", email="")])
    new = accounts_frame([Account(2, "b2", email="", profile={"y": "2"})])
    whole = joined([old, new])
    assert list(whole["username"]) == ["a", "b2"]
    assert list(whole["profile_field_x"]) == ["", ""]
    assert list(whole["profile_field_y"]) == ["", "2"]
    assert whole.dtypes["id"] == "int64"
    assert joined([]).empty
    assert isinstance(joined([]), pd.DataFrame)


def test_a_piece_that_lacks_a_field_is_read_anew():
    keep = MemoryKeeper()
    pieces = Pieces(keep, "fields", lambda: NOW)
    pieces.put("x", Piece(accounts_frame([Account(5, "u", email="")]).drop(columns="theme")))
    pieces.put("y", Piece(accounts_frame([Account(5, "u", email="")])))
    assert pieces.get("x") is None
    assert pieces.get("y") is not None
