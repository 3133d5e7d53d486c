"""Who changed, put into the last complete frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from moodle_coupling.contract.columns import INACTIVE_UNREAD, PERSON_COLUMNS
from moodle_coupling.people.arrow import to_texts
from moodle_coupling.sources.persons import merge_changed
from moodle_coupling.sources.records import persons_frame


def persons(*some: dict[str, str], **further: list[str]) -> pd.DataFrame:
    """Make a persons frame; ``row`` counts from 1 unless it is said."""
    names = {name for person in some for name in person if name != "row"}
    columns = {name: to_texts([person.get(name, "") for person in some]) for name in names}
    columns |= {name: to_texts(values) for name, values in further.items()}
    rows = np.array([int(person.get("row", at)) for at, person in enumerate(some, 1)], dtype=np.int64)
    return persons_frame(rows, columns)


def p(person_id: str = "", **values: str) -> dict[str, str]:
    return {"person_id": person_id} | values


def shown(frame: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame[["row", *names]].itertuples(index=False)]


def test_the_changed_take_the_place_and_row_of_the_known_and_the_new_come_last():
    known = persons(p("1", city="Delft"), p("2", city="Breda"), p("3", city="Assen"))
    changed = persons(p("9", city="Ede"), p("2", city="Tiel"))
    assert shown(merge_changed(known, changed), "person_id", "city") == [
        (1, "1", "Delft"),
        (2, "2", "Tiel"),
        (3, "3", "Assen"),
        (4, "9", "Ede"),
    ]


def test_rows_of_the_known_may_have_holes():
    known = persons(p("1", row="5"), p("2", row="90"))
    assert shown(merge_changed(known, persons(p("2"), p("3"))), "person_id") == [(5, "1"), (90, "2"), (91, "3")]


def test_who_has_no_person_id_is_known_by_the_extern_id_and_where_it_is_from():
    known = persons(p(extern_id="E1", extern_source="AFAS"), p(extern_id="E1", extern_source="SAP"))
    changed = persons(p(extern_id="E1", extern_source="SAP", city="Tiel"))
    assert shown(merge_changed(known, changed), "extern_source", "city") == [(1, "AFAS", ""), (2, "SAP", "Tiel")]


def test_who_got_a_person_id_is_still_known():
    known = persons(p(extern_id="E1"), p("2", extern_id="E2"))
    changed = persons(p("1", extern_id="E1"), p(extern_id="E2", city="Tiel"))
    assert shown(merge_changed(known, changed), "person_id", "extern_id", "city") == [
        (1, "1", "E1", ""),
        (2, "", "E2", "Tiel"),
    ]


def test_an_extern_id_that_went_to_another_person_does_not_take_the_first_one_along():
    known = persons(p("1", extern_id="E1"))
    changed = persons(p("2", extern_id="E1"))
    assert shown(merge_changed(known, changed), "person_id") == [(1, "1"), (2, "2")]


def test_a_double_stays_a_double():
    known = persons(p("1", city="Delft"), p("1", city="Breda"), p("2"))
    assert shown(merge_changed(known, persons(p("1", city="Tiel"))), "person_id", "city") == [
        (1, "1", "Tiel"),
        (2, "1", "Breda"),
        (3, "2", ""),
    ]
    assert len(merge_changed(known, persons(p("2"), p("2")))) == 4


def test_who_has_no_id_at_all_is_not_told_twice():
    known = persons(p(firstname="Jan"), p("2"))
    changed = persons(p(firstname="Jan"), p(firstname="Piet"))
    assert shown(merge_changed(known, changed), "firstname") == [(1, "Jan"), (2, ""), (3, "Piet")]


def test_columns_of_both_are_kept_and_what_was_not_said_is_empty():
    known = persons(p("1"), kostenplaats=["K1"])
    changed = persons(p("2"), inactive=["misschien"], klas=["4B"])
    whole = merge_changed(known, changed)
    declared = [column.name for column in PERSON_COLUMNS]
    assert list(whole.columns) == [*declared, "kostenplaats", "klas", INACTIVE_UNREAD]
    assert shown(whole, "kostenplaats", "klas", INACTIVE_UNREAD) == [(1, "K1", "", ""), (2, "", "4B", "misschien")]
    assert {str(whole[column.name].dtype) for column in PERSON_COLUMNS} == {"int64", "str", "bool"}


def test_nothing_known_or_nothing_changed():
    some, nobody = persons(p("1"), p("2")), persons()
    pd.testing.assert_frame_equal(merge_changed(some, nobody), some)
    pd.testing.assert_frame_equal(merge_changed(nobody, some), some)


IDS = st.lists(st.integers(0, 20).map(str), unique=True)


@settings(deadline=None)
@given(IDS, IDS)
def test_it_is_what_a_dictionary_would_do(before, after):
    known = persons(*(p(id_, city="old") for id_ in before))
    changed = persons(*(p(id_, city="new") for id_ in after))
    whole = merge_changed(known, changed)
    assert whole["row"].is_unique
    assert dict(zip(whole["person_id"], whole["city"], strict=True)) == dict.fromkeys(before, "old") | dict.fromkeys(
        after, "new"
    )
    assert len(whole) == len({*before, *after})
    pd.testing.assert_frame_equal(merge_changed(whole, changed), whole)
