"""What a mapping may say, and what it is told when it says something else."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from moodle_coupling.contract.fields import COUNTRIES
from moodle_coupling.mapping import (
    Condition,
    FieldValue,
    IdnumberFrom,
    LeaverPolicy,
    Limit,
    Mapping,
    Matching,
    Schedule,
    SnapshotStrategy,
    Username,
    UsernameRecipe,
    Write,
)
from moodle_coupling.mapping.checks import constant_problem
from moodle_coupling.mapping.expressions import PRESETS, cron_problem
from moodle_coupling.sources.database.settings import SqlSource
from moodle_coupling.sources.files.settings import FileSource


def make(**keys: Any) -> Mapping:
    return Mapping.model_validate(
        {"environment": "demo", "connection": "moodle_demo", "source": {"path": "a.csv"}, "idnumber": "extern_id"}
        | keys
    )


def complaint(**keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        make(**keys)
    return "\n".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in caught.value.errors())


def test_four_keys_make_a_mapping_and_the_rest_is_careful():
    mapping = make()
    assert mapping.idnumber is IdnumberFrom.EXTERN_ID
    assert mapping.username == Username(recipe=UsernameRecipe.FIRST_INFIX_LAST, separator="-")
    assert mapping.email == ["email1", "email2", "email3"]
    assert mapping.leavers.policy is LeaverPolicy.REPORT
    assert mapping.matching.link_on == []
    assert mapping.scope.include == []
    assert not mapping.scope.inactive
    assert not mapping.username.rename
    assert mapping.schedule.provision is None
    assert mapping.schedule.reconcile is None
    assert mapping.path is None


def test_a_mapping_does_not_change_once_read():
    with pytest.raises(ValidationError, match="frozen"):
        make().title = "other"


def test_a_mapping_survives_pickling_and_dumping():
    mapping = make(fields={"auth": {"value": "manual"}})
    assert pickle.loads(pickle.dumps(mapping)) == mapping
    assert Mapping.model_validate(mapping.model_dump(mode="json")) == mapping


@pytest.mark.parametrize("name", ["Demo", "1demo", "de-mo", "de mo", "", "é", "a" * 64, "demo\n"])
def test_an_environment_is_small_letters_digits_and_underscores(name):
    assert "environment" in complaint(environment=name)


class TestConnection:
    @pytest.mark.parametrize("name", ["moodle_demo", "moodle-demo", "Moodle.1", "a/b"])
    def test_it_is_an_airflow_connection_id(self, name):
        assert make(connection=name).connection == name

    @pytest.mark.parametrize("name", ["", "a b", "${MOODLE}", "{{ conn }}", "https://moodle.example.org"])
    def test_anything_else_is_refused(self, name):
        assert "must be the id of an Airflow connection" in complaint(connection=name)

    def test_what_was_written_there_is_not_repeated_for_it_may_be_a_secret(self):
        with pytest.raises(ValidationError) as caught:
            make(connection="token 0123456789abcdef")
        assert "0123456789abcdef" not in caught.value.errors()[0]["msg"]


class TestSource:
    @pytest.mark.parametrize("path", ["${HOME}/persons.csv", "/data/{{ ds }}.csv"])
    def test_variables_and_templates_in_a_path_are_refused_for_nothing_fills_them_in(self, path):
        assert "not filled in" in complaint(source={"path": path})

    @pytest.mark.parametrize(
        ("written", "meant"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), (";", ";"), ("auto", "auto")]
    )
    def test_a_tab_may_be_called_tab(self, written, meant):
        assert FileSource(path="a", delimiter=written).delimiter == meant

    def test_an_unknown_encoding_is_named_with_the_likely_one(self):
        assert "did you mean 'cp1252'" in complaint(source={"path": "a", "encoding": "cp1525"})

    def test_a_name_of_ones_own_adds_a_free_column_that_fields_can_use(self):
        mapping = make(
            source={"path": "a", "columns": {"cost_centre": "Kostenplaats"}},
            profile_fields={"kp": {"column": "cost_centre"}},
        )
        assert mapping.profile_fields["kp"].column == "cost_centre"

    def test_the_line_number_cannot_come_from_a_file(self):
        assert "source.columns.row: 'row' is the line number" in complaint(
            source={"path": "a", "columns": {"row": "Nr"}}
        )

    def test_nor_can_what_is_found_about_a_person_here(self):
        assert "give the field another name" in complaint(source={"path": "a", "columns": {"sources_differ": "X"}})

    def test_heading_and_name_the_wrong_way_round_are_turned_round(self):
        said = complaint(source={"path": "a", "columns": {"Voornaam": "firstname"}})
        assert "firstname: Voornaam" in said

    def test_a_misspelt_column_that_nothing_uses_is_pointed_out(self):
        assert "did you mean 'firstname'" in complaint(source={"path": "a", "columns": {"firstnam": "Voornaam"}})

    def test_a_file_cannot_bring_usernames(self):
        assert "the key 'username' says" in complaint(source={"path": "a", "columns": {"username": "Inlognaam"}})

    @pytest.mark.parametrize("path", ["sftp://school:a-secret@host/p.csv", "s3://key:a-secret@bucket/p.csv"])
    def test_a_password_in_an_address_is_refused_and_not_repeated(self, path):
        said = complaint(source={"path": path})
        assert "make an Airflow connection" in said
        assert "a-secret" not in said

    @pytest.mark.parametrize("path", ["s3://conn@bucket/p.csv", "sftp://drop@host:22/p.csv", "C:/x@y/p.csv"])
    def test_a_connection_or_a_port_in_an_address_is_no_password(self, path):
        assert make(source={"path": path}).sources[0].path == path

    def test_a_sixth_free_field_may_wait_to_be_used(self):
        assert make(source={"path": "a", "columns": {"free6": "Vrij veld 6"}}).source.columns == {
            "free6": "Vrij veld 6"
        }


SQL = {"type": "sql", "connection": "hr_db", "table": "hr.persons"}


class TestSqlSource:
    def test_a_table_and_a_connection_are_enough(self):
        source = make(source=SQL).source
        assert isinstance(source, SqlSource)
        assert str(source.where(Path("/"))) == "hr.persons of connection 'hr_db'"
        assert (source.changed_column, source.overlap_minutes, source.chunk_size) == ("", 10, 10_000)

    def test_a_query_loses_its_semicolon(self):
        assert make(source={"type": "sql", "connection": "hr_db", "query": " SELECT 1 ; "}).source.query == "SELECT 1"

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"query": "SELECT 1"}, "source.query: say either 'table' or 'query'"),
            ({"table": ""}, "source: say either 'table' or 'query'"),
            ({"table": "hr.per sons"}, "'hr.per sons' is no plain name"),
            ({"table": "persons; DROP TABLE x"}, "is no plain name"),
            ({"changed_column": "p.changed"}, "'p.changed' is no plain name"),
            ({"connection": "postgresql://u:a-secret@host"}, "must be the id of an Airflow connection"),
            ({"count": "DELETE FROM x"}, "source.count: must be one SELECT"),
            ({"changed_column": "a", "changed_query": "SELECT 1"}, "source.changed_query: must use :since"),
            ({"changed_query": "SELECT 1 WHERE a > :since"}, "source.changed_query: needs changed_column"),
        ],
    )
    def test_what_does_not_fit_is_told_at_its_key(self, more, said):
        found = complaint(source=SQL | more).replace("Value error, ", "")
        assert said in found
        assert "a-secret" not in found


class TestSeveralSources:
    def test_a_list_keeps_its_order(self):
        mapping = make(source=[SQL, {"path": "a.csv"}])
        assert [source.type for source in mapping.sources] == ["sql", "file"]
        assert make().sources == (make().source,)

    def test_settings_made_in_code_are_taken_as_they_are(self):
        made = FileSource(path="a.csv")
        assert make(source=made).source is made
        assert make(source=[made, SQL]).sources[0] is made

    def test_a_list_of_nothing_is_refused(self):
        assert "source: List should have at least 1" in complaint(source=[])

    def test_what_is_wrong_is_told_with_its_place_in_the_list(self):
        said = complaint(source=[{"path": "a.csv"}, {"type": "sqll"}, SQL | {"chunk_size": 1}])
        assert "source.1.type: " in said
        assert "'sqll' is not one of file, sql" in said
        assert "source.2.chunk_size" in said

    def test_free_columns_of_each_can_be_used(self):
        sources = [{"path": "a", "columns": {"klas": "Klas"}}, SQL | {"columns": {"team": "team"}}]
        fields = {"klas": {"column": "klas"}, "team": {"column": "team"}}
        assert len(make(source=sources, profile_fields=fields).profile_fields) == 2

    def test_a_misspelt_column_is_pointed_out_in_its_own_source(self):
        sources = [{"path": "a"}, {"path": "b", "columns": {"firstnam": "Voornaam"}}]
        assert "source.1.columns.firstnam" in complaint(source=sources)

    def test_a_mapping_survives_being_written_out(self):
        mapping = make(source=[SQL, {"path": "a.csv"}])
        assert Mapping.model_validate(mapping.model_dump()) == mapping
        assert Mapping.model_validate_json(mapping.model_dump_json()) == mapping


class TestUsername:
    @pytest.mark.parametrize("separator", ["", "-", ".", "_"])
    def test_four_separators_are_possible(self, separator):
        assert Username(separator=separator).separator == separator

    @pytest.mark.parametrize("separator", ["--", " ", "+", "a", "-\n"])
    def test_no_other_separator_is(self, separator):
        with pytest.raises(ValidationError):
            Username(separator=separator)

    def test_a_transliteration_holds_for_the_capital_too(self):
        assert Username(transliterate={"ü": "ue", "ij": "y"}).transliterate == {
            "ü": "ue",
            "Ü": "ue",
            "ij": "y",
            "IJ": "y",
            "Ij": "y",
        }

    def test_what_is_said_of_a_capital_itself_is_kept(self):
        assert Username(transliterate={"ü": "ue", "Ü": "u"}).transliterate == {"ü": "ue", "Ü": "u"}

    def test_sharp_s_does_not_catch_every_double_s(self):
        assert Username(transliterate={"ß": "sz"}).transliterate == {"ß": "sz"}

    def test_letters_are_compared_composed(self):
        assert "ü" in Username(transliterate={"u\u0308": "ue"}).transliterate

    def test_a_letter_may_be_dropped(self):
        assert Username(transliterate={"ь": ""}).transliterate["ь"] == ""

    @pytest.mark.parametrize(("letters", "plain"), [("", "x"), ("ü", "ü"), ("я", "ю")])
    def test_something_becomes_plain_letters(self, letters, plain):
        with pytest.raises(ValidationError):
            Username(transliterate={letters: plain})


@pytest.mark.parametrize("order", [[], ["email1", "email1"], ["email4"], ["email1", "email2", "email3", "email1"]])
def test_email_columns_are_named_once_and_at_least_one(order):
    assert "email" in complaint(email=order)


class TestFields:
    @pytest.mark.parametrize("said", [{}, {"column": "city", "value": "Utrecht"}, {"default": "x"}])
    def test_a_field_has_one_origin(self, said):
        with pytest.raises(ValidationError, match="either 'column' or 'value'"):
            FieldValue(**said)

    def test_a_default_beside_a_constant_means_nothing(self):
        with pytest.raises(ValidationError, match="'default' goes with 'column'"):
            FieldValue(value="NL", default="BE")

    @pytest.mark.parametrize("column", ["contry", "row", "inactive", ""])
    def test_only_text_columns_that_there_are_can_be_used(self, column):
        assert "fields.country.column: there is no column" in complaint(fields={"country": {"column": column}})

    def test_a_misspelt_column_is_answered_with_the_likely_one(self):
        assert "did you mean 'country'?" in complaint(fields={"country": {"column": "contry"}})

    @pytest.mark.parametrize("shortname", ["customfield1", "BIG_nummer", "1", "value", "a" * 100])
    def test_profile_fields_go_by_shortname(self, shortname):
        assert shortname in make(profile_fields={shortname: {"column": "free1"}}).profile_fields

    @pytest.mark.parametrize("shortname", ["", "a b", "a-b", "é", "a.b", "a" * 101])
    def test_a_shortname_moodle_cannot_have_is_refused(self, shortname):
        assert "no shortname of a profile field" in complaint(profile_fields={shortname: {"column": "free1"}})

    def test_ten_profile_fields_are_no_problem(self):
        fields = {f"field{number}": {"column": f"free{number}"} for number in range(1, 11)}
        columns = {f"free{number}": f"Vrij veld {number}" for number in range(1, 11)}
        assert len(make(source={"path": "a", "columns": columns}, profile_fields=fields).profile_fields) == 10

    def test_several_wrong_things_are_told_together(self):
        said = complaint(
            fields={"country": {"value": "nl"}, "city": {"column": "town"}, "auth": {"value": "Manual"}},
            profile_fields={"x": {"value": "a" * 2049}},
        )
        assert len(said.splitlines()) == 4


class TestWritePolicy:
    def test_auth_is_written_on_create_when_nothing_is_said(self):
        mapping = make(fields={"auth": {"value": "oidc"}, "city": {"column": "city"}})
        assert mapping.fields["auth"].write is Write.ON_CREATE
        assert mapping.fields["city"].write is Write.ALWAYS

    def test_auth_is_written_always_when_that_is_said(self):
        assert make(fields={"auth": {"value": "oidc", "write": "always"}}).fields["auth"].write is Write.ALWAYS

    def test_it_is_known_for_every_field_by_its_name_in_moodle(self):
        mapping = make(
            fields={"auth": {"value": "oidc"}, "country": {"value": "NL", "write": "if_empty"}},
            profile_fields={"start": {"column": "free1", "write": "on_create"}},
            write={"email": "if_empty"},
        )
        names = ("idnumber", "firstname", "email", "username", "auth", "country", "profile_field_start")
        assert [mapping.write_policy(name).value for name in names] == [
            "always",
            "always",
            "if_empty",
            "on_create",
            "on_create",
            "if_empty",
            "on_create",
        ]

    def test_a_username_is_written_always_where_accounts_are_renamed(self):
        assert make(username={"rename": True}).write_policy("username") is Write.ALWAYS

    def test_when_the_idnumber_is_written_cannot_be_chosen(self):
        assert "write" in complaint(write={"idnumber": "if_empty"})


class TestConstants:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("auth", "manual"),
            ("auth", "saml2"),
            ("lang", "nl"),
            ("lang", "en_us"),
            ("lang", "zh_cn"),
            ("country", "NL"),
            ("country", "NO"),
            ("timezone", "Europe/Amsterdam"),
            ("timezone", "99"),
            ("theme", "boost"),
            ("city", "a" * 120),
            ("city", "'s-Hertogenbosch"),
            ("institution", "A < B"),
            ("department", ""),
        ],
    )
    def test_what_moodle_takes_passes(self, field, value):
        assert constant_problem(field, value) is None

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("auth", "OIDC", "did you mean 'oidc'?"),
            ("auth", "", "no name of a plugin"),
            ("lang", "nl-NL", "did you mean 'nl_nl'?"),
            ("lang", "Dutch", "no language code"),
            ("lang", "", "no language code"),
            ("country", "nl", "did you mean 'NL'?"),
            ("country", "UK", "did you mean 'GB'?"),
            ("country", "Nederland", "two capitals"),
            ("country", "XX", "two capitals"),
            ("country", "", "two capitals"),
            ("timezone", "Europe/Amsterdm", "did you mean 'Europe/Amsterdam'?"),
            ("timezone", "../etc/passwd", "not a time zone"),
            ("theme", "Boost", "did you mean 'boost'?"),
            ("city", "a" * 121, "more than 120"),
            ("institution", "a" * 256, "more than 255"),
            ("department", "<b>x</b>", "tag"),
        ],
    )
    def test_what_moodle_refuses_or_spoils_is_said(self, field, value, said):
        assert said in str(constant_problem(field, value))
        assert f"fields.{field}.value: " in complaint(fields={field: {"value": value}})

    def test_a_default_is_checked_like_a_constant(self):
        assert "fields.country.default" in complaint(fields={"country": {"column": "country", "default": "nl"}})

    def test_an_empty_default_is_no_default(self):
        assert make(fields={"country": {"column": "country", "default": ""}}).fields["country"].default == ""

    def test_the_countries_are_those_of_iso_3166(self):
        assert len(COUNTRIES) == 249
        assert all(len(code) == 2 and code.isascii() and code.isupper() for code in COUNTRIES)

    @pytest.mark.parametrize("auth", ["manual", "email", "nologin", "lti", "none"])
    def test_an_account_that_needs_a_password_cannot_go_without(self, auth):
        assert "password: Moodle refuses" in complaint(password="none", fields={"auth": {"value": auth}})

    def test_an_account_with_its_password_elsewhere_can(self):
        assert make(password="none", fields={"auth": {"value": "oidc"}}).password == "none"


class TestCondition:
    @pytest.mark.parametrize(
        "test",
        [
            {"equals": ""},
            {"not_equals": "x"},
            {"any_of": ["x"]},
            {"none_of": ["x"]},
            {"matches": "[0-9]+"},
            {"not_empty": False},
        ],
    )
    def test_each_test_can_stand_alone(self, test):
        Condition.model_validate({"column": "free1"} | test)

    @pytest.mark.parametrize("tests", [{}, {"equals": "x", "not_empty": True}, {"any_of": ["a"], "none_of": ["b"]}])
    def test_exactly_one_test(self, tests):
        with pytest.raises(ValidationError, match="exactly one test"):
            Condition.model_validate({"column": "free1"} | tests)

    @pytest.mark.parametrize("tests", [{"any_of": []}, {"none_of": []}])
    def test_a_list_to_choose_from_holds_something(self, tests):
        with pytest.raises(ValidationError):
            Condition.model_validate({"column": "free1"} | tests)

    @pytest.mark.parametrize("pattern", ["(", "[", "*a", "[[a]", "a{99999999999}"])
    def test_a_regular_expression_must_be_one(self, pattern):
        with pytest.raises(ValidationError, match="not a regular expression"):
            Condition(column="free1", matches=pattern)

    def test_its_column_must_exist(self):
        said = complaint(scope={"include": [{"column": "city", "equals": "x"}, {"column": "sity", "equals": "x"}]})
        assert said.startswith("scope.include.1.column: there is no column 'sity'")

    def test_whether_inactive_persons_belong_is_said_elsewhere(self):
        assert "scope.inactive" in complaint(scope={"include": [{"column": "inactive", "equals": "x"}]})


@pytest.mark.parametrize("key", ["protected_usernames", "protected_idnumbers"])
def test_protecting_the_empty_text_is_refused_for_it_would_protect_everyone_without_one(key):
    with pytest.raises(ValidationError):
        Matching.model_validate({key: [""]})


def cron_field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    item = st.one_of(
        st.sampled_from(["*", "*/5", "*/70"]),
        number.map(str),
        st.builds("{}-{}/{}".format, number, number, st.integers(0, most)),
        st.builds("{0[0]}-{0[1]}".format, st.tuples(number, number).map(sorted)),
        st.from_regex(r"[0-9a-z*,/#\-]{1,4}", fullmatch=True),
    )
    return st.one_of(item, st.builds("{},{}".format, item, item))


CRON = st.tuples(*(cron_field(*bounds) for bounds in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7)))).map(" ".join)


class TestSchedule:
    @pytest.mark.parametrize(
        "expression",
        [
            "* * * * *",
            "*/15 6-20 * * 1-5",
            "30 5 * * mon-fri",
            "0 0 1,15 jan,JUL *",
            "0 0 29 2 *",
            "0 0 30 2 1",
            "0 6 * * 1#1",
            "0 0 * * 7",
            *PRESETS,
        ],
    )
    def test_what_cron_knows_passes(self, expression):
        assert Schedule(provision=expression).provision == expression

    @pytest.mark.parametrize(
        ("expression", "said"),
        [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("0 * * * * *", "6 fields"),
            ("60 * * * *", "minute '60' is not between 0 and 59"),
            ("0 24 * * *", "hour '24'"),
            ("0 0 0 * *", "day of the month '0'"),
            ("0 0 * 13 *", "month '13'"),
            ("0 0 * * 8", "day of the week '8'"),
            ("0 0 * * mo", "did you mean 'mon'?"),
            ("0 22-4 * * *", "runs backwards; write 22-23,0-4"),
            ("0 0 30 2 *,6/44", "never comes"),
            ("*/0 * * * *", "not understood"),
            ("a b c d e", "minute 'a'"),
            ("0 0 30 2 *", "never comes"),
            ("0 0 31 4,6 *", "never comes"),
            ("@dayly", "did you mean '@daily'?"),
            ("@continuous", "is not one of"),
        ],
    )
    def test_what_airflow_could_not_run_by_is_explained(self, expression, said):
        assert said in str(cron_problem(expression))
        assert said in complaint(schedule={"reconcile": expression})

    @given(CRON.filter(lambda expression: not cron_problem(expression)))
    @pytest.mark.clock
    def test_whatever_passes_here_gives_airflows_cron_library_a_next_time(self, expression):
        for start in (datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)):
            assert croniter(expression, start).get_next(datetime) > start

    def test_spaces_too_many_do_not_matter(self):
        assert Schedule(provision=" 0  5 * * * ").provision == "0 5 * * *"

    @pytest.mark.parametrize("zone", ["Europe/Amsterdm", "CEST", "", "Europe", "../x"])
    def test_a_time_zone_must_exist(self, zone):
        assert "not a time zone" in complaint(schedule={"timezone": zone})


@pytest.mark.parametrize(
    "section",
    [
        "username",
        "fields",
        "scope",
        "matching",
        "leavers",
        "snapshot",
        "safeguards",
        "limits",
        "notify",
        "schedule",
        "email",
    ],
)
def test_a_section_with_nothing_in_it_says_nothing(section):
    assert make(**{section: None}) == make()


def test_a_required_section_with_nothing_in_it_is_an_error():
    assert "source" in complaint(source=None)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("limits", {"chunk_size": 99}),
        ("limits", {"chunk_size": 100_001}),
        ("limits", {"tolerated_failures": 1.1}),
        ("limits", {"tolerated_failures": -0.1}),
        ("limits", {"stop_share": 0}),
        ("limits", {"stop_share": 1.1}),
        ("limits", {"stop_minimum": 0}),
        ("safeguards", {"suspensions": {"count": -1}}),
        ("safeguards", {"suspensions": {"share": -0.1}}),
        ("safeguards", {"source_shrunk": 0}),
        ("safeguards", {"source_shrunk": 1.1}),
        ("safeguards", {"approval_hours": 0}),
        ("safeguards", {"approval_hours": 721}),
        ("leavers", {"grace_days": -1}),
        ("leavers", {"policy": "delete"}),
        ("snapshot", {"strategy": "quick"}),
        ("snapshot", {"report": ""}),
        ("snapshot", {"report": 0}),
        ("snapshot", {"report": "-3"}),
        ("matching", {"link_on": ["idnumber"]}),
    ],
)
def test_bounds_and_choices_are_kept(section, values):
    assert section in complaint(**{section: values})


class TestSafeguards:
    def test_every_limit_is_watched_when_nothing_is_said(self):
        said = make().safeguards.model_dump()
        assert "off" not in said.values()
        assert said["first_load"] is True
        assert said["source_empty"] is True

    def test_a_limit_with_one_number_is_about_that_number_only(self):
        safeguards = make(safeguards={"rekeys": {"count": 3}, "renames": {"share": "0.1"}}).safeguards
        assert safeguards.rekeys == Limit(count=3, share=0)
        assert safeguards.renames == Limit(count=0, share=0.1)

    @pytest.mark.parametrize("name", ["updates", "source_shrunk"])
    def test_off_takes_a_limit_away_and_survives_dumping(self, name):
        mapping = make(safeguards={name: "off"})
        assert getattr(mapping.safeguards, name) is None
        assert Mapping.model_validate(mapping.model_dump(mode="json")) == mapping
        assert make(safeguards={name: False}) == mapping

    @pytest.mark.parametrize("name", ["suspensions", "source_shrunk", "first_load"])
    def test_an_emptied_key_does_not_switch_a_safeguard_off(self, name):
        assert f"safeguards.{name}" in complaint(safeguards={name: None})

    def test_a_limit_that_says_nothing_is_an_error(self):
        assert "'count', 'share' or both" in complaint(safeguards={"creates": {}})


class TestNotify:
    def test_nobody_is_told_unless_said(self):
        assert make().notify.to == []
        assert make().notify.connection == "smtp_default"

    @pytest.mark.parametrize(
        "address", ["anna", "anna@", "anna@example.org, jan@example.org", "Anna <anna@example.org>", ""]
    )
    def test_each_is_one_plain_address(self, address):
        assert "notify.to.1" in complaint(notify={"to": ["anna@example.org", address]})

    def test_the_sender_is_a_connection_and_never_an_address(self):
        assert "notify.connection" in complaint(notify={"connection": "smtp://user:secret@example.org"})


class TestSnapshot:
    def test_nothing_said_means_choose(self):
        settings = make().snapshot
        assert (settings.strategy, settings.report) == (SnapshotStrategy.AUTO, "Moodle coupling")

    @pytest.mark.parametrize(("said", "meant"), [(12, 12), (" 12 ", 12), (" Alle gebruikers ", "Alle gebruikers")])
    def test_a_report_is_a_number_or_a_name(self, said, meant):
        assert make(snapshot={"report": said}).snapshot.report == meant
