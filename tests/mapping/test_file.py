"""Mapping files on disk: each error at its line, the traps of YAML disarmed, the examples and the schema in order."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import jsonschema
import make_docs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.errors import MappingError
from moodle_coupling.mapping import Mapping, Write
from moodle_coupling.mapping.file import (
    MappingFileError,
    json_schema,
    load_mapping,
    source_base,
    source_path,
    write_schema,
)
from moodle_coupling.mapping.folder import Shared, find_mapping, load_all, shared_connections

ROOT = Path(__file__).resolve().parents[2]
MAPPINGS = ROOT / "include" / "mappings"
EXAMPLES = [MAPPINGS / "demo.yaml", MAPPINGS / "demo_file.yaml", *sorted((MAPPINGS / "examples").glob("*.yaml"))]

MINIMAL = """\
environment: demo
connection: moodle_demo
source:
  path: persons.csv
idnumber: extern_id
"""


def write(folder: Path, text: str | bytes, name: str = "demo.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path, text: str | bytes) -> Mapping:
    return load_mapping(write(folder, text))


def complaints(folder: Path, text: str | bytes) -> list[str]:
    """The errors of a file, each as 'line:column: key: text'."""
    with pytest.raises(MappingFileError) as caught:
        load(folder, text)
    start = f"{folder}/demo.yaml:"
    lines = str(caught.value).splitlines()
    assert all(line.startswith(start) for line in lines)
    return [line.removeprefix(start) for line in lines]


def test_a_small_file_is_a_mapping(tmp_path):
    mapping = load(tmp_path, MINIMAL)
    assert (mapping.environment, mapping.connection, mapping.source.path) == ("demo", "moodle_demo", "persons.csv")


class TestEveryErrorHasItsPlace:
    def test_a_misspelt_recipe_is_named_with_file_line_column_key_and_suggestion(self, tmp_path, monkeypatch):
        write(tmp_path, MINIMAL + "username:\n  recipe: first_infix_lst\n")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(MappingError) as caught:
            load_mapping(Path("demo.yaml"))
        assert str(caught.value) == (
            "demo.yaml:7:3: username.recipe: 'first_infix_lst' is not one of email, first_infix_last, "
            "initials_infix_last, initial_infix_last, extern_id; did you mean 'first_infix_last'?"
        )

    def test_all_errors_of_a_file_are_told_at_once_in_its_order(self, tmp_path):
        text = MINIMAL + (
            "usrname: {}\n"
            "email: email1\n"
            "fields:\n"
            "  county: {value: NL}\n"
            "  country: {value: nl}\n"
            "  city: {column: ctiy}\n"
            "scope:\n"
            "  include:\n"
            "    - column: city\n"
            "      equals: a\n"
            "      not_empty: maybe\n"
            "limits: {chunk_size: 5}\n"
            "schedule: {provision: '* * *'}\n"
        )
        assert [line.partition(": ")[0] for line in complaints(tmp_path, text)] == [
            "6:1",
            "7:1",
            "9:3",
            "10:13",
            "11:10",
            "16:7",
            "17:10",
            "18:12",
        ]

    @pytest.mark.parametrize(
        ("addition", "expected"),
        [
            ("usrname: {}", "6:1: usrname: unknown key; did you mean 'username'?"),
            ("username: {recip: email}", "6:12: username.recip: unknown key; did you mean 'recipe'?"),
            ("fields:\n  land: {value: NL}", "7:3: fields.land: unknown key; did you mean 'lang'?"),
            (
                "profile_fields:\n  value: {colum: city}",
                "7:11: profile_fields.value.colum: unknown key; did you mean 'column'?",
            ),
            ("write: {emial: always}", "6:9: write.emial: unknown key; did you mean 'email'?"),
            (
                "matching: {link_on: [email, usrname]}",
                "6:29: matching.link_on[1]: 'usrname' is not one of email, username; did you mean 'username'?",
            ),
            ("matching: {shared_email: perhaps}", "6:12: matching.shared_email: 'perhaps' must be true or false"),
            ("email: email1", "6:1: email: must be a list, also when it holds one thing: [email1]"),
            ("limits: {chunk_size: 5_0}", "6:10: limits.chunk_size: '5_0' is below the least, 100"),
            ("limits: {chunk_size: many}", "6:10: limits.chunk_size: 'many' must be a whole number"),
            (
                "limits: {tolerated_failures: 7%}",
                "6:10: limits.tolerated_failures: '7%' must be a number, such as 0.05",
            ),
            ("limits: {tolerated_failures: 7}", "6:10: limits.tolerated_failures: '7' is above the most, 1.0"),
            ("title: [a]", "6:1: title: must be a text, not a list"),
            ("scope: {include: [a]}", "not 'a'"),
            (
                "username: email",
                "6:1: username: must hold keys (recipe, separator, transliterate, rename), not 'email'",
            ),
            ("fields: manual", "6:1: fields: must hold keys with values, not 'manual'"),
            ("fields:\n  city:", "7:3: fields.city: is empty"),
            ("fields: {suspended: {value: '1'}}", "who is suspended follows from 'scope' and 'leavers'"),
            ("fields: {idnumber: {column: extern_id}}", "'idnumber' is not set here"),
            ("username: {transliterate: {a: b, ü: ü}}", "6:34: username.transliterate.ü: must become plain letters"),
            ("profile_fields: {a: {column: free1}, 'b c': {column: free1}}", "6:38: profile_fields.b c: 'b c' is no"),
            (
                "scope: {include: [{column: contry, not_empty: yes}]}",
                "6:20: scope.include[0].column: there is no column",
            ),
            ("token: abc", "6:1: token: unknown key: the address and the token of a Moodle stand in the Airflow"),
        ],
    )
    def test_one_wrong_thing_gives_one_error_there(self, tmp_path, addition, expected):
        said = complaints(tmp_path, MINIMAL + addition + "\n")
        assert len(said) == 1
        assert expected in said[0]

    def test_a_missing_key_says_what_it_is_for(self, tmp_path):
        said = complaints(tmp_path, MINIMAL.replace("idnumber: extern_id\n", ""))
        assert said == [
            "1:1: idnumber: is missing: Which of the person's ids becomes Moodle's ID number, the key that joins a person and an account."
        ]

    def test_a_missing_key_inside_a_section_is_told_at_the_section(self, tmp_path):
        assert complaints(tmp_path, MINIMAL.replace("path: persons.csv", "type: file"))[0].startswith(
            "3:1: source.path: is missing"
        )

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (
                "{path: a.csv, query: SELECT 1}",
                "3:23: source.query: unknown key here: it belongs to a source of type sql",
            ),
            (
                "{type: sql, connection: hr, table: p, path: a}",
                "3:47: source.path: unknown key here: it belongs to a source",
            ),
            ("{type: sqll}", "3:10: source.type: 'sqll' is not one of file, sql, coachview; did you mean 'sql'?"),
            ("{path: a.csv, fomat: csv}", "3:23: source.fomat: unknown key; did you mean 'format'?"),
            ("{path: a.csv, password: x}", "3:23: source.password: unknown key: the address and the token of a source"),
            ("{type: sql, table: p}", "3:1: source.connection: is missing: Airflow connection of the database"),
            ("{type: sql, connection: hr}", "3:1: source: say either 'table' or 'query'"),
            (
                "{type: sql, connection: hr, table: p, chunk_size: 1}",
                "3:47: source.chunk_size: '1' is below the least, 100",
            ),
            ("a.csv", "3:1: source: must hold keys (name, columns, without, type, path"),
            (
                "[{path: a.csv}, {type: sql, conection: hr}]",
                "3:37: source[1].conection: unknown key; did you mean 'connection'?",
            ),
            ("[]", "3:1: source: must not be empty: Where the persons come from"),
        ],
    )
    def test_a_source_is_told_its_own_keys(self, tmp_path, source, expected):
        said = complaints(tmp_path, MINIMAL.replace("source:\n  path: persons.csv", f"source: {source}"))
        assert any(each.startswith(expected) for each in said), said

    def test_a_key_given_twice_is_an_error_with_both_lines(self, tmp_path):
        assert complaints(tmp_path, MINIMAL + "connection: other\n") == [
            "6:1: connection: given twice; first on line 2"
        ]

    def test_a_key_given_twice_deep_down_is_found_too(self, tmp_path):
        said = complaints(tmp_path, MINIMAL + "fields:\n  city: {value: a}\n  city: {value: b}\n")
        assert said == ["8:3: fields.city: given twice; first on line 7"]

    def test_the_environment_must_be_the_name_of_the_file(self, tmp_path):
        said = complaints(tmp_path, MINIMAL.replace("environment: demo", "environment: demo2"))
        assert said == [
            "1:1: environment: 'demo2' is not the name of the file; call the file demo2.yaml or say 'demo' here"
        ]

    def test_a_secret_in_the_wrong_place_is_not_repeated(self, tmp_path):
        secret = "0123456789abcdef"
        text = MINIMAL.replace("moodle_demo", f"https://moodle.example.org/?wstoken={secret}") + f"token: {secret}\n"
        assert secret not in "\n".join(complaints(tmp_path, text))

    def test_long_values_are_shortened(self, tmp_path):
        assert "x" * 61 not in complaints(tmp_path, MINIMAL + f"password: {'x' * 500}\n")[0]

    def test_the_error_carries_its_problems_also_to_another_process(self, tmp_path):
        with pytest.raises(MappingFileError) as caught:
            load(tmp_path, MINIMAL + "usrname: {}\n")
        again = pickle.loads(pickle.dumps(caught.value))
        assert str(again) == str(caught.value)
        assert [(each.line, each.column, each.key) for each in again.problems] == [(6, 1, "usrname")]


class TestYamlTraps:
    def test_texts_stay_as_they_are_written(self, tmp_path):
        written = ["no", "on", "1_000", "007", "1.10", "0x1F", "12:30", "2024-01-01", "1e3", ".5", "true", "=", "+31"]
        fields = "".join(f"  f{number}: {{value: {text}}}\n" for number, text in enumerate(written))
        mapping = load(tmp_path, f"{MINIMAL}profile_fields:\n{fields}")
        assert [field.value for field in mapping.profile_fields.values()] == written

    def test_norway_is_a_country(self, tmp_path):
        mapping = load(tmp_path, MINIMAL + "fields:\n  country: {value: NO}\n")
        assert mapping.fields["country"].value == "NO"

    def test_keys_stay_as_they_are_written_too(self, tmp_path):
        mapping = load(tmp_path, MINIMAL + "profile_fields:\n  no: {value: a}\n  007: {value: b}\n  null: {value: c}\n")
        assert list(mapping.profile_fields) == ["no", "007", "null"]

    def test_a_list_of_texts_keeps_them_as_written(self, tmp_path):
        mapping = load(
            tmp_path, MINIMAL + "scope:\n  include:\n    - column: categories\n      any_of: [no, 010, 1.0]\n"
        )
        assert mapping.scope.include[0].any_of == ["no", "010", "1.0"]

    def test_the_word_null_needs_quotes(self, tmp_path):
        said = complaints(tmp_path, MINIMAL + "matching: {protected_usernames: [null]}\n")
        assert said[0].startswith("6:34: matching.protected_usernames[0]: is empty")
        mapping = load(tmp_path, MINIMAL + "matching: {protected_usernames: ['null']}\n")
        assert mapping.matching.protected_usernames == ["null"]

    @pytest.mark.parametrize("word", ["true", "True", "yes", "on", "'true'"])
    def test_yes_is_yes(self, tmp_path, word):
        assert load(tmp_path, MINIMAL + f"scope: {{inactive: {word}}}\n").scope.inactive

    @pytest.mark.parametrize("word", ["false", "no", "off", "FALSE"])
    def test_no_is_no(self, tmp_path, word):
        assert not load(tmp_path, MINIMAL + f"infix_before_lastname: {word}\n").infix_before_lastname

    @pytest.mark.parametrize("number", ["5000", "5_000", "'5000'"])
    def test_numbers_are_numbers_where_a_number_is_meant(self, tmp_path, number):
        assert load(tmp_path, MINIMAL + f"limits: {{chunk_size: {number}}}\n").limits.chunk_size == 5000

    def test_a_section_whose_keys_are_all_comments_says_nothing(self, tmp_path):
        assert load(tmp_path, MINIMAL + "scope:\n  # inactive: true\nmatching:\n") == load(tmp_path, MINIMAL)

    def test_an_empty_separator_is_asked_about_for_it_may_mean_two_things(self, tmp_path):
        assert "6:12: username.separator: is empty" in complaints(tmp_path, MINIMAL + "username: {separator: }\n")[0]

    def test_nothing_is_filled_in_from_the_environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CITY", "Utrecht")
        mapping = load(tmp_path, MINIMAL + "fields:\n  city: {value: '${CITY} $CITY'}\n")
        assert mapping.fields["city"].value == "${CITY} $CITY"

    @pytest.mark.parametrize(
        ("addition", "said"),
        [
            ("schedule:\n  provision: @daily", "7:14: not YAML: found character that cannot start any token"),
            ("schedule:\n  provision: @daily", "a text that starts with @ means something else"),
            ("schedule:\n  provision: */5 * * * *", "a text that starts with * means something else"),
            ("username:\n  separator: -", "a text that starts with - means something else"),
            ("title: Academy: the site", "Put the value in quotes: there is a colon in it"),
            ("username:\n\trecipe: email", "The line is indented with a tab: use spaces"),
            ("title: 'Academy", "Look at the indentation and the quotes"),
            ("---\ntitle: x", "6:1: not YAML: but found another document. A mapping file is one document"),
        ],
    )
    def test_what_is_not_yaml_is_explained(self, tmp_path, addition, said):
        assert said in complaints(tmp_path, MINIMAL + addition + "\n")[0]

    @pytest.mark.parametrize(
        ("addition", "said"),
        [
            ("title: &t x\nfields: {city: {value: *t}}", "7:17: fields.city.value: anchors and aliases"),
            ("fields: &f {city: &g {value: a}, <<: *f}", "anchors and aliases"),
            ("title: !!python/object/apply:os.getcwd []", "the tag '!!python/object/apply:os.getcwd' is not used"),
            ("title: !secret moodle", "the tag '!secret' is not used"),
            ("? [a]\n: b", "a key must be a text"),
        ],
    )
    def test_what_yaml_can_do_and_we_do_not_is_refused(self, tmp_path, addition, said):
        assert said in "\n".join(complaints(tmp_path, MINIMAL + addition + "\n"))

    def test_a_file_with_a_byte_order_mark_reads_the_same(self, tmp_path):
        assert load(tmp_path, b"\xef\xbb\xbf" + MINIMAL.encode()) == load(tmp_path, MINIMAL)

    def test_windows_line_ends_read_the_same(self, tmp_path):
        assert load(tmp_path, MINIMAL.replace("\n", "\r\n")) == load(tmp_path, MINIMAL)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "1:1: the file is empty; start from include/mappings/demo.yaml"),
        (b"# only a comment\n", "1:1: the file is empty; start from include/mappings/demo.yaml"),
        (b"- a\n- b\n", "1:1: must hold keys, such as 'environment: demo'"),
        (b"demo\n", "1:1: must hold keys, such as 'environment: demo'"),
        (b"a: b\ntitle: caf\xe9\n", "2:11: the file is not UTF-8 (byte 0xe9); save it as UTF-8"),
        ("environment: demo".encode("utf-16"), "1:1: the file is UTF-16; save it as UTF-8"),
        (b"title: a\x00b\n", "1:9: a character that YAML does not allow: control characters are not allowed"),
        (b"[" * 5000, "nest"),
        (b"# \n" * 400_000, "this must be another file"),
    ],
)
def test_what_is_no_mapping_file_at_all_is_said_in_one_line(tmp_path, raw, said):
    lines = complaints(tmp_path, raw)
    assert len(lines) == 1
    assert said in lines[0]


def test_a_file_that_is_not_there_is_a_mapping_error(tmp_path):
    with pytest.raises(MappingError, match=r"none\.yaml:1:1: the mapping file cannot be read: No such file"):
        load_mapping(tmp_path / "none.yaml")


class TestLoadAll:
    def couple(self, folder: Path, name: str, connection: str = "") -> None:
        text = MINIMAL.replace("environment: demo", f"environment: {name}")
        write(folder, text.replace("moodle_demo", connection or f"moodle_{name}"), f"{name}.yaml")

    def test_one_bad_file_never_hides_the_good(self, tmp_path):
        self.couple(tmp_path, "b")
        self.couple(tmp_path, "a")
        write(tmp_path, "environment: [", "bad.yaml")
        write(tmp_path, b"\xff\xfe\x00", "worse.yaml")
        (tmp_path / "folder.yaml").mkdir()
        mappings, errors = load_all(tmp_path)
        assert [mapping.environment for mapping in mappings] == ["a", "b"]
        assert [str(error).split(":")[0].rpartition("/")[2] for error in errors] == [
            "bad.yaml",
            "folder.yaml",
            "worse.yaml",
        ]

    def test_only_files_directly_in_the_folder_are_read(self, tmp_path):
        self.couple(tmp_path, "a")
        (tmp_path / "examples").mkdir()
        self.couple(tmp_path / "examples", "b")
        write(tmp_path, "{}", "mapping.schema.json")
        write(tmp_path, "x", ".#a.yaml")
        mappings, errors = load_all(tmp_path)
        assert ([mapping.environment for mapping in mappings], errors) == (["a"], [])

    def test_the_other_ending_is_pointed_out(self, tmp_path):
        write(tmp_path, MINIMAL, "demo.yml")
        mappings, errors = load_all(tmp_path)
        assert mappings == []
        assert "a mapping file is called demo.yaml" in str(errors[0])

    def test_two_files_for_one_moodle_are_both_read_and_said_to_share_it(self, tmp_path):
        for name, connection in (("a", "moodle_x"), ("b", "moodle_x"), ("c", "moodle_c")):
            self.couple(tmp_path, name, connection)
        write(tmp_path, "environment: [\nconnection: moodle_x\n", "d.yaml")
        mappings, _ = load_all(tmp_path)
        assert [mapping.environment for mapping in mappings] == ["a", "b", "c"]
        (shared,) = shared_connections(tmp_path)
        assert shared == Shared("moodle_x", ("a", "b", "d"))
        assert "b.yaml:2:1: connection: 'moodle_x' is the connection of a.yaml, which had it first" in str(
            shared.error(tmp_path, "b", "a")
        )

    def test_a_folder_that_is_not_there_is_one_error(self, tmp_path):
        mappings, errors = load_all(tmp_path / "none")
        assert mappings == []
        assert "the folder of mapping files cannot be read" in str(errors[0])

    def test_an_empty_folder_is_fine(self, tmp_path):
        assert load_all(tmp_path) == ([], [])


class TestFindMapping:
    def test_by_name_and_by_path(self, tmp_path, monkeypatch):
        path = write(tmp_path, MINIMAL)
        assert find_mapping("demo", tmp_path) == path
        assert find_mapping(path, tmp_path / "elsewhere") == path
        assert find_mapping("demo.yaml", tmp_path) == path
        monkeypatch.chdir(tmp_path)
        assert find_mapping("./demo.yaml", Path("elsewhere")).resolve() == path

    def test_a_misspelt_name_is_answered_with_the_likely_one(self, tmp_path):
        write(tmp_path, MINIMAL)
        with pytest.raises(MappingError, match=r"There is no mapping file 'dmeo'.*did you mean 'demo'"):
            find_mapping("dmeo", tmp_path)

    def test_any_other_name_is_answered_with_what_there_is(self, tmp_path):
        write(tmp_path, MINIMAL)
        with pytest.raises(MappingError, match="There are: demo"):
            find_mapping("production", tmp_path)


class TestSourcePath:
    def test_a_relative_path_starts_at_the_mapping_file(self, tmp_path):
        path = write(tmp_path, MINIMAL.replace("persons.csv", "../samples/persons.csv"))
        assert source_base(path) == tmp_path
        assert str(source_path(load_mapping(path))) == str(tmp_path.parent / "samples" / "persons.csv")

    def test_wherever_it_was_loaded_from(self, tmp_path, monkeypatch):
        write(tmp_path, MINIMAL)
        monkeypatch.chdir(tmp_path)
        mapping = load_mapping(Path("demo.yaml"))
        monkeypatch.chdir("/")
        assert str(source_path(mapping)) == str(tmp_path / "persons.csv")
        assert mapping.path == tmp_path / "demo.yaml"

    @pytest.mark.parametrize("path", ["/data/persons.csv", "s3://bucket/persons.csv"])
    def test_an_absolute_path_or_a_url_stays(self, tmp_path, path):
        assert str(source_path(load(tmp_path, MINIMAL.replace("persons.csv", path)))) == path

    def test_a_table_and_several_sources_are_told_as_they_are(self, tmp_path):
        several = "source:\n  - {type: sql, connection: hr, table: persons}\n  - {path: extra.csv}"
        mapping = load(tmp_path, MINIMAL.replace("source:\n  path: persons.csv", several))
        assert str(source_path(mapping)) == f"persons of connection 'hr' + {tmp_path}/extra.csv"


class TestSchema:
    def test_it_is_valid_json_schema(self):
        jsonschema.Draft202012Validator.check_schema(json_schema())

    def test_the_committed_one_is_up_to_date(self, tmp_path):
        write_schema(tmp_path / "schema.json")
        assert (MAPPINGS / "mapping.schema.json").read_text("utf-8") == (tmp_path / "schema.json").read_text("utf-8"), (
            "run: python scripts/make_docs.py"
        )

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_the_examples_are_valid_by_it(self, path):
        schema = json.loads((MAPPINGS / "mapping.schema.json").read_text("utf-8"))
        jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"usrname": {}},
            {"fields": {"county": {"value": "NL"}}},
            {"username": {"recipe": "first_infix_lst"}},
            {"write": {"idnumber": "always"}},
            {"source": {"type": "sql", "path": "a.csv"}},
            {"source": [{"path": "a.csv"}, {"type": "sqll"}]},
            {"source": []},
        ],
    )
    def test_it_refuses_what_the_loader_refuses(self, wrong):
        good = yaml.safe_load(MINIMAL)
        jsonschema.validate(good, json_schema())
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(good | wrong, json_schema())

    @pytest.mark.parametrize(
        "source",
        [
            {"path": "a.parquet", "newest_by": "modified", "stale": "refuse"},
            {"type": "sql", "connection": "hr", "table": "persons", "changed_column": "changed"},
            [{"type": "file", "path": "a.csv"}, {"type": "sql", "connection": "hr", "query": "SELECT 1"}],
        ],
    )
    def test_it_takes_every_kind_of_source_that_the_loader_takes(self, source):
        good = yaml.safe_load(MINIMAL) | {"source": source}
        jsonschema.validate(good, json_schema())
        assert Mapping.model_validate(good).sources

    def test_an_editor_finds_every_key_with_what_it_means(self):
        schema = json_schema()
        for part in (schema, *(each for each in schema["$defs"].values() if each["type"] == "object")):
            assert part["additionalProperties"] is False
            for name, key in part["properties"].items():
                meaning = schema["$defs"][key["$ref"].rpartition("/")[2]] if "$ref" in key else key
                assert key.get("description") or meaning.get("description"), (part["title"], name)
        assert "country" in schema["properties"]["fields"]["properties"]


@pytest.mark.parametrize(
    ("page", "tables"),
    [
        (make_docs.DOCS, ("keys", "columns")),
        (make_docs.README, ("connection", "rules", "outcomes")),
        (make_docs.FIGURES, ("metrics",)),
    ],
)
def test_the_tables_in_the_docs_are_up_to_date(page, tables):
    text = page.read_text("utf-8")
    assert all(f"<!-- end of {name} -->" in text for name in tables)
    assert text == make_docs.with_reference(text), "run: make docs"


def test_the_reference_has_a_row_for_every_key():
    rows = make_docs.reference()
    for key in ("environment", "source.columns", "fields.<name>.write", "profile_fields.<name>.column"):
        assert f"| `{key}` |" in rows
    assert "| `scope.include[].matches` |" in rows
    assert "| `source.changed_query` |" in rows
    assert "$ref" not in rows


class TestExamples:
    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_each_loads_and_tells_the_editor_its_schema(self, path):
        load_mapping(path)
        first = path.read_text("utf-8").splitlines()[0]
        schema = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / schema).resolve() == MAPPINGS / "mapping.schema.json"

    def test_only_the_demo_becomes_a_coupling(self):
        mappings, errors = load_all(MAPPINGS)
        assert errors == []
        assert "demo" in {mapping.environment for mapping in mappings}
        assert not {"advanced", "coachview_default"} & {mapping.environment for mapping in mappings}

    def test_the_demo_is_what_the_readme_says(self):
        demo = load_mapping(MAPPINGS / "demo.yaml")
        assert demo.connection == "moodle_demo"
        assert demo.write_policy("lang") is Write.ON_CREATE
        assert demo.fields["auth"].value == "manual"
        assert demo.profile_fields["customfield1"].column == "free1"

    def test_the_advanced_one_shows_every_key_there_is(self):
        said = yaml.safe_load((MAPPINGS / "examples" / "advanced.yaml").read_text("utf-8"))
        schema = json_schema()
        shown: dict[str, set[str]] = {"Mapping": set(said)}
        for key, part in (
            ("username", "Username"),
            ("scope", "Scope"),
            ("matching", "Matching"),
            ("leavers", "Leavers"),
            ("snapshot", "SnapshotSettings"),
            ("safeguards", "Safeguards"),
            ("limits", "Limits"),
            ("notify", "Notify"),
            ("schedule", "Schedule"),
            ("access", "Access"),
        ):
            shown[part] = set(said[key])
        shown["AccessSafeguards"] = set(said["access"]["safeguards"])
        shown["AccessRule"] = {key for rule in said["access"]["rules"] for key in rule}
        named = (rule.get(kind) for rule in said["access"]["rules"] for kind in ("cohort", "course"))
        shown["Targets"] = {key for each in named if isinstance(each, dict) for key in each}
        shown["Limit"] = {key for each in said["safeguards"].values() if isinstance(each, dict) for key in each}
        shown["FieldValue"] = {key for field in (said["fields"] | said["profile_fields"]).values() for key in field}
        shown["Condition"] = {key for condition in said["scope"]["include"] for key in condition}
        for part, keys in shown.items():
            known = schema["properties"] if part == "Mapping" else schema["$defs"][part]["properties"]
            assert keys == set(known), part


def test_loading_imports_nothing_heavy():
    code = (
        "import sys; from pathlib import Path; from moodle_coupling.mapping.folder import load_all;"
        f"mappings, errors = load_all(Path({str(MAPPINGS)!r})); assert mappings, errors;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(run.stdout.split())
    assert {"yaml", "pydantic"} <= loaded
    assert not loaded & {"airflow", "pandas", "numpy", "pyarrow", "sqlalchemy", "requests", "difflib", "croniter"}


@given(data=st.data())
def test_whatever_is_typed_into_a_good_file_it_loads_or_is_explained(tmp_path_factory, data):
    text = (MAPPINGS / "examples" / "advanced.yaml").read_text("utf-8")
    place = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 30))
    typed = data.draw(st.one_of(st.sampled_from(list("[]{}:-?&*!|>'\"#%@\t\n~,")), st.text(max_size=5)))
    path = tmp_path_factory.getbasetemp() / "advanced.yaml"
    path.write_bytes((text[:place] + typed + text[place + cut :]).encode("utf-8", "surrogatepass"))
    problems = []
    try:
        load_mapping(path)
    except MappingFileError as error:
        problems = error.problems or [None]
    assert all(each.line >= 1 and each.column >= 1 and each.text for each in problems)


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ("fields: {city: {column: city, unmatched: keep}}", "'unmatched' goes with 'value_map'"),
        ("fields: {city: {value: Ede, value_map: {a: b}}}", "'value_map' goes with 'column'"),
        ("fields: {city: {column: city, value_map: {a: 'x<b'}}}", "fields.city.value_map.a: 'x<b' has '<'"),
        ("fields: {country: {column: country, value_map: {Holland: Nederland}}}", "did you mean 'NL'?"),
        ("fields: {country: {value: NLD}}", "did you mean 'NL'?"),
        ("fields: {city: {column: usernam}}", "there is no column 'usernam'"),
        ("missing_names: {infix: x}", "missing_names.infix"),
    ],
)
def test_what_does_not_fit_a_value_map_a_country_or_a_missing_name(tmp_path, addition, said):
    assert any(said in line for line in complaints(tmp_path, MINIMAL + addition + "\n"))


def test_columns_of_moodles_own_upload_need_no_heading(tmp_path):
    addition = (
        "fields: {auth: {column: auth}}\nprofile_fields: {vip: {column: profile_field_vip, value_map: {ja: '1'}}}\n"
    )
    mapping = load(tmp_path, MINIMAL + addition)
    assert mapping.profile_fields["vip"].translated("JA") == "1"
    coachview = MINIMAL.replace("path: persons.csv", "{type: coachview, connection: cv}")
    assert any("no column 'auth'" in line for line in complaints(tmp_path, coachview + addition))
