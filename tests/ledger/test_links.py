"""Links: kept through renewals, moves and re-keys, in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from moodle_coupling.ledger.accounts import fingerprints, forget, links_frame, record_links

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger


def links(*rows: tuple[str, int], **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"idnumber": [row[0] for row in rows], "account_id": [row[1] for row in rows]} | columns)


def test_matching_gets_its_frame_also_when_there_is_nothing(ledger: Ledger) -> None:
    empty = links_frame(ledger, "demo")
    kinds = {"account_id": "int64", "idnumber": "str", "suspended_by_us": "bool", "username": "str", "person_id": "str"}
    assert dict(empty.dtypes.astype(str)) == kinds
    record_links(
        ledger,
        "demo",
        links(("x1", 11), ("x2", 12), suspended_by=["", "coupling"], username=["anna", ""], person_id=["", "p2"]),
    )
    frame = links_frame(ledger, "demo").sort_values("account_id", ignore_index=True)
    assert_frame_equal(
        frame,
        pd.DataFrame(
            {
                "account_id": [11, 12],
                "idnumber": ["x1", "x2"],
                "suspended_by_us": [False, True],
                "username": ["anna", ""],
                "person_id": ["", "p2"],
            }
        ).astype({"idnumber": "str", "username": "str", "person_id": "str"}),
    )


def test_environments_do_not_see_each_others_links(ledger: Ledger) -> None:
    record_links(ledger, "demo", links(("x1", 11)))
    record_links(ledger, "other", links(("x1", 99)))
    assert links_frame(ledger, "other")["account_id"].tolist() == [99]


def test_a_column_that_is_not_given_stays_as_it_was(ledger: Ledger, execute: Callable[[str], list[Any]]) -> None:
    record_links(
        ledger,
        "demo",
        links(
            ("x1", 11), person_id="p1", username="anna", fingerprint="f1", created_by_us=True, suspended_by="coupling"
        ),
    )
    record_links(ledger, "demo", links(("x1", 11)))
    found = execute("SELECT person_id, username, fingerprint, created_by_us, suspended_by FROM links")
    assert [tuple(map(str, row)) for row in found] in (
        [("p1", "anna", "f1", "1", "coupling")],
        [("p1", "anna", "f1", "True", "coupling")],
    )


def test_a_fingerprint_is_renewed(ledger: Ledger) -> None:
    record_links(ledger, "demo", links(("x1", 11), ("x2", 12), fingerprint=["f1", "f2"]))
    record_links(ledger, "demo", links(("x1", 11), ("x3", 13), fingerprint=["f1b", "f3"]))
    found = fingerprints(ledger, "demo")
    assert dict(zip(found["idnumber"], found["fingerprint"], strict=True)) == {"x1": "f1b", "x2": "f2", "x3": "f3"}
    assert found["account_id"].dtype == "int64"


def test_a_reactivation_clears_who_suspended(ledger: Ledger) -> None:
    record_links(ledger, "demo", links(("x1", 11), suspended_by="coupling"))
    record_links(ledger, "demo", links(("x1", 11), suspended_by=""))
    assert links_frame(ledger, "demo")["suspended_by_us"].tolist() == [False]


def test_when_an_account_was_suspended_is_not_renewed_by_saying_it_again(
    ledger: Ledger, clock: Clock, execute: Callable[[str], list[Any]]
) -> None:
    record_links(ledger, "demo", links(("x1", 11), suspended_by="coupling"))
    first = execute("SELECT suspended_at, linked_at FROM links")
    clock.forward(days=1)
    record_links(ledger, "demo", links(("x1", 11), suspended_by="coupling"))
    assert execute("SELECT suspended_at, linked_at FROM links") == first
    assert execute("SELECT seen_at FROM links") != [first[0][1:]]


def test_a_rekeyed_account_takes_along_that_we_made_and_suspended_it(
    ledger: Ledger, execute: Callable[[str], list[Any]]
) -> None:
    record_links(ledger, "demo", links(("old", 11), created_by_us=True, suspended_by="coupling", fingerprint="f"))
    record_links(ledger, "demo", links(("new", 11)))
    found = execute("SELECT idnumber, created_by_us, suspended_by, fingerprint FROM links")
    assert [(row[0], bool(row[1]), *row[2:]) for row in found] == [("new", True, "coupling", "")]


def test_another_account_under_an_idnumber_inherits_nothing(
    ledger: Ledger, execute: Callable[[str], list[Any]]
) -> None:
    record_links(
        ledger,
        "demo",
        links(("x1", 11), created_by_us=True, suspended_by="coupling", fingerprint="f", username="anna"),
    )
    record_links(ledger, "demo", links(("x1", 12)))
    found = execute("SELECT account_id, created_by_us, suspended_by, suspended_at, fingerprint, username FROM links")
    assert [(row[0], bool(row[1]), *row[2:]) for row in found] == [(12, False, "", None, "", "")]


def test_two_accounts_can_swap_their_idnumbers(ledger: Ledger, execute: Callable[[str], list[Any]]) -> None:
    record_links(ledger, "demo", links(("a", 1), ("b", 2), created_by_us=[True, False]))
    record_links(ledger, "demo", links(("a", 2), ("b", 1)))
    found = execute("SELECT idnumber, account_id, created_by_us FROM links ORDER BY idnumber")
    assert [(row[0], row[1], bool(row[2])) for row in found] == [("a", 2, False), ("b", 1, True)]


@pytest.mark.parametrize("frame", [links(("a", 1), ("a", 2)), links(("a", 1), ("b", 1)), links(("", 1))])
def test_doubles_and_empty_idnumbers_are_refused_whole(ledger: Ledger, frame: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"once each|needs an idnumber"):
        record_links(ledger, "demo", frame)
    assert len(links_frame(ledger, "demo")) == 0


def test_nothing_to_record_is_no_trouble(ledger: Ledger) -> None:
    assert record_links(ledger, "demo", links()) == 0


def test_links_can_be_forgotten(ledger: Ledger) -> None:
    record_links(ledger, "demo", links(("x1", 11), ("x2", 12)))
    record_links(ledger, "other", links(("x1", 11)))
    assert forget(ledger, "demo", ["x1", "x1", "x9"]) == 1
    assert links_frame(ledger, "demo")["idnumber"].tolist() == ["x2"]
    assert len(links_frame(ledger, "other")) == 1


def test_twenty_thousand_links_are_renewed_and_moved_at_once(ledger: Ledger) -> None:
    """A plan of the database that compares each with each would not come to an end here."""
    count = 20_000
    numbers = range(count)
    record_links(ledger, "demo", links(*((f"x{n}", n) for n in numbers), created_by_us=True))
    record_links(ledger, "demo", links(*((f"x{n}", (n + 1) % count) for n in numbers)))
    frame = links_frame(ledger, "demo")
    assert len(frame) == count
    assert (frame["idnumber"] == "x" + ((frame["account_id"] - 1) % count).astype("str")).all()
