"""Persons of several sources: who is who, what is completed, and what is said differently."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources.test_merging import p, persons

from moodle_coupling.contract.columns import INACTIVE_UNREAD, PERSON_COLUMNS, SOURCES_DIFFER, SOURCES_DISAGREE
from moodle_coupling.mapping import IdnumberFrom
from moodle_coupling.sources.several.source import Joining, Part, combined, is_somebody_else

ALL = Joining(IdnumberFrom.EXTERN_ID)


def together(*parts: pd.DataFrame | list[dict[str, str]], joining: Joining = ALL, knows: str = "yyyy") -> pd.DataFrame:
    """Combine parts called A, B, C …; ``knows`` says (y or n) which of them know who left."""
    frames = [part if isinstance(part, pd.DataFrame) else persons(*part) for part in parts]
    return combined(
        [
            Part(name, frame, knows_inactive=know == "y")
            for name, frame, know in zip("ABCD", frames, knows, strict=False)
        ],
        joining,
    )


def values(frame: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame[list(names)].itertuples(index=False)]


def differ(frame: pd.DataFrame, at: int = 0) -> dict[str, str]:
    return json.loads(frame[SOURCES_DIFFER][at]) if SOURCES_DIFFER in frame and frame[SOURCES_DIFFER][at] else {}


class TestWhoIsWho:
    def test_a_shared_person_id_makes_one_person(self):
        whole = together([p("1", city="Delft"), p("2")], [p("2", city="Breda"), p("3")])
        assert values(whole, "person_id", "city") == [("1", "Delft"), ("2", "Breda"), ("3", "")]

    def test_a_shared_extern_id_does_too_and_brings_the_person_id(self):
        whole = together([p(extern_id="E1", city="Delft")], [p("1", extern_id="E1", city="Delft")])
        assert values(whole, "person_id", "extern_id") == [("1", "E1")]

    @pytest.mark.parametrize(
        ("one", "other", "number"), [("AFAS", "SAP", 2), ("AFAS", "AFAS", 1), ("AFAS", "", 1), ("", "", 1)]
    )
    def test_of_the_same_other_system_as_far_as_is_known(self, one, other, number):
        whole = together([p("1", extern_id="E", extern_source=one)], [p("2", extern_id="E", extern_source=other)])
        assert len(whole) == number

    def test_ids_are_compared_exactly(self):
        assert len(together([p("a1"), p("7")], [p("A1"), p("07")])) == 4

    def test_the_idnumber_joins_where_one_id_stands_for_the_other(self):
        parts = [p("1042", city="Delft")], [p(extern_id="1042", department="ICT")]
        whole = together(*parts, joining=Joining(IdnumberFrom.EXTERN_ID_ELSE_PERSON_ID))
        assert values(whole, "person_id", "extern_id", "city", "department") == [("1042", "1042", "Delft", "ICT")]
        assert len(together(*parts)) == 2

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ([p("1", extern_id="E1")], [p("1"), p("1")]),
            ([p("1"), p("1")], [p("1")]),
            ([p("1"), p("2", extern_id="E2")], [p("1", extern_id="E2")]),
        ],
        ids=["twice in the second", "twice in the first", "one id of two persons"],
    )
    def test_what_is_not_one_to_one_stays_apart_for_matching_to_reject(self, a, b):
        whole = together(a, b)
        assert len(whole) == len(a) + len(b)
        assert SOURCES_DISAGREE not in whole

    def test_nobody_without_an_id_is_joined(self):
        assert len(together([p(firstname="Jan")], [p(firstname="Jan")])) == 2

    def test_rows_are_those_of_the_first_and_the_others_come_after(self):
        whole = together([p("1", row="5"), p("2", row="9")], [p("2", row="3"), p("3", row="4")], [p("4", row="2")])
        assert values(whole, "row", "person_id") == [(5, "1"), (9, "2"), (13, "3"), (15, "4")]


class TestCompleting:
    def test_what_is_empty_is_filled_by_the_next_that_knows(self):
        whole = together([p("1", city="Delft")], [p("1", city="Delft", department="ICT")], [p("1", country="NL")])
        assert values(whole, "city", "department", "country") == [("Delft", "ICT", "NL")]
        assert SOURCES_DIFFER not in whole

    def test_free_fields_come_along(self):
        whole = together(persons(p("1")), persons(p("1"), p("2"), kostenplaats=["K1", "K2"]))
        assert values(whole, "person_id", "kostenplaats") == [("1", "K1"), ("2", "K2")]

    def test_particles_are_taken_with_their_surname_only(self):
        whole = together(
            [p("1", lastname="van den Berg"), p("2")], [p(n, infix="van den", lastname="Berg") for n in "12"]
        )
        assert values(whole, "infix", "lastname") == [("", "van den Berg"), ("van den", "Berg")]
        assert SOURCES_DIFFER not in whole

    def test_particles_may_be_missing_where_the_surname_is_the_same(self):
        assert values(together([p("1", lastname="Berg")], [p("1", infix="van", lastname="Berg")]), "infix") == [
            ("van",)
        ]

    def test_where_an_extern_id_is_from_is_taken_with_it_only(self):
        parts = [p("1", extern_id="E1"), p("2")], [p(n, extern_id="E9", extern_source="SAP") for n in "12"]
        assert values(together(*parts), "extern_id", "extern_source") == [("E1", ""), ("E9", "SAP")]

    def test_an_address_that_is_there_already_is_not_there_twice(self):
        whole = together([p("1", email1="Jan@example.org")], [p("1", email1="j@example.org", email2="jan@EXAMPLE.org")])
        assert values(whole, "email1", "email2") == [("Jan@example.org", "")]
        whole = together([p("1", email1="jan@example.org")], [p("1", email1="jan@example.org", email2="j@example.org")])
        assert values(whole, "email1", "email2") == [("jan@example.org", "j@example.org")]

    def test_who_has_left_is_told_by_the_first_that_knows(self):
        gone = [p("1", inactive="ja")]
        assert values(together([p("1")], gone, knows="ny"), "inactive") == [(True,)]
        assert values(together([p("1")], gone, knows="yy"), "inactive") == [(False,)]
        assert values(together([p("1")], [p("1")], gone, knows="nny"), "inactive") == [(True,)]
        assert values(together([p("1")], gone, [p("1", inactive="nee")], knows="nyy"), "inactive") == [(True,)]

    def test_what_could_not_be_read_of_it_comes_along(self):
        whole = together([p("1"), p("2")], [p("1", inactive="misschien")], knows="ny")
        assert values(whole, INACTIVE_UNREAD) == [("misschien",), ("",)]
        assert list(whole.columns)[-1] == INACTIVE_UNREAD


class TestDiffering:
    def test_the_first_is_followed_and_both_are_told(self):
        whole = together([p("1", city="Delft")], [p("1", city="Breda")])
        assert values(whole, "city") == [("Delft",)]
        assert differ(whole) == {"city": "'Delft' in A, 'Breda' in B"}

    def test_the_one_who_filled_it_in_is_named(self):
        whole = together([p("1")], [p("1", city="Delft")], [p("1", city="Breda")], [p("1", city="Assen")])
        assert differ(whole) == {"city": "'Delft' in B, 'Breda' in C, 'Assen' in D"}

    @pytest.mark.parametrize(
        ("name", "one", "other"),
        [
            ("city", "Delft", " Delft "),
            ("email1", "Jan@example.org", "jan@example.org"),
            ("categories", "Docent|Mentor", "Mentor | Docent"),
        ],
    )
    def test_what_is_written_otherwise_is_not_another_thing(self, name, one, other):
        assert differ(together([p("1") | {name: one}], [p("1") | {name: other}])) == {}

    def test_a_person_id_of_another_system_is_no_difference(self):
        assert differ(together([p("1", extern_id="E")], [p("x9", extern_id="E")])) == {}

    def test_surnames_are_compared_with_their_particles(self):
        whole = together(
            [p("1", infix="van", lastname="Berg", email1="j@example.org")],
            [p("1", infix="van de", lastname="Berg", email1="j@example.org")],
        )
        assert differ(whole) == {"lastname": "'van Berg' in A, 'van de Berg' in B"}
        assert values(whole, "infix") == [("van",)]

    def test_who_left_is_told_when_the_sources_differ_on_it(self):
        assert differ(together([p("1")], [p("1", inactive="ja")])) == {"inactive": "'no' in A, 'yes' in B"}

    def test_only_what_is_used_is_told(self):
        parts = [p("1", city="Delft", department="A", inactive="ja")], [p("1", city="Breda", department="B")]
        assert set(differ(together(*parts, joining=Joining(IdnumberFrom.PERSON_ID, {"department"})))) == {"department"}

    def test_the_others_have_nothing_to_say(self):
        whole = together([p("1", city="Delft"), p("2")], [p("1", city="Breda"), p("3")])
        assert whole[SOURCES_DIFFER].tolist()[1:] == ["", ""]


JANSEN = p("1", firstname="Jan", lastname="Jansen", email1="jan@example.org")


class TestDisagreeing:
    def test_another_surname_and_address_under_one_id_is_nobody_we_know(self):
        other = p("1", firstname="Eva", infix="de", lastname="Wit", email2="eva@example.org", city="Ede")
        whole = together([JANSEN], [other])
        assert len(whole) == 1
        assert values(whole, "lastname", "city") == [("Jansen", "")]
        assert whole[SOURCES_DISAGREE].tolist() == [
            "Jan Jansen <jan@example.org> in A, Eva de Wit <eva@example.org> in B"
        ]
        assert SOURCES_DIFFER not in whole

    @pytest.mark.parametrize(
        ("other", "else_"),
        [
            ({"lastname": "Jansen-de Wit", "email1": "j@example.org"}, False),
            ({"lastname": "JANSÉN", "email1": "j@example.org"}, False),
            ({"lastname": "de Wit", "email1": "Jan@example.org"}, False),
            ({"lastname": "de Wit", "email1": ""}, False),
            ({"lastname": "de Wit", "firstname": "Eva", "email1": ""}, True),
            ({"lastname": "", "firstname": "Eva", "email1": "eva@example.org"}, False),
            ({"lastname": "Jans", "email1": "eva@example.org"}, True),
            ({"lastname": "de Wit", "email1": "", "email3": "eva@example.org"}, True),
        ],
        ids=str,
    )
    def test_a_partners_name_is_no_other_person(self, other, else_):
        blank = dict.fromkeys((column.name for column in PERSON_COLUMNS), "")
        assert is_somebody_else(blank | JANSEN, blank | JANSEN | other) is else_
        assert is_somebody_else(blank | JANSEN | other, blank | JANSEN) is else_

    def test_a_third_source_is_compared_with_the_first(self):
        whole = together([JANSEN], [p("1", city="Ede")], [p("1", lastname="Wit", email1="w@example.org")])
        assert whole[SOURCES_DISAGREE][0].endswith("in A, Wit <w@example.org> in C")
        assert values(whole, "city") == [("Ede",)]

    def test_all_that_do_not_agree_are_told(self):
        whole = together(
            [JANSEN], [p("1", lastname="Vos", email1="v@example.org")], [p("1", lastname="Wit", email1="w@example.org")]
        )
        assert whole[SOURCES_DISAGREE].tolist() == [
            "Jan Jansen <jan@example.org> in A, Vos <v@example.org> in B, Wit <w@example.org> in C"
        ]


PERSONS = st.lists(
    st.fixed_dictionaries({"person_id": st.sampled_from("123456"), "city": st.sampled_from(["", "Delft", "Breda"])}),
    unique_by=lambda person: person["person_id"],
)


@settings(deadline=None)
@given(PERSONS, PERSONS)
def test_nobody_is_lost_doubled_or_overwritten(one, other):
    whole = together(one, other)
    first, second = ({person["person_id"]: person["city"] for person in part} for part in (one, other))
    assert whole["row"].is_unique
    assert dict(values(whole, "person_id", "city")) == {
        id_: first.get(id_) or second.get(id_, "") for id_ in {*first, *second}
    }
    assert len(whole) == len({*first, *second})
    told = {whole["person_id"][at] for at in range(len(whole)) if differ(whole, at)}
    assert told == {id_ for id_ in first if first[id_] and second.get(id_) and first[id_] != second[id_]}
