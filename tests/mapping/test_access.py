"""What a mapping may say of access, and what it is told when it says something else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from moodle_coupling.contract.columns import TargetKind
from moodle_coupling.mapping import LeaverAccess, Mapping, MissingTargets, TakeBack
from moodle_coupling.mapping.file import MappingFileError, json_schema, load_mapping
from moodle_coupling.people.table import NOT_WRITTEN
from moodle_coupling.sources.needs import needed

DOCS = Path(__file__).parents[2] / "docs"
BASE = {"environment": "demo", "connection": "moodle_demo", "source": {"path": "a.csv"}, "idnumber": "extern_id"}
TEACHERS = {"cohort": "docenten", "when": [{"column": "categories", "any_of": ["Docent"]}]}


def make(**access: Any) -> Mapping:
    return Mapping.model_validate(BASE | {"access": access})


def problems(tmp_path: Path, **access: Any) -> list[tuple[str, str]]:
    """Give key and code of each problem of a file with this access."""
    file = tmp_path / "demo.yaml"
    file.write_text(yaml.safe_dump(BASE | {"access": access}))
    with pytest.raises(MappingFileError) as caught:
        load_mapping(file)
    return [(each.key, each.said.code) for each in caught.value.problems]


def test_access_is_off_when_nothing_is_said():
    assert Mapping.model_validate(BASE).access is None
    assert Mapping.model_validate(BASE | {"access": None}).access is None
    assert "access" in NOT_WRITTEN, "else everyone would be looked at again when access is turned on"


def test_a_rule_is_careful_where_it_says_nothing():
    access = make(rules=[TEACHERS]).access
    assert access is not None
    assert access.rules[0].kind is TargetKind.COHORT
    assert access.rules[0].targets.name == "docenten"
    assert (access.take_back, access.missing_targets) == (TakeBack.GIVEN, MissingTargets.REPORT)
    assert access.leavers is LeaverAccess.LOSE
    assert access.safeguards.first_load


def test_a_mapping_with_access_survives_dumping():
    mapping = make(
        rules=[TEACHERS, {"course": {"column": "free1", "translate": {"A": "B"}}, "window": {"from": "free2"}}],
        source={"path": "x.csv", "columns": {"course": "Cursus"}},
    )
    assert Mapping.model_validate(mapping.model_dump(mode="json")) == mapping


def test_the_schema_takes_a_text_and_keys_for_a_target():
    jsonschema = pytest.importorskip("jsonschema")
    for rule in (TEACHERS, {"course": {"column": "free1", "prefix": "C-"}}):
        said = BASE | {"access": {"rules": [rule]}}
        jsonschema.validate(said, json_schema())
        Mapping.model_validate(said)


def test_a_column_that_access_needs_must_be_there():
    mapping = make(rules=[TEACHERS, {"course": {"column": "free1"}, "window": {"until": "free2"}}])
    asked = needed(mapping)
    assert asked["categories"] == "access.rules[0].when[0]"
    assert asked["free1"] == "access.rules[1].course"
    assert asked["free2"] == "access.rules[1].window"


ENROLMENTS = {
    "type": "coachview",
    "connection": "school_cv",
    "columns": {"person_id": "persoonId", "training": "opleidingId"},
    "part_columns": {"training": "opleidingId"},
}


@pytest.mark.parametrize(
    ("access", "key", "code"),
    [
        ({"take_back": "given"}, "access", "mapping.access.says_nothing"),
        ({"rules": [{}]}, "access.rules[0]", "mapping.access.cohort_or_course"),
        ({"rules": [{"cohort": "a", "course": "b"}]}, "access.rules[0]", "mapping.access.cohort_or_course"),
        ({"rules": [{"cohort": {}}]}, "access.rules[0].cohort", "mapping.access.name_or_column"),
        (
            {"rules": [{"cohort": {"name": "a", "prefix": "x"}}]},
            "access.rules[0].cohort",
            "mapping.access.of_columns",
        ),
        (
            {"rules": [{"course": {"column": "free1", "unmatched": "leave_out"}}]},
            "access.rules[0].course",
            "mapping.access.unmatched",
        ),
        ({"rules": [{"cohort": "a", "role": "teacher"}]}, "access.rules[0]", "mapping.access.role_of_cohort"),
        ({"rules": [{"cohort": {"column": "colour"}}]}, "access.rules[0].cohort.column", "mapping.column.absent"),
        (
            {"rules": [{"course": "a", "window": {"from": "begin"}}]},
            "access.rules[0].window.from",
            "mapping.column.absent",
        ),
        (
            {"rules": [{"course": "a", "when": [{"column": "colour", "equals": "red"}]}]},
            "access.rules[0].when[0].column",
            "mapping.column.absent",
        ),
        ({"rules": [{"course": "a", "roles": "student"}]}, "access.rules[0].roles", "mapping.key.unknown"),
        ({"rules": [TEACHERS], "take_back": "owned"}, "access.take_back", "mapping.access.owned_needed"),
        ({"rules": [TEACHERS], "owned": ["a"]}, "access.owned", "mapping.access.owned_unused"),
        ({"rules": [TEACHERS], "take_back": "all"}, "access.take_back", "mapping.value.not_one_of"),
        ({"rules": [TEACHERS], "roles": {"student": 0}}, "access.roles.student", "mapping.value.below"),
        ({"rules": [TEACHERS], "date_format": "%d-%m"}, "access.date_format", "mapping.profile.not_a_whole_date"),
        ({"rules": [TEACHERS], "time_zone": "Amsterdam"}, "access.time_zone", "mapping.constant.time_zone"),
        (
            {"rules": [TEACHERS], "states": {"Weg": "none", "weg": "active"}},
            "access.states",
            "mapping.access.states",
        ),
        (
            {"source": {"type": "moodle", "connection": "c"}},
            "access.source.type",
            "mapping.value.not_one_of",
        ),
        ({"source": {"type": "coachview", "connection": "c"}}, "access.source.columns", "mapping.key.missing"),
        (
            {"source": ENROLMENTS | {"columns": {"training": "opleidingId"}}},
            "access.source.columns",
            "mapping.access.enrolment_without_person",
        ),
        (
            {"source": ENROLMENTS | {"part_columns": {"code": "elearningCode"}}},
            "access.source.part_columns",
            "mapping.access.without_training",
        ),
        (
            {"source": ENROLMENTS | {"columns": {"person_id": "p", "training": "t", "course": "c"}}},
            "access.source.columns.course",
            "mapping.access.list_column",
        ),
        (
            {"source": ENROLMENTS | {"columns": {"person_id": "persoon id", "training": "t"}}},
            "access.source.columns.person_id",
            "mapping.source.coachview.no_key",
        ),
        (
            {"source": ENROLMENTS | {"unmatched": "leave_out"}},
            "access.source",
            "mapping.access.unmatched",
        ),
        (
            {"source": {"path": "x.csv", "columns": {"group": "Groep", "course": "C"}}},
            "access.source.columns.group",
            "mapping.access.list_column",
        ),
        (
            {"source": {"path": "x.csv", "columns": {"role": "Rol"}}},
            "access.source.columns",
            "mapping.access.list_without_target",
        ),
        (
            {"source": {"path": "x.csv", "columns": {"course": "C", "idnumber": "I", "extern_id": "E"}}},
            "access.source.columns.idnumber",
            "mapping.access.list_two_ids",
        ),
        (
            {
                "source": {
                    "type": "sql",
                    "connection": "hr",
                    "table": "t",
                    "changed_column": "at",
                    "columns": {"course": "c"},
                }
            },
            "access.source.changed_column",
            "mapping.access.list_is_whole",
        ),
        (
            {"source": {"path": "x.csv", "token": "abc", "columns": {"course": "C"}}},
            "access.source.token",
            "mapping.key.secret_of_source",
        ),
    ],
)
def test_what_does_not_fit_is_told_at_its_key(tmp_path, access, key, code):
    assert (key, code) in problems(tmp_path, **access)


def test_an_emptied_safeguard_is_not_off(tmp_path):
    said = {"rules": [TEACHERS], "safeguards": {"take_backs": None}}
    assert ("access.safeguards.take_backs", "mapping.safeguards.empty") in problems(tmp_path, **said)
    assert make(rules=[TEACHERS], safeguards={"take_backs": "off"}).access.safeguards.take_backs is None


@pytest.mark.parametrize(
    "example", re.findall(r"```yaml\n(.*?)```", (DOCS / "access.md").read_text("utf-8"), re.DOTALL)
)
def test_the_worked_examples_are_mappings(example):
    assert Mapping.model_validate(BASE | yaml.safe_load(example)).access is not None
