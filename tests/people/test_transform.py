"""From persons to candidates: what is made, what is refused, and with which words."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodle_coupling.contract.columns import PERSON_COLUMNS
from moodle_coupling.errors import InputError, MappingError
from moodle_coupling.mapping import Mapping
from moodle_coupling.matching.frames import CANDIDATE_COLUMNS, REASON_COLUMNS
from moodle_coupling.people.arrow import to_texts
from moodle_coupling.people.rules import RULES, has_tags, is_email
from moodle_coupling.people.transform import Transformed, transform
from moodle_coupling.words.sentence import ENGLISH, Texts, entries, languages

DUTCH = Texts("nl")

GOOD = {
    "person_id": "1042", "extern_id": "CV-1", "firstname": "Jan", "infix": "van", "lastname": "Dijk",
    "initials": "J.", "email1": "jan@example.org",
}  # fmt: skip


def mapping(**given: Any) -> Mapping:
    return Mapping.model_validate(
        {
            "environment": "demo",
            "connection": "moodle_demo",
            "source": {"type": "file", "path": "persons.csv"},
            "idnumber": "extern_id",
            **given,
        }
    )


def run(*people: dict[str, Any], **settings_: Any) -> Transformed:
    frame = pd.DataFrame([GOOD | person for person in people])
    frame.insert(0, "row", range(2, len(frame) + 2))
    return transform(frame, mapping(**settings_))


def codes(done: Transformed) -> list[tuple[str, str]]:
    return list(zip(done.reasons["code"], done.reasons["blocks"], strict=True))


def test_a_good_person_becomes_a_candidate_without_reasons() -> None:
    done = run({}, fields={"city": {"column": "city"}}, profile_fields={"customfield1": {"column": "free1"}})
    assert list(done.candidates.columns) == [*CANDIDATE_COLUMNS, "city", "profile_field_customfield1"]
    assert done.candidates.iloc[0].to_dict() == {
        "row": 2, "person_id": "1042", "extern_id": "CV-1", "idnumber": "CV-1", "other_id": "1042",
        "username": "jan-van-dijk", "firstname": "Jan", "lastname": "van Dijk", "email": "jan@example.org",
        "inactive": False, "in_scope": True, "city": "", "profile_field_customfield1": "",
    }  # fmt: skip
    assert list(done.reasons.columns) == list(REASON_COLUMNS)
    assert len(done.reasons) == 0
    assert (done.counts.persons, done.counts.in_scope, done.counts.rejected) == (1, 1, 0)


@pytest.mark.parametrize(
    ("person", "code", "blocks", "emptied"),
    [
        ({"extern_id": " "}, "idnumber_missing", "all", "idnumber"),
        ({"extern_id": "0"}, "idnumber_zero", "all", "idnumber"),
        ({"extern_id": "9" * 256}, "idnumber_too_long", "all", "idnumber"),
        ({"firstname": "\u200b "}, "firstname_missing", "create", "firstname"),
        ({"firstname": "J" * 101}, "firstname_too_long", "create", "firstname"),
        ({"firstname": "<b>Jan</b>"}, "firstname_has_tags", "create", "firstname"),
        ({"lastname": ""}, "lastname_missing", "create", "lastname"),
        ({"lastname": "D" * 97}, "lastname_too_long", "create", "lastname"),
        ({"lastname": "a<"}, "lastname_has_tags", "create", "lastname"),
        ({"email1": ""}, "email_missing", "create", "email"),
        ({"email1": "jan@localhost"}, "email_invalid", "create", "email"),
        ({"email1": "e" * 60 + "@" + "d" * 32 + ".example"}, "email_too_long", "create", "email"),
        ({"firstname": "😀", "infix": "", "lastname": "☂"}, "username_empty", "create", "username"),
        ({"country": "Nederlandd"}, "country_unknown", "", "country"),
        ({"country": "UK"}, "country_unknown", "", "country"),
        ({"lang": "nl-NL"}, "lang_malformed", "", "lang"),
        ({"city": "x" * 121}, "city_too_long", "", "city"),
        ({"city": "<i>Utrecht"}, "city_has_tags", "", "city"),
        ({"institution": "x" * 256}, "institution_too_long", "", "institution"),
        ({"department": "x" * 256}, "department_too_long", "", "department"),
        ({"free1": "x" * 2049}, "profile_field_too_long", "", "profile_field_customfield1"),
        ({"free2": "Mars/Base"}, "timezone_unknown", "", "timezone"),
        ({"free3": "Manual!"}, "auth_malformed", "create", "auth"),
    ],
)
def test_a_value_that_moodle_cannot_take_is_left_out_with_its_reason(
    person: dict[str, str], code: str, blocks: str, emptied: str
) -> None:
    names = ("country", "lang", "city", "institution", "department")
    fields: dict[str, Any] = {name: {"column": name} for name in names}
    fields |= {"timezone": {"column": "free2"}, "auth": {"column": "free3"}}
    done = run(person, fields=fields, profile_fields={"customfield1": {"column": "free1"}})
    assert codes(done) == [(code, blocks)]
    assert done.candidates.loc[0, emptied] == ""
    reason = done.reasons.iloc[0]
    assert reason["row"] == 2
    english, dutch = ENGLISH.say(reason["said"]), DUTCH.say(reason["said"])
    assert english != dutch
    assert "{" not in english + dutch


@pytest.mark.parametrize(
    "person",
    [
        {"firstname": "J" * 100},
        {"lastname": "D" * 96},
        {"firstname": "A < B"},
        {"lastname": 'O\'Brien & "Zonen"'},
        {"firstname": "Jan 😀"},
        {"firstname": "Null", "lastname": "NA"},
        {"extern_id": "9" * 255},
        {"email1": "e" * 63 + "@" + "d" * 24 + ".example.org"},
        {"country": "NL", "lang": "nl", "city": "x" * 120},
    ],
)
def test_what_moodle_takes_is_taken(person: dict[str, str]) -> None:
    assert codes(run(person, fields={name: {"column": name} for name in ("country", "lang", "city")})) == []


@pytest.mark.parametrize(
    ("recipe", "person", "code"),
    [
        ("initials_infix_last", {"initials": ""}, "initials_missing"),
        ("extern_id", {"extern_id": ""}, "extern_id_missing"),
    ],
)
def test_a_recipe_says_what_it_lacks(recipe: str, person: dict[str, str], code: str) -> None:
    done = run(person, username={"recipe": recipe}, idnumber="person_id")
    assert codes(done) == [(code, "create")]
    assert recipe in ENGLISH.say(done.reasons.loc[0, "said"])
    assert done.candidates.loc[0, "username"] == ""


@pytest.mark.parametrize(
    ("origin", "extern", "idnumber", "other"),
    [
        ("extern_id", "CV-1", "CV-1", "1042"),
        ("person_id", "CV-1", "1042", "CV-1"),
        ("extern_id_else_person_id", "CV-1", "CV-1", "1042"),
        ("extern_id_else_person_id", "", "1042", ""),
    ],
)
def test_the_idnumber_comes_from_where_the_mapping_says(origin: str, extern: str, idnumber: str, other: str) -> None:
    found = run({"extern_id": extern}, idnumber=origin).candidates.iloc[0]
    assert (found["idnumber"], found["other_id"]) == (idnumber, other)


def test_the_first_address_that_moodle_takes_is_used_and_the_skipped_one_is_said() -> None:
    done = run({"email1": "jan@", "email2": "", "email3": " c@example.org\u200b"}, {"email2": "b@example.org"})
    assert done.candidates["email"].tolist() == ["c@example.org", "jan@example.org"]
    assert codes(done) == [("email_skipped", "")]
    assert done.reasons.loc[0, "value"] == "jan@"
    assert run({"email2": "b@example.org"}, email=["email2"]).candidates.loc[0, "email"] == "b@example.org"


def test_particles_may_be_left_out_of_the_last_name() -> None:
    found = run({}, infix_before_lastname=False).candidates.iloc[0]
    assert (found["lastname"], found["username"]) == ("Dijk", "jan-van-dijk")


def test_fields_are_a_column_a_constant_or_a_default() -> None:
    done = run(
        {"city": "", "free9": " x  y"},
        fields={"city": {"column": "city", "default": "Utrecht"}, "auth": {"value": "oidc"}},
        profile_fields={"Soort": {"column": "free9"}},
        source={"type": "file", "path": "p.csv", "columns": {"free9": "Soort"}},
    )
    found = done.candidates.iloc[0]
    assert (found["city"], found["auth"], found["profile_field_Soort"]) == ("Utrecht", "oidc", "x y")


@pytest.mark.parametrize(
    ("condition", "belongs"),
    [
        ({"equals": "A"}, [True, False, False]),
        ({"not_equals": "A"}, [False, True, True]),
        ({"any_of": ["B", "C"]}, [False, True, False]),
        ({"none_of": ["B", "C"]}, [True, False, True]),
        ({"matches": "A|B.*"}, [True, True, False]),
        ({"not_empty": True}, [True, True, False]),
        ({"not_empty": False}, [False, False, True]),
    ],
)
def test_the_scope_says_who_belongs(condition: dict[str, Any], belongs: list[bool]) -> None:
    people = [{"categories": "A"}, {"categories": "B|C "}, {"categories": ""}]
    done = run(*people, scope={"include": [{"column": "categories", **condition}]})
    assert done.candidates["in_scope"].tolist() == belongs


def test_who_left_is_out_of_scope_and_has_no_reasons() -> None:
    people = [{"inactive": True, "firstname": ""}, {"inactive": False}]
    assert run(*people).candidates["in_scope"].tolist() == [False, True]
    assert codes(run(*people)) == []
    assert run(*people, scope={"inactive": True}).candidates["in_scope"].tolist() == [True, True]


def test_a_yes_or_no_that_is_neither_stops_the_person() -> None:
    assert codes(run({"inactive_unread": "misschien"})) == [("inactive_unclear", "all")]


@pytest.mark.parametrize(("column", "text"), [("lastname", "M\ufffdller"), ("infix", "Ã¡"), ("firstname", "ZoÃ«")])
def test_a_damaged_name_is_not_written_and_makes_no_account(column: str, text: str) -> None:
    done = run({column: text})
    assert codes(done) == [("text_damaged", "create")]
    written = done.candidates.iloc[0]
    assert written["firstname" if column == "firstname" else "lastname"] == ""
    assert written["username"] == ""


def test_another_damaged_text_is_left_out() -> None:
    done = run(
        {"city": "BesanÃ§on", "free1": "cafÃ©", "free2": "JOÃO"},
        fields={"city": {"column": "city"}},
        profile_fields={"a": {"column": "free1"}, "b": {"column": "free2"}},
    )
    assert codes(done) == [("text_damaged", ""), ("text_damaged", "")]
    assert done.candidates.iloc[0][["city", "profile_field_a", "profile_field_b"]].tolist() == ["", "", "JOÃO"]


SPOILT = [
    "1.23E+05", "1,23E+15", "1E+05", "1e-05", "1.5E3", "123.0", "123,0", "12.5", "-12.5", "9007199254740992.0", "1.234567890123457e+17", "true",
    "WAAR", "False", "#N/A", "#REF!", "#DIV/0!", "########", "nan", "NULL", "None", "<NA>", "inf", "2024-05-01", "2024-05-01T09:30:00", "A\ufffd1",
]  # fmt: skip
WHOLE = [
    "12E4",
    "1E5A",
    "1e5",
    "00123",
    "0012.5",
    "1.2.3",
    "12.5A",
    "A-12.5",
    "-5",
    "trueman",
    "E+05",
    "2024-05-1",
    "#12",
    "NA",
    "123",
    "é1",
    "20240501",
]


@pytest.mark.parametrize("id_", SPOILT)
@pytest.mark.parametrize("idnumber", ["extern_id", "extern_id_else_person_id"])
def test_an_id_that_was_spoilt_is_none(id_: str, idnumber: str) -> None:
    done = run({"extern_id": id_}, idnumber=idnumber)
    assert codes(done) == [("idnumber_spoilt", "all")]
    assert done.candidates["idnumber"].tolist() == [""]
    assert "Export the column as text" in ENGLISH.say(done.reasons["said"].iloc[0])
    assert "Exporteer de kolom als tekst" in DUTCH.say(done.reasons["said"].iloc[0])


@pytest.mark.parametrize("id_", WHOLE)
def test_an_id_that_only_looks_odd_stays(id_: str) -> None:
    done = run({"extern_id": id_, "person_id": id_})
    assert codes(done) == []
    assert done.candidates.iloc[0][["idnumber", "other_id"]].tolist() == [id_, id_]


def test_a_spoilt_other_id_is_not_used_and_stops_nobody() -> None:
    done = run({"person_id": "1.23E+05"})
    assert codes(done) == [("other_id_spoilt", "")]
    assert done.candidates.iloc[0][["idnumber", "other_id"]].tolist() == ["CV-1", ""]


def test_no_username_is_made_of_a_spoilt_id() -> None:
    done = run({"extern_id": "1.23E+05"}, idnumber="person_id", username={"recipe": "extern_id"})
    assert done.candidates["username"].tolist() == [""]
    assert codes(done) == [("other_id_spoilt", ""), ("extern_id_missing", "create")]


def test_reasons_go_by_person_and_then_by_rule() -> None:
    done = run({"email1": "", "firstname": ""}, {}, {"extern_id": "", "lastname": ""})
    assert done.reasons["row"].tolist() == [2, 2, 4, 4]
    assert done.reasons["code"].tolist() == [
        "firstname_missing",
        "email_missing",
        "idnumber_missing",
        "lastname_missing",
    ]
    assert (done.counts.rejected, done.counts.not_creatable) == (1, 1)


def test_people_looked_at_in_parts_become_what_they_become_together(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [
        {
            "extern_id": f"E{number}" * (number % 9 > 0),
            "firstname": "Zoë" * (number % 4),
            "email1": "a@" * (number % 2),
            "inactive": number % 5 == 0,
        }
        for number in range(40)
    ]
    whole = run(*people)
    monkeypatch.setattr("moodle_coupling.people.transform.ROWS_AT_ONCE", 7)
    parts = run(*people)
    assert len(whole.reasons) > 20
    pd.testing.assert_frame_equal(parts.candidates, whole.candidates)
    pd.testing.assert_frame_equal(parts.reasons, whole.reasons)
    assert parts.counts == whole.counts
    with pytest.raises(InputError, match="more than once"):
        transform(pd.DataFrame({"row": [1, *range(1, 20)]}), mapping())
    with pytest.raises(InputError, match="no column 'row'"):
        transform(pd.DataFrame({"person_id": ["1"] * 20}), mapping())


def test_a_column_that_there_is_not_is_an_error_with_key_and_the_closest() -> None:
    broken = mapping().model_copy(
        update={
            "fields": {
                "city": mapping(fields={"city": {"column": "city"}})
                .fields["city"]
                .model_copy(update={"column": "citty"})
            }
        }
    )
    with pytest.raises(MappingError, match=r"'demo': fields\.city\.column names 'citty'.*did you mean 'city'\?"):
        transform(pd.DataFrame({"row": [2]}), broken)


def test_a_frame_without_row_or_with_one_twice_is_an_error() -> None:
    with pytest.raises(InputError, match="no column 'row'"):
        transform(pd.DataFrame({"person_id": ["1"]}), mapping())
    with pytest.raises(InputError, match="more than once"):
        transform(pd.DataFrame({"row": [2, 2]}), mapping())


def test_no_persons_make_no_candidates() -> None:
    empty = pd.DataFrame({column.name: pd.Series([], dtype=column.dtype) for column in PERSON_COLUMNS})
    done = transform(empty, mapping(username={"recipe": "initials_infix_last"}))
    assert len(done.candidates) == len(done.reasons) == 0
    assert str(done.candidates["username"].dtype) == "str"


def test_every_rule_is_declared_once_and_speaks_both_languages() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    for language in languages():
        codes = entries(language).keys()
        assert [rule.code for rule in RULES if not {f"rule.{rule.code}", f"rule.{rule.code}.mend"} <= codes] == []


@pytest.mark.parametrize(
    "address",
    [
        "jan@example.org", "jan.o'neil+x@sub.example.org", "JAN@EXAMPLE.ORG", "a@b.nl", "jan@xn--exmple-cua.org",
        "jan_1@ex-ample.org", "jan@1.nl", "e" * 63 + "@" + "d" * 23 + ".example.org",
    ],
)  # fmt: skip
def test_takes_the_addresses_that_moodle_takes(address: str) -> None:
    assert is_email(to_texts([address])).tolist() == [True]


@pytest.mark.parametrize(
    "address",
    [
        "", "jan", "jan@", "jan@localhost", "jan@@example.org", "jan jansen@example.org", "jan@exämple.org",
        "jän@example.org", "jan@example.org.", '"jan jansen"@example.org', ".jan@example.org", "jan.@example.org",
        "j..n@example.org", "jan@-example.org", "jan@example.1", "jan@exa_mple.org", "<jan@example.org>",
        "a@b.nl;c@d.nl", "a" * 65 + "@example.org", "a@" + "b" * 64 + ".org", "mailto:jan@example.org",
    ],
)  # fmt: skip
def test_refuses_the_addresses_that_moodle_refuses(address: str) -> None:
    assert is_email(to_texts([address])).tolist() == [False]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("<b>Jan</b>", True),
        ("A < B", False),
        ("a<b", True),
        ("a <", True),
        ("a > b", False),
        ("<3", True),
        ("x", False),
    ],
)
def test_knows_a_tag_as_strip_tags_does(text: str, tags: bool) -> None:
    assert has_tags(to_texts([text])).tolist() == [tags]


person_texts = st.fixed_dictionaries(
    {name: st.text(st.characters(exclude_categories=["Cs"]), max_size=12) for name in GOOD}
)


@settings(max_examples=60)
@given(st.lists(person_texts, min_size=1, max_size=5))
def test_whatever_goes_in_each_person_comes_out_once_in_declared_columns(people: list[dict[str, str]]) -> None:
    done = run(*people)
    assert done.candidates["row"].tolist() == list(range(2, len(people) + 2))
    assert set(done.reasons["row"]) <= set(done.candidates["row"])
    lacks = done.candidates["username"].eq("")
    creatable = ~done.candidates["row"].isin(done.reasons.loc[done.reasons["blocks"].ne(""), "row"])
    assert not (lacks & creatable).any()


class TestSomebodyWithOneName:
    PERSONS = pd.DataFrame(
        {
            "row": [1, 2, 3, 4],
            "extern_id": ["A1", "A2", "A3", "A4"],
            "firstname": ["Suharto", "", "", "Jan"],
            "lastname": ["", "Suharto", "", "Jansen"],
            "email1": ["a@example.org", "b@example.org", "c@example.org", "d@example.org"],
        }
    )

    def transformed(self, **keys):
        mapping = {"environment": "demo", "connection": "c", "source": {"path": "a"}, "idnumber": "extern_id"}
        return transform(self.PERSONS, Mapping.model_validate(mapping | keys))

    def test_without_a_word_such_a_person_is_rejected(self):
        found = self.transformed()
        assert found.candidates["lastname"].tolist() == ["", "Suharto", "", "Jansen"]
        assert set(found.reasons["code"]) >= {"firstname_missing", "lastname_missing"}

    def test_what_the_mapping_says_stands_for_the_other_name_and_never_for_both(self):
        found = self.transformed(missing_names={"firstname": "-", "lastname": "."})
        assert found.candidates["firstname"].tolist() == ["Suharto", "-", "", "Jan"]
        assert found.candidates["lastname"].tolist() == [".", "Suharto", "", "Jansen"]
        assert set(found.reasons["row"]) == {3}

    def test_it_is_no_part_of_the_username(self):
        found = self.transformed(missing_names={"firstname": "x", "lastname": "x"})
        assert found.candidates["username"].tolist() == ["suharto", "suharto", "", "jan-jansen"]


class TestCountries:
    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ("NL", "NL"), ("nl", "NL"), ("Nederland", "NL"), ("THE NETHERLANDS", "NL"), ("Niederlande", "NL"), ("Pays-Bas", "NL"),
            ("NLD", "NL"), ("gbr", "GB"), ("USA", "US"), ("Verenigde Staten", "US"), ("Côte d’Ivoire", "CI"), ("Tsjechie", "CZ"),
            ("België", "BE"), ("Belgique", "BE"), ("Österreich", "AT"), ("", ""),
        ],
    )  # fmt: skip
    def test_names_and_codes_become_moodles_code(self, said: str, code: str) -> None:
        done = run({"country": said}, fields={"country": {"column": "country"}})
        assert done.candidates.loc[0, "country"] == code
        assert codes(done) == []

    @pytest.mark.parametrize(
        ("said", "hint"),
        [
            ("Nederlandd", " Did you mean 'NL'?"),
            ("UK", " Did you mean 'GB'?"),
            ("Kongo", ""),
            ("ZZ", ""),
            ("Atlantis", ""),
        ],
    )
    def test_what_names_none_or_several_is_left_out_with_the_likeliest(self, said: str, hint: str) -> None:
        done = run({"country": said}, fields={"country": {"column": "country"}})
        assert done.candidates.loc[0, "country"] == ""
        message = ENGLISH.say(done.reasons.iloc[0]["said"])
        assert message.endswith(hint) if hint else "Did you mean" not in message


class TestValueMap:
    FIELD: ClassVar[dict[str, Any]] = {"column": "free1", "value_map": {"ja": "1", "Nee": "0", "weg": ""}}

    def done(self, said: str, **more: Any) -> Transformed:
        return run({"free1": said}, profile_fields={"vip": self.FIELD | more})

    @pytest.mark.parametrize(("said", "value"), [("ja", "1"), ("JA", "1"), (" nee ", "0"), ("weg", ""), ("", "")])
    def test_a_value_becomes_what_the_map_says(self, said: str, value: str) -> None:
        done = self.done(said)
        assert done.candidates.loc[0, "profile_field_vip"] == value
        assert codes(done) == []

    @pytest.mark.parametrize(
        ("unmatched", "value", "found"),
        [
            ("leave_out", "", [("value_unmatched", "")]),
            ("keep", "misschien", []),
            ("reject", "", [("value_unmatched", "all")]),
        ],
    )
    def test_what_it_does_not_name_goes_as_the_mapping_says(
        self, unmatched: str, value: str, found: list[tuple[str, str]]
    ) -> None:
        done = self.done("misschien", unmatched=unmatched)
        assert done.candidates.loc[0, "profile_field_vip"] == value
        assert codes(done) == found
        if found:
            assert done.reasons.iloc[0]["field"] == "profile_field_vip"

    def test_the_default_is_for_an_empty_column_only(self) -> None:
        assert self.done("", default="0").candidates.loc[0, "profile_field_vip"] == "0"
        assert self.done("?", default="0").candidates.loc[0, "profile_field_vip"] == ""
        assert self.done("weg", default="0").candidates.loc[0, "profile_field_vip"] == ""

    def test_a_map_comes_before_the_names_of_countries(self) -> None:
        field = {"column": "country", "value_map": {"Holland": "NL"}, "unmatched": "keep"}
        for said, code in (("holland", "NL"), ("Duitsland", "DE")):
            assert run({"country": said}, fields={"country": field}).candidates.loc[0, "country"] == code

    def test_letters_of_two_rows_that_differ_in_case_only_are_told_apart(self) -> None:
        table = {"a": "1", "A": "2", "ß": "3"}
        found = [self.done(said, value_map=table).candidates.loc[0, "profile_field_vip"] for said in ("a", "A", "SS")]
        assert found == ["1", "2", "3"]
