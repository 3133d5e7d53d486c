"""A scale test sees whoever is lost or doubled, and says so; the people it invents are each somebody else."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from scale_count import (
    DEFAULT_PEOPLE,
    Counted,
    NoSize,
    Peaks,
    faults,
    idnumbers,
    kilobytes,
    people_csv,
    people_wanted,
    shares,
)

GOOD = Counted(
    "north",
    frozenset({"north-1", "north-2"}),
    ("north-1", "north-2"),
    (("north-1", "done"), ("north-2", "done")),
)


def test_everyone_in_once_is_no_fault() -> None:
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (replace(GOOD, accounts=("north-2",)), "north: 1 have no account (lost): north-1"),
        (
            replace(GOOD, accounts=("north-1", "north-2", "north-2")),
            "north: 1 have two accounts or more (doubled): north-2",
        ),
        (replace(GOOD, accounts=(*GOOD.accounts, "x")), "north: 1 have an account and are in no source: x"),
        (replace(GOOD, outcomes=GOOD.outcomes[:1]), "north: 1 have no outcome in the ledger: north-2"),
        (
            replace(GOOD, outcomes=(*GOOD.outcomes, ("north-1", "done"))),
            "north: 1 have two outcomes or more in the ledger: north-1",
        ),
        (replace(GOOD, outcomes=(*GOOD.outcomes, ("x", "done"))), "north: 1 have an outcome and are in no source: x"),
        (
            replace(GOOD, outcomes=(GOOD.outcomes[0], ("north-2", "unknown"))),
            "north: 1 did not end as 'done' in the ledger: north-2",
        ),
    ],
)
def test_each_kind_of_loss_and_doubling_is_named(counted: Counted, said: str) -> None:
    assert faults(counted) == [said]


def test_of_many_who_are_lost_five_are_named() -> None:
    many = frozenset(f"north-{number}" for number in range(9))
    (said,) = faults(Counted("north", many, (), tuple((one, "done") for one in many)))
    assert said == "north: 9 have no account (lost): north-0, north-1, north-2, north-3, north-4, …"


@pytest.mark.parametrize(
    ("said", "people"), [("", DEFAULT_PEOPLE), (" 300 ", 300), ("1,000", 1000), ("100_000", 100_000)]
)
def test_the_number_of_people_is_read(said: str, people: int) -> None:
    assert people_wanted(said) == people


@pytest.mark.parametrize("said", ["29", "-300", "3e4", "many", "٣٠٠"])
def test_another_size_is_refused_with_what_it_must_be(said: str) -> None:
    with pytest.raises(NoSize, match="whole number of 30 or more"):
        people_wanted(said)


@pytest.mark.parametrize("people", [30, 31, 32, 100_000])
def test_people_are_divided_evenly_and_nobody_falls_out(people: int) -> None:
    each = shares(people, 3)
    assert sum(each) == people
    assert max(each) - min(each) <= 1


def test_invented_people_are_each_somebody_else() -> None:
    rows = list(csv.DictReader(people_csv("north", 300).splitlines(), delimiter=";"))
    assert [row["ExternId"] for row in rows] == idnumbers("north", 300)
    assert len({row["E-mail"] for row in rows}) == len({row["PersonId"] for row in rows}) == 300
    assert all(row["E-mail"].endswith("@north.example.org") for row in rows)
    assert len({(row["Voornaam"], row["Tussenvoegsel"], row["Achternaam"]) for row in rows}) < 300


def test_memory_is_read_from_the_kernels_text_and_the_most_is_kept() -> None:
    assert kilobytes("00400000-7ffd [rollup]\nRss:  4096 kB\nPss:  2048 kB\nPss_Anon: 1 kB\n") == (2048, 4096)
    assert kilobytes("") == (0, 0)
    peaks = Peaks()
    for sizes in ([1024, 2048], [], [4096, 10240, 1024], [1024]):
        peaks.note("worker1", [(size, 2 * size) for size in sizes])
    assert peaks.lines() == ["worker1: 3 MB idle, 15 MB at most; its largest process alone 20 MB"]
