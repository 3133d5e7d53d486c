"""Since when an account is nobody's: the days of grace are counted from the first time it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from moodle_coupling.ledger.accounts import absences, note_absences

if TYPE_CHECKING:
    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger

pytestmark = pytest.mark.clock


def orphans(*pairs: tuple[int, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["account_id", "idnumber"]).astype({"account_id": "Int64", "idnumber": "str"})


def since(frame: pd.DataFrame) -> dict[int, object]:
    return dict(zip(frame["account_id"].astype(int), frame["since"], strict=True))


def test_since_is_when_it_was_first_told(ledger: Ledger, clock: Clock) -> None:
    first = clock.time
    assert since(note_absences(ledger, "demo", orphans((5, "x5")), complete=True)) == {5: first}
    second = clock.forward(days=1)
    told = note_absences(ledger, "demo", orphans((5, "x5"), (6, "x6")), complete=True)
    assert since(told) == {5: first, 6: second}
    kept = absences(ledger, "demo")
    assert kept["idnumber"].tolist() == ["x5", "x6"]
    assert since(kept) == since(told)
    assert absences(ledger, "other").empty


def test_who_came_back_begins_anew_when_gone_again(ledger: Ledger, clock: Clock) -> None:
    note_absences(ledger, "demo", orphans((5, "x5"), (6, "x6")), complete=True)
    note_absences(ledger, "other", orphans((5, "x5")), complete=True)
    clock.forward(days=1)
    assert note_absences(ledger, "demo", orphans(), complete=True).empty
    assert len(absences(ledger, "other")) == 1
    again = clock.forward(days=1)
    assert since(note_absences(ledger, "demo", orphans((5, "x5")), complete=True)) == {5: again}


def test_what_was_not_all_of_them_ends_nobodys_absence(ledger: Ledger, clock: Clock) -> None:
    first = clock.time
    note_absences(ledger, "demo", orphans((5, "x5"), (6, "x6")), complete=True)
    clock.forward(days=1)
    assert since(note_absences(ledger, "demo", orphans((5, "x5")), complete=False)) == {5: first}
    assert len(absences(ledger, "demo")) == 2


def test_under_another_idnumber_it_is_another_absence(ledger: Ledger, clock: Clock) -> None:
    note_absences(ledger, "demo", orphans((5, "x5")), complete=True)
    later = clock.forward(days=20)
    assert since(note_absences(ledger, "demo", orphans((5, "y5")), complete=True)) == {5: later}
    assert absences(ledger, "demo")["idnumber"].tolist() == ["y5"]


def test_an_account_told_twice_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="orphans must be there once each"):
        note_absences(ledger, "demo", orphans((5, "x5"), (5, "y5")), complete=True)
