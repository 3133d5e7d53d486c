"""The list of mismatches: filtered, sorted, counted, and all of what is shown decided at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger.frames import found, mismatch
from sqlalchemy import select

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.decisions import Choice, decide, decide_many
from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.mismatches import (
    COLUMNS,
    SORTS,
    MismatchFilter,
    decision_counts,
    get_mismatch,
    mismatch_counts,
    mismatch_page,
    mismatch_place,
    mismatch_versions,
    record_mismatches,
)
from moodle_coupling.ledger.models import Base
from moodle_coupling.ledger.page_queries import matching

if TYPE_CHECKING:
    from typing import Any

    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger

EVERYONE = MismatchFilter()


@pytest.fixture
def listed(ledger: Ledger, clock: Clock) -> Ledger:
    """Six in two environments: of the first day p1 (decided), p2 and p3, of the second p4, p5 and an orphan."""
    rows = [
        mismatch("p1", "id_missing", lastname="Jansen", firstname="Bram", email="Bram@example.org"),
        mismatch("p2", "held", lastname="de Vries", firstname="Anna", username="anna_50%"),
        mismatch("p3", "held", lastname="Öztürk", firstname="Chloé", account_id=None, other_accounts="[5, 6]"),
    ]
    record_mismatches(ledger, "demo", "run 1", found(*rows), full=True)
    decide(ledger, 1, 1, Choice(DecisionKind.LATER, by="bram"))
    clock.forward(minutes=1)
    decide(ledger, 1, 2, Choice(DecisionKind.LINK, by="anna", note="her"))
    clock.forward(days=1)
    others = [
        mismatch("p4", "id_missing", lastname="Jansen", firstname="Anna", username="anna-50x"),
        mismatch("p5", "id_missing", lastname="van der Meer", firstname="Dirk"),
        mismatch("p6", "orphan", row=None, account_id=400, person_id="", lastname="Jansen", firstname="Bram"),
    ]
    record_mismatches(ledger, "other", "run 2", found(*others), full=True)
    return ledger


def ids(ledger: Ledger, chosen: MismatchFilter, **how: Any) -> list[int]:
    return mismatch_page(ledger, chosen, **({"sort": "id", "descending": False} | how)).rows["id"].tolist()


def test_an_empty_list_is_a_page_too(ledger: Ledger) -> None:
    page = mismatch_page(ledger, EVERYONE)
    assert (page.total, page.rows.columns.tolist()) == (0, [column.name for column in COLUMNS])
    facets = ("verdict", "status", "environment", "proposal", "assigned_to")
    assert mismatch_counts(ledger, EVERYONE) == {facet: {} for facet in facets}
    assert mismatch_versions(ledger, EVERYONE) == []


def test_a_row_brings_the_latest_decision(listed: Ledger) -> None:
    first, second = mismatch_page(listed, EVERYONE, sort="id", descending=False, limit=2).rows.to_dict("records")
    assert (first["kind"], first["by"], first["note"], first["decision"]) == ("link", "anna", "her", 2)
    assert first["status"] == "decided"
    assert (second["kind"], second["by"], second["note"]) == ("", "", "")
    assert get_mismatch(listed, 1)["kind"] == "link"
    assert (get_mismatch(listed, 2)["subject"], get_mismatch(listed, 2)["decision"]) == ("person p2", None)
    with pytest.raises(NotInLedger, match="no mismatch 99"):
        get_mismatch(listed, 99)


def test_filters_go_together(listed: Ledger, clock: Clock) -> None:
    assert ids(listed, MismatchFilter(verdicts=["id_missing"])) == [1, 4, 5]
    assert ids(listed, MismatchFilter(statuses=["open"], verdicts=["id_missing", "held"])) == [2, 3, 4, 5]
    assert ids(listed, MismatchFilter(environments=["other"])) == [4, 5, 6]
    assert ids(listed, MismatchFilter(environments=[])) == []
    assert ids(listed, MismatchFilter(ids=[2, 4, 2, 99], environments=["demo"])) == [2]
    assert ids(listed, MismatchFilter(ids=[])) == []
    assert ids(listed, MismatchFilter(first_seen_before=clock.time)) == [1, 2, 3]
    assert ids(listed, MismatchFilter(seen_before=clock.time)) == [1, 2, 3]


def test_of_an_environment_one_may_not_read_nothing_is_told(listed: Ledger) -> None:
    mine = MismatchFilter(readable=["other"])
    assert ids(listed, mine) == [4, 5, 6]
    assert ids(listed, MismatchFilter(readable=["other"], environments=["demo"])) == []
    assert [number for number, _ in mismatch_versions(listed, mine)] == [4, 5, 6]
    assert mismatch_counts(listed, mine) == {
        "verdict": {"id_missing": 2, "orphan": 1},
        "status": {"open": 3},
        "environment": {"other": 3},
        "proposal": {"link": 3},
        "assigned_to": {"": 3},
    }


@pytest.mark.parametrize(
    ("typed", "hits"),
    [
        ("p2", [2]),
        ("P", [1, 2, 3, 4, 5, 6]),
        ("xp", [1, 2, 3, 4, 5, 6]),
        ("XP3", [3]),
        ("BRAM@", [1]),
        ("example.org", []),
        ("jansen", [1, 4, 6]),
        ("Jansen Bram", [1, 6]),
        ("bram jan", [1, 6]),
        ("vries", [2]),
        ("ÖZTÜRK", [3]),
        ("ozturk", [3]),
        ("Ozturk, Chloe", [3]),
        ("chloë", [3]),
        ("der meer", [5]),
        ("ansen", []),
        ("anna_", [2]),
        ("anna-50", [4]),
        ("anna_50%", [2]),
        ("%", []),
        ("_", []),
        ("400", [6]),
        ("9" * 30, []),
        ("'; DROP TABLE mismatches", []),
        ("  ", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_text_finds_by_how_ids_addresses_and_words_of_the_name_begin(
    listed: Ledger, typed: str, hits: list[int]
) -> None:
    assert ids(listed, MismatchFilter(text=typed)) == hits
    table = Base.metadata.tables["mismatches"]
    with listed.reading() as connection:  # as the list of a run goes about it, for which there are no indexes
        query = select(table.c.id).where(*matching(table, typed)).order_by(table.c.id)
        assert connection.execute(query).scalars().all() == hits


@pytest.mark.parametrize(
    ("typed", "hits"),
    [("p2", [2]), ("xp3", [3]), ("400", [6]), ("bram@", []), ("jansen", []), ("anna_", []), ("user-p1", [])],
)
def test_who_must_not_see_names_finds_by_ids_alone(listed: Ledger, typed: str, hits: list[int]) -> None:
    assert ids(listed, MismatchFilter(text=typed, by_name=False)) == hits


def test_by_what_is_proposed(ledger: Ledger) -> None:
    rows = [mismatch("p1"), mismatch("p2", proposal="re-key"), mismatch("p3", proposal="")]
    record_mismatches(ledger, "demo", "run 1", found(*rows), full=True)
    assert ids(ledger, MismatchFilter(proposals=["re-key"])) == [2]
    assert ids(ledger, MismatchFilter(proposals=["re-key", "link"])) == [1, 2]
    assert mismatch_counts(ledger, MismatchFilter(proposals=["link"]))["proposal"] == {"": 1, "link": 1, "re-key": 1}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", sorted(SORTS))
def test_every_order_is_stable_from_page_to_page(listed: Ledger, sort: str, descending: bool) -> None:
    whole = ids(listed, EVERYONE, sort=sort, descending=descending, limit=None)
    pages = [ids(listed, EVERYONE, sort=sort, descending=descending, offset=at, limit=2) for at in range(0, 6, 2)]
    assert [number for page in pages for number in page] == whole
    assert sorted(whole) == [1, 2, 3, 4, 5, 6]


def test_names_are_sorted_by_last_name_and_what_is_missing_comes_last(listed: Ledger) -> None:
    assert ids(listed, EVERYONE, sort="name") == [2, 4, 1, 6, 3, 5]
    assert ids(listed, EVERYONE, sort="name", descending=True) == [5, 3, 1, 6, 4, 2]
    for descending in (False, True):
        assert ids(listed, EVERYONE, sort="account_id", descending=descending)[-1] == 3
        assert ids(listed, EVERYONE, sort="at", descending=descending)[0] == 1


def test_an_order_that_there_is_not_is_refused(listed: Ledger) -> None:
    with pytest.raises(ValueError, match="no order by 'facts; DROP'"):
        mismatch_page(listed, EVERYONE, sort="facts; DROP")


def test_the_total_is_that_of_the_list_and_not_of_the_page(listed: Ledger) -> None:
    assert mismatch_page(listed, MismatchFilter(verdicts=["id_missing"]), limit=1).total == 3
    beyond = mismatch_page(listed, EVERYONE, offset=100)
    assert (beyond.total, len(beyond.rows)) == (6, 0)


def test_each_facet_is_counted_as_if_nothing_of_it_was_chosen(listed: Ledger) -> None:
    chosen = MismatchFilter(verdicts=["held"], statuses=["open"], environments=["demo"])
    assert mismatch_counts(listed, chosen) == {
        "verdict": {"held": 2},
        "status": {"open": 2},
        "environment": {"demo": 2},
        "proposal": {"link": 2},
        "assigned_to": {"": 2},
    }
    chosen = MismatchFilter(verdicts=["id_missing"], text="jansen")
    assert mismatch_counts(listed, chosen) == {
        "verdict": {"id_missing": 2, "orphan": 1},
        "status": {"decided": 1, "open": 1},
        "environment": {"demo": 1, "other": 1},
        "proposal": {"link": 2},
        "assigned_to": {"": 2},
    }


def test_exactly_what_is_shown_is_decided_at_once(listed: Ledger) -> None:
    shown = MismatchFilter(verdicts=["id_missing"], statuses=["open"])
    versions = mismatch_versions(listed, shown)
    decide(listed, 4, 1, Choice(DecisionKind.IGNORE, by="bram"))
    result = decide_many(listed, versions, Choice(DecisionKind.LINK, by="anna"))
    assert (result.decided, [refused.mismatch for refused in result.refused]) == ((5,), [4])
    assert mismatch_page(listed, shown).total == 0


def test_more_ids_than_a_statement_takes_parameters(listed: Ledger) -> None:
    assert ids(listed, MismatchFilter(ids=range(1, 70_000))) == [1, 2, 3, 4, 5, 6]


def test_by_how_alike_both_sides_are(ledger: Ledger) -> None:
    person = {"firstname": "Anna", "lastname": "Bos", "email": "a@example.org"}
    sides = [person, person | {"firstname": "Piet", "lastname": "Smit"}, None]
    rows = [
        mismatch(f"p{n}", facts={"person": person, "accounts": {"7": side}}, proposal="link" if n < 2 else "")
        for n, side in enumerate(sides, 1)
    ]
    record_mismatches(ledger, "demo", "run 1", found(*rows), full=True)
    assert ids(ledger, EVERYONE, sort="score", descending=True) == [1, 2, 3]
    assert ids(ledger, MismatchFilter(least_score=90)) == [1]
    assert ids(ledger, MismatchFilter(least_score=50, proposed=True)) == [1]


def test_by_who_decided_with_a_note_or_postponed(ledger: Ledger) -> None:
    record_mismatches(ledger, "demo", "run 1", found(*(mismatch(f"p{n}") for n in range(1, 5))), full=True)
    decide(ledger, 1, 1, Choice(DecisionKind.LATER, by="anna"))
    decide(ledger, 2, 1, Choice(DecisionKind.LATER, by="anna", note="ask her"))
    decide(ledger, 2, 2, Choice(DecisionKind.IGNORE, by="bram"))
    decide(ledger, 3, 1, Choice(DecisionKind.IGNORE, by="bram", note="a guest"))
    assert ids(ledger, MismatchFilter(decided_by=["anna"])) == [1]
    assert ids(ledger, MismatchFilter(decided_by=["anna", "bram"])) == [1, 2, 3]
    assert ids(ledger, MismatchFilter(marks=["note"])) == [3]
    assert ids(ledger, MismatchFilter(marks=["later"])) == [1]
    assert ids(ledger, MismatchFilter(marks=["note", "later"], decided_by=["bram"])) == [3]
    counts = decision_counts(ledger, MismatchFilter(decided_by=["bram"]))
    assert counts == {"by": {"anna": 1, "bram": 2}, "mark": {"note": 1, "later": 0}}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["id", "name", "verdict", "last_seen", "score", "account_id", "due", "by", "at"])
def test_a_mismatch_knows_what_comes_before_and_after_it_in_each_order(
    listed: Ledger, sort: str, descending: bool
) -> None:
    everyone = ids(listed, EVERYONE, sort=sort, descending=descending)
    for number, here in enumerate(everyone):
        place = mismatch_place(listed, here, EVERYONE, sort=sort, descending=descending)
        assert (place.number, place.total) == (number + 1, 6)
        assert place.previous == (everyone[number - 1] if number else None)
        assert place.following == (everyone[number + 1] if number < 5 else None)


def test_one_that_left_the_list_is_followed_by_what_came_after_it(listed: Ledger) -> None:
    held = MismatchFilter(verdicts=["held"], statuses=["open"])
    before = mismatch_place(listed, 2, held, sort="id", descending=False)
    decide(listed, 2, 1, Choice(DecisionKind.IGNORE, by="anna"))
    after = mismatch_place(listed, 2, held, sort="id", descending=False)
    assert (before.number, before.total, before.following) == (1, 2, 3)
    assert (after.number, after.total, after.following, after.previous) == (0, 1, 3, None)
    with pytest.raises(NotInLedger):
        mismatch_place(listed, 99, held)
